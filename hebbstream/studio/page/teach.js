// Classes and their examples: held keys and buttons teach, predictions show at once.

import { colour, element, keepFocus, make, notice, paper, percent, place, write } from "./dom.js";

const REPEAT_MS = 500; // a held key is said again and again, so that a lost release ends by itself
const TAP_MS = 2000; // what can only click, such as a screen reader or a voice, holds for so long
const COUNTED_MS = 500; // after a release, until its last example has arrived

export class Teaching {
  constructor(link, pictures) {
    this.link = link;
    this.pictures = pictures;
    this.rows = new Map();
    this.thumbs = new Map();
    this.holding = null;
    this.code = null; // of the number key that is held
    this.classes = [];
    this.held = null;
    this.wire();
  }

  wire() {
    element("add").addEventListener("submit", (event) => {
      event.preventDefault();
      const input = element("name");
      const name = input.value;
      input.value = ""; // before the answer, during which the next one may be typed
      input.blur(); // so that number keys teach at once
      this.ask("add-class", { name }, () => {
        input.value ||= name;
        input.focus();
      });
    });
    element("name").addEventListener("keydown", (event) => event.key === "Escape" && event.target.blur());
    const slider = element("confidence");
    slider.addEventListener("input", () => write("confidence-value", percent(slider.value / 100)));
    slider.addEventListener("change", () => {
      this.ask("confidence", { value: slider.value / 100 }, () => {
        slider.value = Math.round(100 * this.confidence);
        write("confidence-value", percent(this.confidence));
      });
    });
    const dialog = element("class-dialog");
    dialog.addEventListener("close", () => {
      const { name } = dialog.dataset;
      if (dialog.returnValue === "rename" && element("class-name").value.trim() !== name) {
        this.ask("rename", { name, to: element("class-name").value });
      } else if (dialog.returnValue === "forget") {
        this.ask("forget", { name });
      }
    });
    window.addEventListener("blur", () => this.release());
    document.addEventListener("visibilitychange", () => this.release());
  }

  /** Asks for something; a refusal is said, and what it leaves behind undone. */
  ask(name, message, undo = () => {}) {
    this.link.ask(name, message).catch((error) => {
      notice(error.message);
      undo();
    });
  }

  /** Teaches a class for as long as it is held. */
  hold(label) {
    if (this.holding?.label === label || !this.rows.has(label)) {
      return;
    }
    this.release();
    const say = () => this.ask("hold", { label, source: this.pictures.focus }, () => this.release());
    this.holding = { label, timer: setInterval(say, REPEAT_MS) };
    this.mark();
    write("said", `Teaching ${label}`);
    say();
  }

  tap(label) {
    this.hold(label);
    const { holding } = this;
    setTimeout(() => this.holding === holding && this.release(), TAP_MS);
  }

  release() {
    if (this.holding) {
      const { label, timer } = this.holding;
      clearInterval(timer);
      this.holding = this.code = null;
      this.link.ask("release").catch(() => {});
      this.mark();
      setTimeout(() => this.sayCount(label), COUNTED_MS);
    }
  }

  /** Says to whoever does not see it what a hold has brought. */
  sayCount(label) {
    const row = this.rows.get(label);
    if (row && !this.holding) {
      write("said", `${label}: ${row.count.textContent}`);
    }
  }

  holdNumber(number, code) {
    const name = this.classes[number - 1]?.name;
    if (name !== undefined) {
      this.hold(name);
      this.code = code;
    }
  }

  /** By the key's place: with Shift down by then it goes up as another character. */
  releaseKey(code) {
    if (code === this.code) {
      this.release();
    }
  }

  mark() {
    for (const [name, row] of this.rows) {
      const held = this.holding?.label === name || this.held === name;
      row.item.classList.toggle("held", held);
      write(row.hold, held ? "Teaching …" : "Hold to teach");
      row.hold.setAttribute("aria-label", held ? `Teaching … ${name}` : `Hold to teach ${name}`);
    }
  }

  showClasses(classes) {
    keepFocus(element("classes"), () => this.fillClasses(classes), element("name"));
  }

  fillClasses(classes) {
    this.classes = classes;
    const names = new Set(classes.map(({ name }) => name));
    for (const [name, row] of this.rows) {
      if (!names.has(name)) {
        row.item.remove();
        this.rows.delete(name);
      }
    }
    classes.forEach(({ name, examples, accuracy }, at) => {
      const row = this.rows.get(name) ?? this.addRow(name);
      place(element("classes"), at, row.item);
      write(row.key, at < 9 ? at + 1 : "");
      const measured = accuracy === null ? "" : `, ${percent(accuracy)} recognised first`;
      write(row.count, `${examples} example${examples === 1 ? "" : "s"}${measured}`);
    });
    element("first-steps").hidden = classes.length >= 2;
  }

  addRow(name) {
    const key = make("kbd");
    const title = make("span", { className: "name", dir: "auto" }, name);
    const bar = make("span", { className: "bar" }, make("span"));
    const share = make("span", { className: "percent" });
    const count = make("span", { className: "count" });
    const hold = make("button", { type: "button", className: "hold" }, "Hold to teach");
    hold.setAttribute("aria-label", `Hold to teach ${name}`);
    const more = make("button", { type: "button", className: "round", textContent: "⋯" });
    more.setAttribute("aria-label", `Rename or forget ${name}`);
    more.addEventListener("click", () => this.openDialog(name));
    holdable(hold, () => this.hold(name), () => this.release(), () => this.tap(name));
    const item = make("li", {}, key, title, share, bar, count, hold, more);
    const row = { item, key, bar: bar.firstChild, share, count, hold };
    this.rows.set(name, row);
    element("classes").append(item);
    return row;
  }

  openDialog(name) {
    const dialog = element("class-dialog");
    dialog.dataset.name = name;
    dialog.returnValue = "cancel";
    write("class-dialog-title", `Class ${name}`);
    element("class-name").value = name;
    dialog.showModal();
  }

  showPrediction(seen) {
    const shares = seen?.probabilities ?? {};
    for (const [name, row] of this.rows) {
      const share = Object.hasOwn(shares, name) ? shares[name] : null; // a class may be called "constructor"
      row.bar.style.width = `${100 * share}%`;
      write(row.share, share === null ? "–" : percent(share));
      row.item.classList.toggle("best", seen?.label === name);
    }
  }

  showHeld(held) {
    this.held = held?.label ?? null;
    this.mark();
  }

  showConfidence(value) {
    this.confidence = value;
    if (document.activeElement !== element("confidence")) {
      element("confidence").value = Math.round(100 * value);
    }
    write("confidence-value", percent(value));
  }

  showVerdict({ enough, text }) {
    element("verdict").dataset.enough = String(enough);
    write("verdict", text);
  }

  showCurve(curve) {
    const { context, width, height } = paper(element("curve"));
    const y = (value) => 3 + (height - 6) * (1 - value / 100);
    context.strokeStyle = colour("--line-strong");
    context.setLineDash([3, 3]);
    context.beginPath();
    context.moveTo(0, y(95));
    context.lineTo(width, y(95));
    context.stroke();
    context.setLineDash([]);
    if (curve.length) {
      context.strokeStyle = colour("--accent");
      context.lineWidth = 2;
      context.beginPath();
      curve.forEach((value, index) => context.lineTo(curve.length < 2 ? 0 : (width * index) / (curve.length - 1), y(value)));
      context.stroke();
    }
    write("curve-now", curve.length ? `${curve.at(-1)} %` : "");
  }

  showExamples(examples) {
    keepFocus(element("examples"), () => this.fillExamples(examples), element("confidence"));
  }

  fillExamples(examples) {
    const wanted = new Map(examples);
    for (const [number, item] of this.thumbs) {
      if (wanted.get(number) !== item.dataset.label) {
        item.remove();
        this.thumbs.delete(number);
      }
    }
    for (const [number, label] of examples) {
      if (!this.thumbs.has(number)) {
        this.thumbs.set(number, this.makeThumb(number, label));
      }
    }
    [...examples].reverse().forEach(([number], at) => place(element("examples"), at, this.thumbs.get(number)));
    element("no-examples").hidden = examples.length > 0;
  }

  makeThumb(number, label) {
    const image = make("img", { src: `example/${number}`, alt: "", width: 48, height: 48 });
    const button = make("button", { type: "button", title: `${label}: press to remove` }, image, make("span", { className: "tag", dir: "auto" }, label));
    button.setAttribute("aria-label", `Remove example ${number} of ${label}`);
    button.addEventListener("click", () => this.ask("remove", { examples: [number] }));
    const item = make("li", {}, button);
    item.dataset.label = label;
    return item;
  }
}

/** Calls back when a button goes down and up, by pointer or by key, or is clicked by neither. */
function holdable(button, down, up, tap) {
  button.addEventListener("pointerdown", (event) => {
    if (event.button === 0) {
      button.setPointerCapture(event.pointerId);
      down();
    }
  });
  for (const name of ["pointerup", "pointercancel", "blur"]) {
    button.addEventListener(name, up);
  }
  button.addEventListener("contextmenu", (event) => event.preventDefault()); // a long press of a finger
  button.addEventListener("keydown", (event) => {
    if ([" ", "Enter"].includes(event.key)) {
      event.preventDefault();
      down();
    }
  });
  button.addEventListener("keyup", (event) => {
    if ([" ", "Enter"].includes(event.key)) {
      event.preventDefault(); // Firefox would click
      up();
    }
  });
  button.addEventListener("click", (event) => event.detail || tap());
}
