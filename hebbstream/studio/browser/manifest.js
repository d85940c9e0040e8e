// The manifest: a JSON file beside the models, rewritten whenever a newer model was published.

export class ModelError extends Error {}

const FORMAT = "hebbstream-model-1";

/** Returns a checked copy of what the page uses of a manifest; throws a ModelError that names what is wrong. */
export function readManifest(json) {
  if (json?.format !== FORMAT) {
    throw new ModelError(`manifest of format ${JSON.stringify(json?.format)}: expected "${FORMAT}"`);
  }
  const { model, sha256, input, outputs, classes = [] } = json;
  // A bare file name: a manifest must not make the page fetch from anywhere but its own folder.
  expect(typeof model === "string" && /^[^/\\?#%:]+$/.test(model) && !model.startsWith("."), "model", model, "a file name");
  expect(/^[0-9a-f]{64}$/.test(sha256), "sha256", sha256, "64 hexadecimal digits");
  expect(input && typeof input.name === "string", "input", input, "an object with a name");
  expect(["uint8", "float32"].includes(input.dtype), "input.dtype", input.dtype, "uint8 or float32");
  expect(["NHWC", "NCHW"].includes(input.layout), "input.layout", input.layout, "NHWC or NCHW");
  const range = input.value_range ?? [0, 1];
  expect(input.dtype === "uint8" || (range[0] === 0 && range[1] === 1), "input.value_range", range, "0 to 1");
  expect([1, 3].includes(input.channels), "input.channels", input.channels, "1 or 3");
  for (const side of ["height", "width"]) {
    expect(input[side] === null || (Number.isInteger(input[side]) && input[side] > 0), `input.${side}`, input[side], "pixels, or null");
  }
  expect(Array.isArray(outputs) && outputs.includes("features"), "outputs", outputs, "a list with features in it");
  expect(Array.isArray(classes), "classes", classes, "a list of names");
  return {
    model,
    sha256,
    input,
    classes: outputs.includes("probabilities") ? classes.map(String) : [],
    minConfidence: Number(json.min_confidence ?? 0),
    samplesSeen: json.samples_seen,
    preset: json.preset,
    layers: Array.isArray(json.layers) ? json.layers : [],
    precision: json.precision,
    written: json.written,
  };
}

function expect(holds, field, found, expected) {
  if (!holds) {
    throw new ModelError(`manifest: ${field} is ${JSON.stringify(found)}, expected ${expected}`);
  }
}
