// Inside the network: filters as they form, layers that turn, neurons that answer, and how fast all of it goes.

import { colour, element, make, paper, percent, write } from "./dom.js";

const GAP = 4;
// As the server draws signals: hebbstream/studio/_drawing.py.
const PAPER = "rgb(20 17 28)";
const INKS = ["rgb(249 165 143)", "rgb(120 190 255)", "rgb(250 215 110)", "rgb(150 220 165)", "rgb(215 165 245)", "rgb(200 200 205)"];

export class Inside {
  constructor(link, onError) {
    this.link = link;
    this.onError = onError;
    this.filters = null;
    this.likesRows = [];
    // Only what was changed: the other one may still show what was so before the last change.
    this.choose("preset", (preset) => ["configure", { preset }]);
    this.choose("width", (width) => ["configure", { width: Number(width) }]);
    this.choose("likes-layer", (layer) => ["likes", { layer: Number(layer) }]);
    new ResizeObserver(() => this.redraw()).observe(element("filters"));
  }

  redraw() {
    if (this.filters) {
      this.drawFilters();
    }
  }

  /** Asks for what a list is set to; if that is refused, it shows again what is so. */
  choose(id, question) {
    element(id).addEventListener("change", ({ target }) => {
      this.link.ask(...question(target.value)).catch((error) => {
        target.value = target.dataset.chosen;
        this.onError(error);
      });
    });
  }

  showNetwork({ preset, width, layers, input, channels, samples, opening, presets, widths, can_change: canChange }, likesLayer, mine) {
    options(element("preset"), presets.includes(preset) || !preset ? presets : [...presets, preset], preset);
    options(element("width"), widths.includes(width) ? widths : [...widths, width].toSorted((a, b) => a - b), width);
    for (const id of ["preset", "width"]) {
      element(id).disabled = !canChange || !mine;
    }
    element("fixed").hidden = canChange;
    options(element("likes-layer"), layers.map((_, index) => index), likesLayer, (index) => index + 1);
    showChannels(channels);
    write("samples", samples.toLocaleString("en"));
    write("seen-size", `, ${input[1]} × ${input[0]}`);
    element("reopen").classList.toggle("active", opening > 0.05);
  }

  showRates({ per_second: rate, latency_ms: latency, dropped, skipped }) {
    write("rate", rate.toFixed(rate < 10 ? 1 : 0));
    write("latency", `${latency} ms`);
    write("dropped", dropped.toLocaleString("en"));
    write("skipped", skipped.toLocaleString("en"));
  }

  showFilters(about, bytes) {
    this.filters = { ...about, pixels: bytes.slice() };
    this.drawFilters();
    const count = about.shape[0];
    write("filters-note", `${count} filters, those that turned most first; ${about.moving_count} moving now, marked`);
    this.showLayers(about.layers);
  }

  drawFilters() {
    const { shape, moving, curves } = this.filters;
    const [count] = shape;
    const canvas = element("filters");
    const across = columnsFor(count, canvas.clientWidth);
    const side = Math.floor((canvas.clientWidth - GAP * (across + 1)) / across);
    canvas.style.height = `${Math.ceil(count / across) * (side + GAP) + GAP}px`;
    const { context } = paper(canvas);
    context.imageSmoothingEnabled = false;
    const draw = curves ? curvesOf(context, this.filters) : picturesOf(context, this.filters);
    for (let index = 0; index < count; index++) {
      const x = GAP + (index % across) * (side + GAP);
      const y = GAP + Math.floor(index / across) * (side + GAP);
      draw(index, x, y, side);
      if (moving[index]) {
        context.strokeStyle = colour("--accent");
        context.lineWidth = 2;
        context.strokeRect(x - 1, y - 1, side + 2, side + 2);
      }
    }
    canvas.setAttribute("aria-label", `${count} filters of the first layer, ${moving.filter(Boolean).length} of them moving`);
  }

  showLayers(layers) {
    const list = element("layers");
    if (list.children.length !== layers.length) {
      list.replaceChildren(...layers.map((_, index) => make("li", {}, make("span", {}, `layer ${index + 1}`), make("span", { className: "bar" }, make("span")), make("span", { className: "percent" }))));
    }
    layers.forEach(({ neurons, turned, fixed }, index) => {
      const [name, bar, text] = list.children[index].children;
      name.title = `${neurons} neurons`;
      bar.firstChild.style.width = percent(turned).replace(" ", "");
      write(text, fixed ? "fixed by the preset" : `${percent(turned)} turned`);
    });
  }

  async showLikes({ layer, neurons, answers }, bytes) {
    const image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    const side = image.height / neurons.length;
    const list = element("likes");
    while (list.children.length < neurons.length) {
      const canvas = make("canvas", { width: image.width, height: side });
      list.append(make("li", {}, make("span", { className: "name" }), make("span", { className: "bar" }, make("span")), canvas));
    }
    neurons.forEach((neuron, index) => {
      const [name, bar, canvas] = list.children[index].children;
      write(name, neuron);
      bar.firstChild.style.width = `${100 * answers[index]}%`;
      canvas.getContext("2d").drawImage(image, 0, side * index, image.width, side, 0, 0, image.width, side);
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Patches that neuron ${neuron} of layer ${layer + 1} has liked best`);
    });
    image.close();
  }
}

/** Names the columns of a table in the colours of their curves. */
function showChannels(names) {
  const list = element("channels");
  if (list.children.length !== names.length || names.some((name, index) => list.children[index].textContent !== name)) {
    list.replaceChildren(...names.map((name) => make("li", { dir: "auto" }, name)));
    names.forEach((_, index) => (list.children[index].style.color = INKS[index % INKS.length]));
  }
}

/** Draws filters as pictures. */
function picturesOf(context, { shape: [, rows, columns, channels], pixels }) {
  const tile = new OffscreenCanvas(columns, rows);
  const inner = tile.getContext("2d");
  const image = inner.createImageData(columns, rows);
  const size = rows * columns * channels;
  return (index, x, y, side) => {
    for (let pixel = 0; pixel < rows * columns; pixel++) {
      const from = index * size + pixel * channels;
      image.data.set([pixels[from], pixels[from + (channels > 1 ? 1 : 0)], pixels[from + (channels > 2 ? 2 : 0)], 255], 4 * pixel);
    }
    inner.putImageData(image, 0, 0);
    context.drawImage(tile, x, y, side, side);
  };
}

/** Draws filters of signals as curves, a line for each channel, 0 in the middle. */
function curvesOf(context, { shape: [, channels, moments], pixels }) {
  return (index, x, y, side) => {
    context.fillStyle = PAPER;
    context.fillRect(x, y, side, side);
    context.lineWidth = Math.max(1, side / 28);
    for (let channel = 0; channel < channels; channel++) {
      const from = (index * channels + channel) * moments;
      context.strokeStyle = INKS[channel % INKS.length];
      context.beginPath();
      for (let moment = 0; moment < moments; moment++) {
        context.lineTo(x + (side * (moment + 0.5)) / moments, y + side * (0.95 - (0.9 * pixels[from + moment]) / 255));
      }
      context.stroke();
    }
  };
}

/** As many columns as make filters of at least 24 pixels, in rows that are full where possible. */
function columnsFor(count, width) {
  const most = Math.max(4, Math.floor(width / (24 + GAP)));
  const wanted = Math.min(most, Math.max(8, Math.ceil(Math.sqrt(2 * count))));
  for (let columns = wanted; columns > wanted / 1.5; columns--) {
    if (count % columns === 0) {
      return columns;
    }
  }
  return wanted;
}

function options(select, values, chosen, name = String) {
  const key = values.join();
  if (select.dataset.key !== key) {
    select.dataset.key = key;
    const before = select.value;
    select.replaceChildren(...values.map((value) => make("option", { value, textContent: name(value) })));
    select.value = before || String(values[0]);
  }
  if (chosen === undefined) {
    return;
  }
  select.dataset.chosen = chosen;
  if (document.activeElement !== select) {
    select.value = select.dataset.chosen;
  }
}
