// The strip of the last minutes: how unusual each moment was, and pictures of its peaks.

import { ago, colour, element, keepFocus, make, paper, write } from "./dom.js";

export class Novelty {
  constructor() {
    this.items = new Map();
    this.last = null;
    new ResizeObserver(() => this.last && this.draw(this.last)).observe(element("strip"));
  }

  show(novelty) {
    this.last = novelty;
    this.draw(novelty);
    keepFocus(element("peaks"), () => this.showPeaks(novelty.peaks), element("show-help"));
  }

  draw({ strip, bins, seconds, peaks }) {
    const { context, width, height } = paper(element("strip"));
    const step = width / bins;
    const marked = new Set(peaks.map(({ age }) => strip.length - 1 - Math.round(age / seconds)));
    const [plain, strong] = [colour("--bar"), colour("--accent")];
    strip.forEach((value, index) => {
      const tall = Math.max(1, (height * value) / 100);
      context.fillStyle = marked.has(index) || marked.has(index + 1) || marked.has(index - 1) ? strong : plain;
      context.fillRect(width - (strip.length - index) * step, height - tall, Math.max(1, step), tall);
    });
  }

  showPeaks(peaks) {
    const list = element("peaks");
    const wanted = new Set(peaks.map(({ id }) => id));
    for (const [id, item] of this.items) {
      if (!wanted.has(id)) {
        item.remove();
        this.items.delete(id);
      }
    }
    for (const { id, age } of peaks) {
      const item = this.items.get(id) ?? this.addPeak(id);
      write(item.querySelector("span"), ago(age));
      item.firstChild.setAttribute("aria-label", `Unusual moment, ${ago(age)}`);
    }
    element("no-peaks").hidden = peaks.length > 0;
  }

  addPeak(id) {
    const image = make("img", { src: `peak/${id}`, alt: "", width: 72, height: 54 });
    const button = make("button", { type: "button" }, image, make("span"));
    button.addEventListener("click", () => {
      element("peak-image").src = image.src;
      element("peak-image").alt = "The picture of that moment";
      write("peak-title", `Unusual moment, ${button.querySelector("span").textContent}`);
      element("peak-dialog").showModal();
    });
    const item = make("li", {}, button);
    this.items.set(id, item);
    element("peaks").prepend(item);
    return item;
  }

  showNow(score) {
    write("novelty-now", score === undefined ? "" : `now ${score.toFixed(1)} × usual`);
  }
}
