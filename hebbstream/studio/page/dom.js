// Small helpers for what the page is made of.

export const element = (id) => document.getElementById(id);

/** Sets an element's text, if it is another one. */
export function write(id, text) {
  const found = typeof id === "string" ? element(id) : id;
  if (found.textContent !== String(text)) {
    found.textContent = text;
  }
}

/** Makes an element: make("li", { className: "row" }, child, "text"). */
export function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Puts an item at a place in a list, if another one is there: what is moved loses the focus. */
export function place(list, at, item) {
  if (list.children[at] !== item) {
    list.insertBefore(item, list.children[at] ?? null);
  }
}

/** Changes a list; a focus that goes with an item goes to the one in its place, or else elsewhere. */
export function keepFocus(list, change, elsewhere) {
  const at = Array.from(list.children).findIndex((item) => item.contains(document.activeElement));
  change();
  if (at >= 0 && !list.contains(document.activeElement)) {
    const next = list.children[Math.min(at, list.children.length - 1)];
    (next?.querySelector("button:last-of-type") ?? elsewhere).focus();
  }
}

export const percent = (share) => `${Math.round(100 * share)} %`;

export function ago(seconds) {
  return seconds < 5 ? "now" : seconds < 60 ? `${Math.round(seconds)} s ago` : `${Math.round(seconds / 60)} min ago`;
}

/** A canvas's context for drawing in CSS pixels, however many real ones they have; cleared. */
export function paper(canvas) {
  const scale = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** The colour of a custom property, as this theme has it. */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** Shows a message at the foot of the page, for some seconds or until it is replaced; none hides it. */
let hide;
export function notice(text, seconds = 6) {
  clearTimeout(hide);
  write("notice", text ?? "");
  element("notice").hidden = !text;
  element("notice").classList.toggle("standing", !seconds); // what lasts must not lie over what is there
  if (text && seconds) {
    hide = setTimeout(() => notice(standing, 0), 1000 * seconds);
  }
}

let standing = "";

/** Shows a message for as long as what it tells of lasts. */
export function standingNotice(text) {
  if (text !== standing) {
    standing = text;
    notice(text, 0);
  }
}
