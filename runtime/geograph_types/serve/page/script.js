// The photos on this page: which there are, two at a time to the service, and all at once.

import { Card } from "./card.js";
import { LEAST, bucketAt, bucketOf, words } from "./distances.js";
import { useToken } from "./service.js";
import { table } from "./table.js";

const EACH_ITS_OWN = -1;
const AT_ONCE = 2;
const MOST = 500;

const field = (id) => document.getElementById(id);
const cards = new Map();
let waiting = [];
let running = 0;
let problem = "";

function add(files) {
  const taken = Array.from(files).slice(0, MOST - cards.size);
  const left = files.length - taken.length;
  problem = left > 0 ? ` ${left} not taken: this page holds ${MOST}.` : "";
  for (const file of taken) {
    const card = new Card(file);
    card.choose(chosenForAll());
    cards.set(card.element, card);
    field("cards").append(card.element);
    waiting.push(card);
  }
  work();
}

// Metres for all photos, undefined where each has its own.
function chosenForAll() {
  const place = field("together").valueAsNumber;
  return place === EACH_ITS_OWN ? undefined : LEAST[bucketAt(place)];
}

function showForAll() {
  const chosen = chosenForAll();
  const text = chosen === undefined ? "off" : words(bucketOf(chosen));
  field("together").setAttribute("aria-valuetext", text);
  document.querySelector("#all output").textContent = text;
}

function leaveToEach() {
  field("together").value = EACH_ITS_OWN;
  showForAll();
}

function work() {
  tell();
  while (running < AT_ONCE && waiting.length > 0) {
    running += 1;
    const card = waiting.shift();
    card.tag().finally(() => {
      running -= 1;
      if (card.refused === 401 && card.state === "failed") askForToken();
      work();
    });
  }
}

function again(chosen) {
  for (const card of chosen) card.show("waiting", "Waiting");
  waiting.push(...chosen);
  work();
}

function askForToken() {
  if (!field("access").hidden) return;
  field("access").hidden = false;
  field("token").focus();
}

function count(state) {
  return [...cards.values()].filter((card) => card.state === state).length;
}

// Says how far the work has come, and of which model the tags are.
function tell() {
  const done = count("done");
  const failed = count("failed");
  const failures = failed ? `, ${failed} failed` : "";
  const photos = cards.size === 1 ? "photo" : "photos";
  const text = cards.size ? `${done} of ${cards.size} ${photos} tagged${failures}.` : "";
  field("shown").textContent = text + problem;
  field("all").hidden = cards.size === 0;
  field("progress").max = cards.size || 1;
  field("progress").value = done + failed;
  field("progress").hidden = done + failed === cards.size;
  field("save").disabled = done === 0;
  field("together").disabled = done === 0;
  const last = [...cards.values()].findLast((card) => card.state === "done");
  if (!last) return;
  field("model").textContent = `Tagged by ${last.model}.`;
  field("stand-in").hidden = !last.standIn;
}

function remove(card) {
  card.remove();
  cards.delete(card.element);
  waiting = waiting.filter((other) => other !== card);
}

function save() {
  const photos = [...cards.values()];
  const { classes } = photos.find((card) => card.state === "done");
  const text = table(photos.map((card) => card.row), classes);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "tags.csv";
  link.click();
  // The browser has to have begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function cardOf(element) {
  return cards.get(element.closest("article"));
}

// Read out by screen readers, who would otherwise hear of the slider only.
function speak(text) {
  field("said").textContent = text;
}

field("files").addEventListener("change", (event) => {
  add(event.target.files);
  // So that the same photo can be chosen again.
  event.target.value = "";
});

for (const kind of ["dragenter", "dragover"]) {
  addEventListener(kind, (event) => {
    event.preventDefault();
    document.body.classList.add("over");
  });
}
addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  add(event.dataTransfer.files);
});

field("access").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(field("token").value);
  field("token").value = "";
  field("access").hidden = true;
  field("files").focus();
  again([...cards.values()].filter((card) => card.state === "failed" && card.refused === 401));
});

field("cards").addEventListener("input", (event) => {
  const card = cardOf(event.target);
  if (event.target.matches(".slider")) card.chooseAt(event.target.valueAsNumber);
  else if (!card.chooseExact()) return;
  leaveToEach();
  speak(card.said.tags.join(", "));
});

// A field that was left with what is no distance shows the one that counts.
field("cards").addEventListener("focusout", (event) => {
  const card = event.target.matches(".metres") && cardOf(event.target);
  if (card) event.target.value = card.metres ?? "";
});

field("cards").addEventListener("click", (event) => {
  if (event.target.matches(".again")) {
    const card = cardOf(event.target);
    // The button is about to be hidden, and would take the focus with it.
    card.part(".remove").focus();
    again([card]);
  }
  if (!event.target.matches(".remove")) return;
  const card = cardOf(event.target);
  const next = card.element.nextElementSibling ?? card.element.previousElementSibling;
  remove(card);
  (next?.querySelector(".remove") ?? field("files")).focus();
  if (cards.size === 0) leaveToEach();
  tell();
});

field("together").addEventListener("input", () => {
  for (const card of cards.values()) card.choose(chosenForAll());
  showForAll();
});

field("save").addEventListener("click", save);
field("clear").addEventListener("click", () => {
  for (const card of cards.values()) remove(card);
  problem = "";
  leaveToEach();
  tell();
  field("files").focus();
});
