// What the page shows of a result: the label and its bars, the features as a picture, the facts.

const MOST_BARS = 10;
const SPOKEN_MS = 3000;

const element = (id) => document.getElementById(id);

// Dark violet to light yellow, of ever growing lightness, so that it also reads without colour.
const STOPS = [[16, 10, 48], [82, 24, 124], [182, 54, 121], [251, 136, 97], [252, 253, 191]];
const RAMP = Array.from({ length: 256 }, (_, level) => {
  const place = (level / 255) * (STOPS.length - 1);
  const index = Math.min(Math.floor(place), STOPS.length - 2);
  return STOPS[index].map((value, channel) => value + (place - index) * (STOPS[index + 1][channel] - value));
});

/** Shows a message in one of the two lines for them, or hides the line if there is nothing to say. */
export function showMessage(id, text) {
  const line = element(id);
  line.hidden = !text;
  if (line.textContent !== (text ?? "")) {
    line.textContent = text ?? "";
  }
}

export function showModel({ model, samplesSeen, preset, layers, precision, input, classes, written }) {
  element("samples").textContent = samplesSeen?.toLocaleString("en") ?? "–";
  element("network").textContent = [preset, layers.join(" · "), precision].filter(Boolean).join(", ") || "–";
  const size = input.height && input.width ? `${input.height} × ${input.width}` : "any size";
  element("input").textContent = `${size}, ${input.channels === 1 ? "grey" : "RGB"}, ${input.dtype} ${input.layout}`;
  element("model").textContent = model;
  const time = new Date(written);
  element("written").textContent = Number.isNaN(time.getTime()) ? "–" : time.toLocaleString();
  element("labels").hidden = classes.length === 0;
  element("bars").replaceChildren(...Array.from({ length: Math.min(classes.length, MOST_BARS) }, makeBar));
  strongest = 0;
}

function makeBar() {
  const row = document.createElement("li");
  for (const name of ["name", "bar", "percent"]) {
    row.append(Object.assign(document.createElement("span"), { className: name }));
  }
  row.children[0].dir = "auto";
  row.children[1].append(document.createElement("span"));
  return row;
}

let spokenAt = -Infinity;

/** Shows the label and the bars: all classes in their own order, or the likeliest where there are many. */
export function showLabels(probabilities, { classes, minConfidence }) {
  const order = Array.from(classes.keys());
  const byProbability = order.toSorted((a, b) => probabilities[b] - probabilities[a]);
  const best = byProbability[0];
  const label = probabilities[best] < minConfidence ? "not sure" : classes[best];
  element("label").textContent = label;
  // Read out now and then, not at every frame.
  if (element("spoken").textContent !== label && performance.now() - spokenAt > SPOKEN_MS) {
    element("spoken").textContent = label;
    spokenAt = performance.now();
  }
  const shown = classes.length > MOST_BARS ? byProbability.slice(0, MOST_BARS) : order;
  Array.from(element("bars").children).forEach((row, place) => {
    const index = shown[place];
    row.classList.toggle("best", index === best && label === classes[best]);
    row.children[0].textContent = classes[index];
    row.children[1].firstChild.style.width = `${100 * probabilities[index]}%`;
    row.children[2].textContent = `${Math.round(100 * probabilities[index])} %`;
  });
}

let strongest = 0;

/** Draws the features as a grid in their own order; the scale follows the strongest of the last frames. */
export function showFeatures(features) {
  const canvas = element("features");
  const columns = Math.ceil(Math.sqrt(features.length * 1.5));
  const rows = Math.ceil(features.length / columns);
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  const most = features.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
  strongest = Math.max(most, 0.98 * strongest, 1e-9);
  for (let i = 0; i < features.length; i++) {
    const colour = RAMP[Math.round((255 * Math.abs(features[i])) / strongest)];
    image.data.set([...colour, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  element("features-note").textContent = `${features.length.toLocaleString("en")} features, one square each; the brighter, the stronger.`;
}

export function showSeen(image) {
  const canvas = element("seen");
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export function showSpeed(framesPerSecond, latency) {
  element("speed").textContent = `${framesPerSecond.toFixed(0)} frames a second`;
  element("latency").textContent = `${latency.toFixed(1)} ms a frame`;
}
