// The page: what the server says is shown, what people do is asked of it.

import { Camera, whyNot } from "./camera.js";
import { ago, element, notice, standingNotice, write } from "./dom.js";
import { Inside } from "./inside.js";
import { Link } from "./link.js";
import { Novelty } from "./novelty.js";
import { Pictures } from "./picture.js";
import { Teaching } from "./teach.js";

const given = new URLSearchParams(location.search).get("token");
try {
  localStorage.getItem("token");
} catch (error) {
  write("status", "not connected");
  standingNotice("This browser keeps nothing for this page, which needs it to know its studio: allow cookies and storage, then load the page again.");
  throw error;
}
if (given) {
  localStorage.setItem("token", given);
  history.replaceState(null, "", location.pathname);
}

const REFUSED = "The studio was started again: open the address that it has printed now.";
const state = {};
const onError = (error) => notice(error.message);

const link = new Link({ onHeader, onPart, onLink, onCamera: (message) => camera.answered(message) });
const pictures = new Pictures(link, onError);
const teaching = new Teaching(link, pictures);
const inside = new Inside(link, onError);
const novelty = new Novelty();
const camera = new Camera(link, cameraEnded);

function onLink(now) {
  document.body.dataset.link = now;
  if (now === "open") {
    camera?.reconnected();
    if (camera?.running) {
      showCamera().catch(onError); // it was turned off when the connection was lost
    }
    link.say({ focus: pictures?.focus ?? 0 });
  } else if (now === "lost") {
    teaching.release();
    write("picture-message", link.refused ? REFUSED : "The connection to the studio is lost. Trying again.");
    element("picture-message").hidden = false;
  }
  showStatus();
}

function onHeader({ state: changed, seen }) {
  if (changed) {
    Object.assign(state, changed);
    showState(changed);
  }
  if (seen) {
    state.seen = seen;
  }
  const mine = state.seen?.[pictures.focus];
  pictures.showPrediction(mine);
  teaching.showPrediction(mine);
  novelty.showNow(mine?.novelty);
}

function onPart(about, bytes) {
  if (about.kind === "filters") {
    return inside.showFilters(about, bytes);
  }
  return about.kind === "likes" ? inside.showLikes(about, bytes) : pictures.draw(about, bytes);
}

const WORDS = {
  pictures: ["Live picture", "The picture as the network sees it"],
  sound: ["Live sound", "The sound as the network hears it, low tones at the bottom"],
  signal: ["Live signal", "The window of the signal that the network sees"],
};

/** What is shown is a picture, a spectrogram or curves: only pictures come from a browser's camera, or are a page's input. */
function showKind(kind) {
  const [title, seen] = WORDS[kind];
  document.body.dataset.kind = kind;
  write("picture-title", title);
  element("picture").setAttribute("aria-label", title);
  element("seen").setAttribute("aria-label", seen);
  if (kind !== "pictures") {
    write("examples-note", "a tar of arrays, each beside its label");
  }
}

const SHOW = {
  kind: showKind,
  classes: (value) => teaching.showClasses(value),
  held: (value) => teaching.showHeld(value),
  verdict: (value) => teaching.showVerdict(value),
  curve: (value) => teaching.showCurve(value),
  examples: (value) => teaching.showExamples(value),
  confidence: (value) => teaching.showConfidence(value),
  kept: ({ examples, capacity }) => {
    write("kept", examples ? `${examples.toLocaleString("en")} of ${capacity.toLocaleString("en")}` : "");
    element("take-examples").toggleAttribute("inert", !examples);
  },
  rates: (value) => inside.showRates(value),
  sources: (value) => {
    pictures.showSources(value);
    element("camera").disabled = Boolean(whyNot()); // not before: the clip is to be turned off with it
  },
  novelty: (value) => novelty.show(value),
  folder: (value) => write("folder", value),
  saved: (value) => write("saved", value ? `; saved ${new Date(1000 * value).toLocaleTimeString()}` : "; not saved yet"),
};

function showState(changed) {
  for (const [name, value] of Object.entries(changed)) {
    SHOW[name]?.(value);
  }
  if (state.pen) {
    showPen(state.pen); // whatever has changed: rows of new classes and sources have buttons, too
  }
  if (state.network) {
    inside.showNetwork(state.network, state.likes_layer, state.pen.mine || !state.pen.taken);
  }
  const broken = state.failure ? `Learning has stopped: ${state.failure}` : "";
  const full = state.trouble ? `Not saved: ${state.trouble}. Learning goes on, and saving is tried again.` : "";
  standingNotice(broken || full);
  showStatus();
}

function showPen({ mine, taken, viewers }) {
  const others = viewers === 1 ? "" : `${viewers} are watching. `;
  write("pen-text", mine ? (others ? `${others}You hold the pen.` : "") : taken ? `${others}Somebody else holds the pen.` : `${others}Nobody holds the pen.`);
  const asked = document.activeElement === element("take-pen");
  element("take-pen").hidden = mine;
  document.body.classList.toggle("reader", !mine && taken);
  for (const control of document.querySelectorAll(
    "#learn, #reopen, #add button, #name, #confidence, #classes button, #examples button, #sources .small, #open",
  )) {
    control.disabled = !mine && taken;
  }
  if (asked && mine) {
    element("learn").focus(); // the button is gone
  }
}

function showStatus() {
  const connected = document.body.dataset.link === "open";
  const samples = state.network?.samples ?? 0;
  const [name, text] = !connected
    ? [document.body.dataset.link, document.body.dataset.link === "lost" ? "connection lost" : "connecting"]
    : state.failure
      ? ["lost", "stopped"]
      : state.learning
        ? ["live", "learning"]
        : samples
          ? ["paused", "paused"]
          : ["ready", "ready"];
  element("status").dataset.state = name;
  write("status", text);
  write("learn", state.learning ? "Pause learning" : samples ? "Go on learning" : "Start learning");
  element("learn").disabled = element("reopen").disabled = !connected || document.body.classList.contains("reader");
}

function toggleLearning() {
  link.ask("learn", { on: !state.learning }).catch(onError);
}

element("learn").addEventListener("click", toggleLearning);
element("reopen").addEventListener("click", () => {
  link.ask("reopen").then(() => notice("The neurons learn again as freely as at first, for some thousand frames."), onError);
});
element("take-pen").addEventListener("click", () => link.ask("pen").catch(onError));
element("show-help").addEventListener("click", () => element("help").showModal());
element("setup").addEventListener("submit", (event) => event.preventDefault());

function cameraEnded(reason) {
  write("camera", "Use this browser’s camera");
  write("camera-note", reason);
  link.ask("switch", { source: link.camera, on: false }).catch(() => {});
  pictures.look(0);
  const clip = state.sources?.find(({ name }) => name === "bundled clip");
  if (clip && !state.network?.samples) { // else what the camera has taught would be mixed with it
    link.ask("switch", { source: clip.id, on: true }).catch(() => {});
  }
}

async function showCamera() {
  await link.ask("switch", { source: link.camera, on: true });
  if (!camera.running) {
    return; // stopped meanwhile
  }
  write("camera", "Stop the camera");
  const clip = state.sources?.find(({ name }) => name === "bundled clip");
  if (clip) {
    await link.ask("switch", { source: clip.id, on: false }); // it only stood in for a camera
  }
}

let starting = false;
element("camera").addEventListener("click", async () => {
  if (starting) {
    return; // a second camera could not be stopped
  }
  if (camera.running) {
    camera.end();
    return;
  }
  write("camera-note", "");
  starting = true;
  try {
    await camera.start();
    await showCamera();
    pictures.look(link.camera);
  } catch (error) {
    if (camera.running) {
      camera.end();
    }
    write("camera-note", error.message);
  }
  starting = false;
});

element("open").addEventListener("change", async ({ target }) => {
  const [file] = target.files;
  if (!file) {
    return;
  }
  write("open-note", `Opening ${file.name} …`);
  try {
    const headers = { "Content-Type": "application/octet-stream", Authorization: `Bearer ${link.token}` };
    const answer = await (await fetch("open", { method: "POST", headers, body: file })).json();
    write("open-note", answer.error ?? `${file.name}: ${answer.samples.toLocaleString("en")} samples learned before`);
  } catch (error) {
    write("open-note", `Not opened: ${error.message}`);
  }
  target.value = "";
});

element("keys").checked = localStorage.getItem("keys") !== "off";
element("keys").addEventListener("change", ({ target }) => localStorage.setItem("keys", target.checked ? "on" : "off"));

const typing = () => document.activeElement?.matches("input:not([type=range], [type=file]), select, textarea") || document.querySelector("dialog[open]");

/** What a key is for here: its character, or its place where a layout has others there, as French digits and Cyrillic letters. */
function meant({ key, code, shiftKey }) {
  const place = /^(?:Digit([1-9])|Key([LN]))$/.exec(code);
  return !place || shiftKey || /^[1-9a-z]$/i.test(key) ? key.toLowerCase() : (place[1] ?? place[2].toLowerCase());
}

window.addEventListener("keydown", (event) => {
  if (!element("keys").checked || event.repeat || event.ctrlKey || event.metaKey || event.altKey || typing()) {
    return;
  }
  const key = meant(event);
  if (/^[1-9]$/.test(key)) {
    teaching.holdNumber(Number(key), event.code);
  } else if (key === "l") {
    toggleLearning();
  } else if (key === "n") {
    event.preventDefault();
    element("name").disabled ? notice("Somebody else holds the pen: take it first.") : element("name").focus();
  } else if (key === "?") {
    element("help").showModal();
  }
});
window.addEventListener("keyup", (event) => teaching.releaseKey(event.code));

for (const query of ["(prefers-color-scheme: dark)", "(forced-colors: active)"]) {
  matchMedia(query).addEventListener("change", () => {
    showState({ ...state, seen: undefined }); // what is drawn has the colours of its theme
    inside.redraw();
  });
}

const reason = whyNot();
if (reason) {
  write("camera-note", reason);
}
setInterval(() => state.saved && write("saved", `; saved ${ago(Date.now() / 1000 - state.saved)}`), 5000);
