
"use strict";

// What the filters ask of a card, read once. The cards themselves are plain HTML.
const main = document.querySelector("main");
const cards = Array.from(main.children, (element, place) => {
  const data = element.dataset;
  return {
    element,
    place,
    tags: data.tags ? data.tags.split(",") : [],
    certain: data.certain ? data.certain.split(",") : [],
    values: data.values ? data.values.split(" ").map(Number) : [],
    moderators: data.moderators ?? "",
    sure: Boolean(data.certain),
    low: "low" in data,
    truncated: "truncated" in data,
    problems: "problems" in data,
    failed: "failed" in data,
    name: fold(`${text(element, ".folder")}/${text(element, ".name")}`),
  };
});
const form = document.getElementById("filters");
const field = form.elements;
const number = new Intl.NumberFormat("en");
const names = new Intl.Collator("en", { numeric: true });
let sorted = "";
let writing = 0;

function text(element, selector) {
  return element.querySelector(selector).textContent;
}

function fold(words) {
  return words.normalize().toLowerCase();
}

// The probability that the confidence filters and the sorting speak of: of the chosen class, or
// the best. A failed photo has none.
function confidence(card) {
  const chosen = field.class.selectedIndex - 1;
  return chosen < 0 ? Math.max(...card.values) : card.values[chosen] ?? -Infinity;
}

function test() {
  const { class: type, tagged, from, to, show, moderators, name } = field;
  const lowest = from.value === "" ? -Infinity : Number(from.value);
  const highest = to.value === "" ? Infinity : Number(to.value);
  const about = type.value !== "" || from.value !== "" || to.value !== "";
  const part = fold(name.value.trim());
  return (card) => {
    const value = confidence(card);
    return (
      !(about && card.failed) &&
      (type.value === "" || tagged.value === "either" ||
        (tagged.value === "certainly" ? card.certain : card.tags).includes(type.value) ===
        (tagged.value !== "no")) &&
      lowest <= value && value <= highest &&
      (show.value === "" || card[show.value]) &&
      (moderators.value === "" || card.moderators === moderators.value) &&
      card.name.includes(part)
    );
  };
}

const orders = {
  "": (a, b) => a.place - b.place,
  name: (a, b) => names.compare(a.name, b.name) || a.place - b.place,
  lowest: (a, b) => byConfidence(a, b, 1),
  highest: (a, b) => byConfidence(a, b, -1),
};

function byConfidence(a, b, sign) {
  return a.failed - b.failed || sign * (confidence(a) - confidence(b) || 0) || a.place - b.place;
}

function sort() {
  const order = field.sort.value;
  const wanted = order && order !== "name" ? `${order} ${field.class.value}` : order;
  if (wanted === sorted) return;
  sorted = wanted;
  const elements = [...cards].sort(orders[order]).map((card) => card.element);
  // Emptied as a whole first: Chromium takes seconds to move thousands of cards one by one.
  main.replaceChildren();
  main.append(...elements);
}

function apply() {
  field.tagged.disabled = field.class.value === "";
  const fits = test();
  let shown = 0;
  for (const card of cards) {
    const fit = fits(card);
    shown += fit;
    if (card.element.hidden === fit) card.element.hidden = !fit;
  }
  sort();
  const none = shown === 0 && cards.length > 0 ? ": none fits these filters" : "";
  document.getElementById("shown").textContent =
    `${number.format(shown)} of ${number.format(cards.length)} photos${none}`;
}

// The address keeps the filters, so that a link opens the same view.
function readAddress() {
  const given = new URLSearchParams(location.hash.slice(1));
  form.reset();
  for (const control of field) {
    if (control.name && given.has(control.name)) control.value = given.get(control.name);
    if (control.selectedIndex === -1) control.selectedIndex = 0;
  }
  apply();
}

function writeAddress() {
  const kept = new URLSearchParams();
  for (const control of field) {
    const standard = control.selectedIndex === 0 || control.value === "";
    if (control.name && !control.disabled && !standard) kept.set(control.name, control.value);
  }
  history.replaceState(null, "", `#${kept}`);
}

function change() {
  apply();
  // Whoever had scrolled down sees the first of the photos that are left.
  if (main.getBoundingClientRect().top < 0) main.scrollIntoView();
  // Browsers refuse an address that changes with each letter typed.
  clearTimeout(writing);
  writing = setTimeout(writeAddress, 250);
}

form.addEventListener("input", change);
document.getElementById("clear").addEventListener("click", () => {
  form.reset();
  change();
});
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", readAddress);
document.getElementById("controls").disabled = false;
document.getElementById("moderators").hidden = cards.every((card) => card.moderators === "");
readAddress();
