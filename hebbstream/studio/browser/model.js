// A model on ONNX Runtime Web: fetched, checked against its manifest, tried once, then run on pictures.

import { ModelError } from "./manifest.js";

const RUNTIME = "./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs";

let runtime;

async function loadRuntime() {
  try {
    runtime ??= await import(RUNTIME);
  } catch {
    throw new ModelError("ONNX Runtime Web is not there: run “npm ci” in this folder, then reload");
  }
  runtime.env.wasm.numThreads = 1; // threads need headers that a simple server does not send
  return runtime;
}

/** Loads the model of a manifest; throws a ModelError if it is damaged or does not run. */
export async function loadModel(manifest, folder) {
  const ort = await loadRuntime();
  const bytes = await fetchModel(new URL(manifest.model, folder));
  const found = await sha256(bytes);
  if (found !== manifest.sha256) {
    throw new ModelError(`${manifest.model} is damaged: its SHA-256 starts with ${found.slice(0, 8)}, the manifest says ${manifest.sha256.slice(0, 8)}`);
  }
  let session;
  try {
    session = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"], logSeverityLevel: 3 });
    const model = new Model(ort, session, manifest);
    await model.tryOut();
    return model;
  } catch (error) {
    await session?.release();
    const reason = String(error.message).replace(/^.*ERROR_MESSAGE:\s*/s, "");
    throw error instanceof ModelError ? error : new ModelError(`${manifest.model} does not run here: ${reason}`);
  }
}

class Model {
  constructor(ort, session, manifest) {
    this.ort = ort;
    this.session = session;
    this.manifest = manifest;
    this.names = manifest.classes.length ? ["features", "probabilities"] : ["features"];
  }

  /**
   * Runs the model on one picture.
   *
   * pixels: Uint8Array of height × width × channels, as the manifest's input says; a row at a time, channels last.
   * Returns {features, probabilities}, Float32Arrays; probabilities is null for a model without classes.
   */
  async run(pixels, height, width) {
    const { input } = this.manifest;
    if (pixels.length !== height * width * input.channels) {
      throw new ModelError(`picture of ${pixels.length} values: expected ${height} × ${width} × ${input.channels}`);
    }
    const planar = input.layout === "NCHW";
    const dims = planar ? [1, input.channels, height, width] : [1, height, width, input.channels];
    const ordered = planar ? toPlanes(pixels, input.channels) : pixels;
    const data = input.dtype === "float32" ? Float32Array.from(ordered, (value) => value / 255) : ordered;
    const results = await this.session.run({ [input.name]: new this.ort.Tensor(input.dtype, data, dims) }, this.names);
    return { features: results.features.data, probabilities: results.probabilities?.data ?? null };
  }

  /** A black frame: finds out now whether the model fits its manifest, and pays for the first run's set-up. */
  async tryOut() {
    const { input, classes } = this.manifest;
    const height = input.height ?? 64;
    const width = input.width ?? 64;
    const { features, probabilities } = await this.run(new Uint8Array(height * width * input.channels), height, width);
    if (!features.every(Number.isFinite)) {
      throw new ModelError(`${this.manifest.model} gives features that are no numbers`);
    }
    if (probabilities && probabilities.length !== classes.length) {
      throw new ModelError(`${this.manifest.model} gives ${probabilities.length} probabilities for ${classes.length} classes`);
    }
  }

  release() {
    return this.session.release();
  }
}

async function fetchModel(url) {
  let response;
  try {
    response = await fetch(url, { cache: "no-store" });
  } catch {
    throw new ModelError(`${url.pathname} cannot be fetched: the server does not answer`);
  }
  if (!response.ok) {
    throw new ModelError(`${url.pathname} is missing (HTTP ${response.status})`);
  }
  return response.arrayBuffer();
}

async function sha256(bytes) {
  if (!globalThis.crypto?.subtle) {
    throw new ModelError("models cannot be checked here: open this page from https:// or http://localhost");
  }
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function toPlanes(pixels, channels) {
  const size = pixels.length / channels;
  const planes = new Uint8Array(pixels.length);
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < size; i++) {
      planes[channel * size + i] = pixels[i * channels + channel];
    }
  }
  return planes;
}
