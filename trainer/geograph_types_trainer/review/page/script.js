"use strict";

const queue = JSON.parse(document.getElementById("queue").textContent);
const key = `geograph-types-review-${document.body.dataset.key}`;
const part = (id) => document.getElementById(id);
const verdicts = read();
let place = Math.max(queue.findIndex((_, index) => !verdicts[index]), 0);

// Verdicts by the number of their question; a browser may forbid keeping them.
function read() {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? {};
  } catch {
    return {};
  }
}

function keep() {
  try {
    localStorage.setItem(key, JSON.stringify(verdicts));
    return "";
  } catch {
    return " This browser keeps nothing: save before you close the page.";
  }
}

function answer(verdict) {
  verdicts[place] = verdict;
  const problem = keep();
  if (place < queue.length - 1) place += 1;
  show(problem);
}

function go(step) {
  place = Math.min(Math.max(place + step, 0), queue.length - 1);
  show("");
}

function show(problem) {
  const row = queue[place];
  const given = row.given.split(",").map((tag) => tag.trim());
  const has = given.includes(row.tag) || (row.tag === "From Drone" && given.includes("From Above"));
  part("question").textContent = `Does this look like ${row.tag}?`;
  part("answer").textContent = verdicts[place] ? `You said ${verdicts[place]}.` : "";
  part("given").textContent = `${given.join(", ") || "none"}${has ? "" : ` (not ${row.tag})`}`;
  const certain = row.certain.split(",");
  const predicted = row.predicted.split(",");
  part("predicted").textContent = predicted
    .map((tag) => (certain.includes(tag) ? `${tag} \u2713 certain` : tag)).join(", ");
  part("probability").textContent = `${row.probability.toFixed(2)} for ${row.tag}`;
  part("link").href = row.link;
  part("link").textContent = row.link.startsWith("file:")
    ? decodeURI(row.link.split("/").at(-1)) : row.link;
  picture(row);
  const done = Object.keys(verdicts).length;
  part("shown").textContent =
    `Question ${place + 1} of ${queue.length}, ${done} answered.${problem}`;
  part("progress").max = queue.length;
  part("progress").value = done;
  part("back").disabled = place === 0;
  part("on").disabled = place === queue.length - 1;
  part("save").disabled = done === 0;
}

// Photos on this machine are shown; others are behind their link, so that nothing is fetched.
function picture(row) {
  if (part("photo").dataset.link === row.link) return;
  part("photo").dataset.link = row.link;
  part("photo").replaceChildren();
  if (!row.link.startsWith("file:")) return;
  const image = new Image();
  image.alt = "The photo in question";
  image.onerror = () => image.replaceWith("This browser cannot show the photo: open its link.");
  image.src = row.link;
  part("photo").append(image);
}

function cell(value) {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function save() {
  const lines = [["gridimage_id", "tag", "verdict", "given", "probability", "link"]];
  for (const [index, verdict] of Object.entries(verdicts)) {
    const { gridimage_id: id, tag, given, probability, link } = queue[index];
    lines.push([id, tag, verdict, given, probability, link]);
  }
  const text = lines.map((line) => `${line.map(cell).join(",")}\r\n`).join("");
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = "verdicts.csv";
  link.click();
  // The browser has to have begun to read it.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const keys = {
  y: () => answer("yes"), n: () => answer("no"), s: () => answer("skip"),
  ArrowLeft: () => go(-1), ArrowRight: () => go(1),
};
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const act = keys[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (act) {
    event.preventDefault();
    act();
  }
});
for (const verdict of ["yes", "no", "skip"]) {
  part(verdict).addEventListener("click", () => answer(verdict));
}
part("back").addEventListener("click", () => go(-1));
part("on").addEventListener("click", () => go(1));
part("save").addEventListener("click", save);
show("");
