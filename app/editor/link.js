// Messages to the server: drafts after every change, acts until they are answered, and a mark that says what is saved.
import { beginning, Draft, Mirror } from "./draft.js";
import { newName } from "./task.js";

const TICK_MS = 1000;
const PROBE_MS = 4000;
const IDLE_MS = 60_000;
const AGAIN_MS = [3000, 5000, 8000, 13_000];
const WAITS_FOR_ANSWER = new Set(["submit", "skip", "back"]);

export class Link {
  // onmark(mark), onnewer(boxes): told of what happens.
  constructor({ storage, onmark, onnewer }) {
    Object.assign(this, { mirror: new Mirror(storage), onmark, onnewer, pending: null, reachable: true });
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.online = () => this.probe();
    this.leaving = (event) => this.draft?.unsaved && !this.kept && event.preventDefault();
    window.addEventListener("online", this.online);
    window.addEventListener("offline", this.online);
    window.addEventListener("beforeunload", this.leaving);
  }

  close() {
    clearInterval(this.timer);
    window.removeEventListener("online", this.online);
    window.removeEventListener("offline", this.online);
    window.removeEventListener("beforeunload", this.leaving);
  }

  // Another task; gives the boxes to begin with, and as `left` the task that was submitted and is done with.
  open(data, send) {
    const left = this.pending?.name === "submit" ? this.pending.key : null;
    if (left) this.mirror.drop(left);
    this.pending = null;
    this.mirror.prune(Date.now());
    Object.assign(this, { key: data.key, url: data.photo.url, send, kept: true, touchedAt: null, readonly: data.readonly });
    const begin = data.readonly ? beginning(null, data) : beginning(this.mirror.read(data.key), data);
    this.draft = new Draft({ sequence: begin.sequence, server: data.sequence, seconds: begin.seconds });
    this.boxes = begin.boxes;
    this.tick();
    return { ...begin, left };
  }

  // The page ran again for the same task.
  heard(data, send) {
    Object.assign(this, { send, url: data.photo.url, reachable: true });
    if (this.pending && data.answered === this.pending.request) this.pending = null;
    if (this.draft.heard(data.sequence)) {
      this.boxes = data.boxes;
      this.onnewer(data.boxes);
    }
    if (!this.draft.unsaved) this.keep();
    this.tick();
  }

  changed(boxes) {
    this.boxes = boxes;
    this.draft.change(Date.now());
    this.keep();
    this.tick();
  }

  // Time counts while a person does something; a pause longer than a minute does not.
  touched(now = Date.now()) {
    const gap = now - (this.touchedAt ?? now);
    if (gap < IDLE_MS) this.draft.seconds += gap / 1000;
    this.touchedAt = now;
  }

  get seconds() {
    return Math.round(this.draft.seconds * 10) / 10;
  }

  keep() {
    if (this.readonly || !this.draft.local) return;
    const { local: sequence, unsaved } = this.draft;
    this.kept = this.mirror.write(this.key, { sequence, boxes: this.boxes, seconds: this.seconds, saved: !unsaved, at: Date.now() });
  }

  act(name, fields = {}) {
    const { draft: { local: sequence }, key, boxes, seconds } = this;
    const message = { key, name, sequence, boxes, seconds, request: newName(24), ...fields };
    if (WAITS_FOR_ANSWER.has(name)) this.pending = { name, key, request: message.request, message, at: Date.now(), attempt: 0 };
    this.send("act", message);
    this.tick();
  }

  tick() {
    if (!this.draft) return;
    const now = Date.now();
    if (this.pending) this.askAgain(now);
    else if (this.draft.wait(now) === 0) {
      const attempt = this.draft.send(now);
      this.send("work", { key: this.key, sequence: this.draft.local, boxes: this.boxes, seconds: this.seconds, attempt });
    }
    if (this.overdue(now)) this.probe();
    this.onmark(this.mark(now));
  }

  askAgain(now) {
    const { pending } = this;
    if (now - pending.at < AGAIN_MS[Math.min(pending.attempt, AGAIN_MS.length - 1)]) return;
    Object.assign(pending, { at: now, attempt: pending.attempt + 1 });
    this.send("act", pending.message);
  }

  overdue(now) {
    if (this.probing || now - (this.probedAt ?? 0) < PROBE_MS) return false;
    return !this.reachable || Boolean(this.pending?.attempt) || this.draft.mark(now, true) === "late";
  }

  mark(now) {
    if (this.readonly) return "readonly";
    if (this.pending) return this.reachable ? "asking" : "offline";
    return this.draft.mark(now, this.reachable);
  }

  // Any answer will do: it shows that the server can be reached. Then what waits is sent at once.
  async probe() {
    this.probing = true;
    this.probedAt = Date.now();
    const before = this.reachable;
    try {
      const answer = await fetch(this.url, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(8000) });
      this.reachable = answer.status < 500;
    } catch {
      this.reachable = false;
    }
    this.probing = false;
    if (this.reachable && !before) {
      this.draft.hurry();
      if (this.pending) this.pending.at = -Infinity;
      this.tick();
    } else this.onmark(this.mark(Date.now()));
  }
}
