// One photo on the page: its picture, its state, and what the model says at each distance.

import { LEAST, bucketAt, bucketOf, ground, placeOf, words } from "./distances.js";
import { preview } from "./preview.js";
import { Refusal, post } from "./service.js";

const LARGEST = 20 * 2 ** 20;

const shapes = document.getElementById("card").content;
const barShape = document.getElementById("bar").content;
let count = 0;

export class Card {
  state = "waiting";
  refused = 0;
  detail = "";
  // What the answer to the photo says, at the distance that the service found by itself.
  found = null;
  // What the model says at each of the 23 distances.
  scores = [];
  classes = [];
  // Metres that somebody chose, null for unknown; undefined as long as nobody has.
  chosen = undefined;
  stop = new AbortController();

  constructor(file) {
    this.file = file;
    this.name = file.name;
    this.element = shapes.cloneNode(true).firstElementChild;
    this.part(".name").textContent = file.name;
    this.identify();
    this.show("waiting", "Waiting");
    this.illustrate();
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  // Ties labels and descriptions to what they are of.
  identify() {
    count += 1;
    this.part("h2").id = `name-${count}`;
    this.element.setAttribute("aria-labelledby", `name-${count}`);
    for (const control of this.element.querySelectorAll("button, input")) {
      control.setAttribute("aria-describedby", `name-${count}`);
    }
    this.part(".slider").id = `distance-${count}`;
    this.part(".slide label").htmlFor = `distance-${count}`;
    this.part("output").htmlFor = `distance-${count}`;
  }

  get metres() {
    return this.chosen === undefined ? this.found.metres : this.chosen;
  }

  get bucket() {
    return bucketOf(this.metres);
  }

  // The distance as the service would tell it.
  get distance() {
    if (this.metres === this.found.metres) return this.found.distance;
    const known = this.metres === null ? "unknown" : "metres";
    const source = this.metres === null ? "unknown" : "given";
    const { metres, bucket } = this;
    return { metres, bucket, basis: known, source, cross_grid: "unknown" };
  }

  // Whether the photo itself was refused, which another try would not change.
  get isFinal() {
    return this.refused >= 400 && this.refused < 500 && ![401, 408, 429].includes(this.refused);
  }

  // What the model says at the present distance. The photo's own answer may know more than metres.
  get said() {
    if (this.state !== "done") return null;
    return this.metres === this.found.metres ? this.found : this.scores[this.bucket];
  }

  async illustrate() {
    this.picture = await preview(this.file);
    const none = this.part(".none");
    if (this.stop.signal.aborted) return this.forgetPicture();
    if (this.picture === null) {
      none.textContent = "No preview in this browser";
      return;
    }
    const image = new Image();
    // The name and the tags beside it say all that is known of the picture.
    image.alt = "";
    image.src = this.picture;
    none.replaceWith(image);
  }

  // Has the photo tagged, then scores its embedding at all distances.
  async tag() {
    const busy = (seconds) => {
      this.show("working", `The service is busy; again in ${Math.ceil(seconds)} s`);
    };
    this.show("working", "Working\u2026");
    try {
      if (this.file.size > LARGEST) throw new Refusal(413, "the file is larger than 20 MiB");
      const form = new FormData();
      form.append("photo", this.file, this.name);
      const { signal } = this.stop;
      const answer = await post("tag?embedding=true", form, signal, busy);
      const embeddings = LEAST.map(() => answer.embedding);
      this.take(answer, await post("score", { embeddings, distances: LEAST }, signal, busy));
    } catch (error) {
      if (this.stop.signal.aborted) return;
      this.refused = error instanceof Refusal ? error.status : 0;
      this.detail = error.message;
      this.show("failed", `Failed: ${error.message}`);
    }
  }

  take(answer, scored) {
    this.classes = scored.classes;
    this.model = scored.model;
    this.standIn = scored.stand_in;
    this.scores = scored.probabilities.map((probabilities, bucket) => ({
      probabilities, tags: scored.tags[bucket], certain: scored.certain[bucket],
      low: scored.low_confidence[bucket],
    }));
    this.found = {
      probabilities: this.classes.map((name) => answer.probabilities[name]),
      tags: answer.tags,
      certain: answer.certain,
      low: answer.low_confidence,
      metres: answer.distance.metres,
      distance: answer.distance,
    };
    this.file = null;
    this.part(".warnings").textContent = answer.warnings.join("; ");
    this.part(".warnings").hidden = answer.warnings.length === 0;
    this.show("done", "");
    this.drawBars();
    this.draw();
  }

  show(state, text) {
    this.state = state;
    const line = this.part(".state");
    line.textContent = text;
    line.hidden = text === "";
    line.classList.toggle("bad", state === "failed");
    this.part(".again").hidden = state !== "failed" || this.isFinal;
    this.part(".found").hidden = state !== "done";
  }

  drawBars() {
    const columns = this.classes.map((_, place) => this.scores.map((at) => at.probabilities[place]));
    this.bars = columns.map((values, place) => {
      const bar = barShape.cloneNode(true).firstElementChild;
      const [low, high] = [Math.min(...values), Math.max(...values)];
      bar.querySelector(".class").textContent = this.classes[place];
      bar.querySelector(".range").textContent = `${low.toFixed(2)} to ${high.toFixed(2)}`;
      bar.style.setProperty("--low", `${100 * low}%`);
      bar.style.setProperty("--high", `${100 * high}%`);
      return bar;
    });
    this.part("ul").replaceChildren(...this.bars);
    this.part(".swing").textContent = this.swing(columns);
  }

  // How much the distance weighs, in words.
  swing(columns) {
    const moves = columns.map((values) => Math.max(...values) - Math.min(...values));
    const most = moves.indexOf(Math.max(...moves));
    const sets = new Set(this.scores.map(({ tags }) => tags.join()));
    const tags = sets.size === 1 ? "leaves the tags as they are" : `gives ${sets.size} sets of tags`;
    return `Distance alone moves ${this.classes[most]} most, by ${moves[most].toFixed(2)}, and ${tags}.`;
  }

  draw() {
    const { said, bucket } = this;
    this.part(".tags").textContent = said.tags.join(", ");
    this.part(".certain").textContent = `certain: ${said.certain.join(", ")}`;
    this.part(".certain").hidden = said.certain.length === 0;
    this.element.classList.toggle("sure", said.certain.length > 0);
    this.part(".low").hidden = !said.low;
    for (const [place, bar] of this.bars.entries()) {
      const value = said.probabilities[place];
      const name = this.classes[place];
      const tag = name === "Cross Far" ? "Cross Grid" : name;
      bar.querySelector("b").textContent = value.toFixed(2);
      bar.style.setProperty("--now", `${100 * value}%`);
      bar.classList.toggle("on", said.tags.includes(tag) && !said.low);
    }
    const slider = this.part(".slider");
    slider.value = placeOf(bucket);
    slider.setAttribute("aria-valuetext", words(bucket));
    this.part("output").textContent = words(bucket);
    const own = this.metres === this.found.metres;
    this.part(".basis").textContent = own ? ground(this.found.distance) : "A distance of your choice.";
    const exact = this.part(".metres");
    if (exact !== document.activeElement) exact.value = this.metres ?? "";
  }

  choose(metres) {
    this.chosen = metres;
    if (this.state === "done") this.draw();
  }

  chooseAt(place) {
    this.choose(LEAST[bucketAt(place)]);
  }

  // Takes what the field of metres holds, and says whether it is a distance.
  chooseExact() {
    const field = this.part(".metres");
    if (!field.validity.valid) return false;
    this.choose(field.value === "" ? null : field.valueAsNumber);
    return true;
  }

  forgetPicture() {
    if (this.picture) URL.revokeObjectURL(this.picture);
  }

  remove() {
    this.stop.abort();
    this.forgetPicture();
    this.element.remove();
  }

  get row() {
    const { name, said, detail, model, standIn } = this;
    if (!said) return { name, said, detail: detail || "not tagged yet" };
    return { name, said, detail, distance: this.distance, model, standIn };
  }
}
