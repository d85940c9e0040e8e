// The live pictures: one large, the others beside it, and what the network sees of the large one.

import { element, make, percent, write } from "./dom.js";

const SPOKEN_MS = 3000;
const STATES = { connecting: "connecting …", live: "live", lost: "lost", off: "turned off" };

export class Pictures {
  constructor(link, onError) {
    this.link = link;
    this.onError = onError;
    this.focus = 0;
    this.rows = new Map();
    this.sources = [];
    this.spokenAt = -Infinity;
    this.hasPicture = false;
  }

  /** Shows the large picture of another source. */
  look(id) {
    if (id !== this.focus) {
      this.focus = id;
      this.hasPicture = false;
      this.link.say({ focus: id });
      this.showSources(this.sources);
      element("picture").getContext("2d").clearRect(0, 0, element("picture").width, element("picture").height);
    }
  }

  async draw({ kind, source }, bytes) {
    const image = await createImageBitmap(new Blob([bytes], { type: "image/jpeg" }));
    if (kind === "picture") {
      if (source === this.focus) {
        fill(element("picture"), image);
        if (!this.hasPicture) {
          this.hasPicture = true;
          this.tell(this.sources.find(({ id }) => id === source));
        }
      }
      const thumb = this.rows.get(source)?.canvas;
      if (thumb) {
        fill(thumb, image);
      }
    } else if (source === this.focus) {
      fill(element("seen"), image);
    }
    image.close();
  }

  showSources(sources) {
    this.sources = sources;
    for (const source of sources) {
      const row = this.rows.get(source.id) ?? this.addRow(source);
      row.item.hidden = source.state === "off" && source.id === this.link.camera;
      row.item.dataset.state = source.state;
      row.button.setAttribute("aria-pressed", String(source.id === this.focus));
      write(row.name, source.name);
      write(row.state, STATES[source.state]);
      write(row.toggle, source.state === "off" ? "Turn on" : "Turn off");
      row.toggle.setAttribute("aria-label", `${row.toggle.textContent} ${source.name}`);
    }
    const shown = sources.filter((source) => source.state !== "off" || source.id !== this.link.camera);
    element("sources").hidden = shown.length < 2 && shown[0]?.state !== "off"; // else nothing would turn it on again
    this.tell(sources.find((source) => source.id === this.focus));
  }

  addRow(source) {
    const canvas = make("canvas", { width: 80, height: 60 });
    canvas.setAttribute("aria-hidden", "true");
    const [name, state] = [make("span", { className: "name", dir: "auto" }), make("span", { className: "state" })];
    const button = make("button", { type: "button", className: "source" }, canvas, name, state);
    button.addEventListener("click", () => this.look(source.id));
    const toggle = make("button", { type: "button", className: "small" });
    toggle.addEventListener("click", () => {
      const on = this.sources.find(({ id }) => id === source.id)?.state === "off";
      this.link.ask("switch", { source: source.id, on }).catch(this.onError);
    });
    const item = make("li", {}, button, toggle);
    element("sources").append(item);
    const row = { item, button, canvas, name, state, toggle };
    this.rows.set(source.id, row);
    return row;
  }

  tell(source) {
    const text = !source
      ? "No source"
      : source.state === "lost"
        ? `No picture: ${source.problem}. Trying again.`
        : source.state === "off"
          ? "This source is turned off"
          : source.state === "connecting" || !this.hasPicture
            ? `Waiting for ${source.name} …`
            : "";
    const stale = source?.state !== "live";
    document.body.classList.toggle("stale", stale);
    write("picture-message", text);
    element("picture-message").hidden = !text;
  }

  /** Shows what was recognised: {label, probabilities}. */
  showPrediction(seen) {
    const known = seen && Object.keys(seen.probabilities).length > 0;
    const label = known ? seen.label ?? "not sure" : "nothing taught yet";
    element("prediction").dataset.sure = String(Boolean(known && seen.label));
    write("label", label);
    write("share", known && seen.label ? percent(seen.probabilities[seen.label]) : "");
    if (known && element("spoken").textContent !== label && performance.now() - this.spokenAt > SPOKEN_MS) {
      write("spoken", label); // read out now and then, not at every frame
      this.spokenAt = performance.now();
    }
  }
}

function fill(canvas, image) {
  if (canvas.width !== image.width || canvas.height !== image.height) {
    canvas.width = image.width;
    canvas.height = image.height;
  }
  canvas.getContext("2d").drawImage(image, 0, 0);
}
