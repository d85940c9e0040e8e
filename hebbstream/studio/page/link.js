// The WebSocket: messages in, acknowledged once they are shown; requests out, each answered.

const RETRY_MS = 1000;
const SILENT_MS = 30_000; // the server says something every five seconds; a network that is gone says nothing

/** Whether the server is there and refuses this page: a WebSocket alone cannot tell, and a new start has a new token. */
const isRefused = () => fetch("page/icon.svg", { signal: AbortSignal.timeout(RETRY_MS) }).then(({ status }) => status === 403, () => false);

/** Keeps a connection to the server. The callbacks get what arrives: onHeader(header), onPart(about, blob), onLink(state). */
export class Link {
  constructor({ onHeader, onPart, onLink, onCamera }) {
    Object.assign(this, { onHeader, onPart, onLink, onCamera });
    this.waiting = new Map();
    this.reference = 0;
    this.camera = null;
    this.refused = false;
    this.name = sessionStorage.getItem("viewer") ?? this.rename();
    setInterval(() => performance.now() - this.heard > SILENT_MS && this.lose(this.socket), RETRY_MS);
    this.connect();
  }

  /** Not in this tab alone, so that one opened later without it has it, too; other ports have a storage of their own. */
  get token() {
    return localStorage.getItem("token") ?? "";
  }

  rename() {
    this.name = Array.from(crypto.getRandomValues(new Uint8Array(9)), (byte) => byte.toString(16)).join("");
    sessionStorage.setItem("viewer", this.name);
    return this.name;
  }

  connect() {
    this.onLink("connecting");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/ws?viewer=${this.name}&token=${this.token}`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      typeof data === "string" ? this.text(JSON.parse(data)) : this.binary(data);
    };
    socket.onclose = ({ code }) => this.lose(socket, code);
    this.socket = socket;
    this.heard = performance.now();
  }

  /** Gives a connection up, closed or silent, and makes another one. */
  async lose(socket, code) {
    socket.onmessage = socket.onclose = null;
    socket.close();
    this.heard = Infinity; // until the next one
    this.fail("the connection is lost");
    this.onLink("lost");
    if (code === 4001) {
      this.rename(); // another tab of this one's copy has the name
    }
    this.refused = !this.token || (await isRefused());
    if (this.refused) {
      this.onLink("lost");
    }
    setTimeout(() => this.connect(), RETRY_MS);
  }

  fail(reason) {
    for (const { reject } of this.waiting.values()) {
      reject(new Error(reason));
    }
    this.waiting.clear();
  }

  text(message) {
    if (message.hello) {
      this.camera = message.camera;
      this.onLink("open"); // not before: a connection alone says nothing yet
    } else if ("camera" in message) {
      this.onCamera(message);
    } else if (this.waiting.has(message.ref)) {
      const { resolve, reject } = this.waiting.get(message.ref);
      this.waiting.delete(message.ref);
      message.ok ? resolve(message.result) : reject(new Error(message.error));
    }
  }

  async binary(data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    this.onHeader(header);
    let from = 4 + length;
    const shown = header.parts.map((about) => {
      const bytes = new Uint8Array(data, from, about.length);
      from += about.length;
      return this.onPart(about, bytes);
    });
    await Promise.allSettled(shown);
    this.say({ ack: header.n });
  }

  say(message) {
    if (this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(JSON.stringify(message));
    }
  }

  /** Asks the server to do something; resolves to the result, or throws what it says. */
  ask(name, message = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Error("the connection is lost"));
    }
    const ref = ++this.reference;
    this.say({ do: name, ref, ...message });
    return new Promise((resolve, reject) => this.waiting.set(ref, { resolve, reject }));
  }
}
