// The page: camera frames go through the newest good model, one at a time.

import { grab, onNextFrame, startCamera, stopCamera } from "./camera.js";
import { follow } from "./follow.js";
import { showFeatures, showLabels, showMessage, showModel, showSeen, showSpeed } from "./view.js";

const query = new URLSearchParams(location.search);
// From one look at the manifest to the next: a server is not to be flooded, which longer timers than browsers have do, too.
const [LEAST_SECONDS, MOST_SECONDS] = [0.1, 86_400];
const SPEED_EVERY_MS = 500;

const video = document.getElementById("video");
const toggle = document.getElementById("toggle");

let model = null;
let newer = null;
let busy = false;
let last = null;

/** Runs the current model on pixels, a Uint8Array with channels last; see Model.run. */
export function run(pixels, height, width) {
  return model.run(pixels, height, width);
}

/** What was last grabbed from the camera and computed from it: {pixels, height, width, features, probabilities}. */
export function latest() {
  return last;
}

// Only between two frames: a session must not be released while it runs.
function adoptNewer() {
  if (newer && !busy) {
    model?.release();
    model = newer;
    newer = null;
    showModel(model.manifest);
  }
}

const speed = { since: performance.now(), frames: 0, milliseconds: 0 };

function countFrame(milliseconds) {
  speed.frames += 1;
  speed.milliseconds += milliseconds;
  const now = performance.now();
  if (now - speed.since >= SPEED_EVERY_MS) {
    showSpeed((1000 * speed.frames) / (now - speed.since), speed.milliseconds / speed.frames);
    Object.assign(speed, { since: now, frames: 0, milliseconds: 0 });
  }
}

async function onFrame() {
  if (!video.srcObject) {
    return;
  }
  adoptNewer();
  if (model && video.videoWidth) {
    busy = true;
    try {
      const started = performance.now();
      const { pixels, height, width, image } = grab(video, model.manifest.input);
      const { features, probabilities } = await model.run(pixels, height, width);
      countFrame(performance.now() - started);
      last = { pixels, height, width, features, probabilities };
      showSeen(image);
      showFeatures(features);
      if (probabilities) {
        showLabels(probabilities, model.manifest);
      }
      showMessage("camera-message", null);
    } catch (error) {
      console.error(error);
      showMessage("camera-message", `This frame could not be computed: ${error.message}`);
    }
    busy = false;
  }
  onNextFrame(video, onFrame);
}

function setRunning(running) {
  toggle.textContent = running ? "Stop the camera" : "Start the camera";
  document.body.classList.toggle("running", running);
}

function cameraEnded() {
  stopCamera(video);
  setRunning(false);
  showMessage("camera-message", "The camera is gone: connect it, then start it again.");
}

toggle.addEventListener("click", async () => {
  if (video.srcObject) {
    stopCamera(video);
    setRunning(false);
    return;
  }
  toggle.disabled = true;
  try {
    await startCamera(video, cameraEnded);
    showMessage("camera-message", null);
    setRunning(true);
    Object.assign(speed, { since: performance.now(), frames: 0, milliseconds: 0 });
    onNextFrame(video, onFrame);
  } catch (error) {
    showMessage("camera-message", error.message);
  } finally {
    toggle.disabled = false;
  }
});

video.addEventListener("resize", () => {
  video.parentElement.style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
});

/** What the page's address asks for: the manifest's URL, and the seconds from one look at it to the next. */
function asked() {
  const [manifest, seconds] = [query.get("manifest") ?? "models/net.json", query.get("seconds") ?? 3];
  if (!URL.canParse(manifest, location.href)) {
    throw new Error(`manifest=${manifest}: expected the address of a manifest`);
  }
  if (!(seconds >= LEAST_SECONDS && seconds <= MOST_SECONDS)) {
    throw new Error(`seconds=${seconds}: expected a number from ${LEAST_SECONDS} to ${MOST_SECONDS}`);
  }
  return [new URL(manifest, location.href), Number(seconds)];
}

try {
  follow(
    ...asked(),
    (loaded) => {
      newer?.release();
      newer = loaded;
      adoptNewer();
    },
    (problem) => showMessage("model-message", problem && `${model ? "Keeping the model in use" : "No model yet"}: ${problem}.`),
  );
} catch (error) {
  showMessage("model-message", `In the address of this page, ${error.message}.`);
}
