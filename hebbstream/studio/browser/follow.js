// Follows a manifest: offers each newer model once it is loaded and proven, and says what keeps it from coming.

import { ModelError, readManifest } from "./manifest.js";
import { loadModel } from "./model.js";

// A damaged file may only be half copied: look again, but do not fetch megabytes at every poll.
const POLLS_TO_RETRY = 5;

/**
 * Polls the manifest at a URL, every so many seconds, for as long as the page lives.
 *
 * onModel(model) gets every newer model; onProblem(text) what is wrong, or null when all is well again.
 */
export async function follow(url, seconds, onModel, onProblem) {
  let current = null;
  let refused = { sha256: null, until: 0 };
  for (;;) {
    let manifest = null;
    try {
      manifest = await fetchManifest(url);
      const known = manifest.sha256 === current;
      const waiting = manifest.sha256 === refused.sha256 && performance.now() < refused.until;
      if (!known && !waiting) {
        onModel(await loadModel(manifest, url));
        current = manifest.sha256;
      }
      if (!waiting) {
        onProblem(null);
      }
    } catch (error) {
      if (!(error instanceof ModelError)) {
        console.error(error);
      }
      refused = { sha256: manifest?.sha256 ?? null, until: performance.now() + 1000 * seconds * POLLS_TO_RETRY };
      onProblem(error.message.replace(/\.+$/, ""));
    }
    await new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
  }
}

async function fetchManifest(url) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store" });
  } catch {
    throw new ModelError("the server does not answer");
  }
  if (!response.ok) {
    throw new ModelError(`${url.pathname} is missing (HTTP ${response.status})`);
  }
  let json;
  try {
    json = await response.json();
  } catch {
    throw new ModelError(`${url.pathname} is not JSON`);
  }
  return readManifest(json);
}
