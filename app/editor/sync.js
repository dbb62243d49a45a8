// Messages to the server: drafts after every change, actions until they are answered, and a status that says what is saved.
import { Draft, DraftStorage, initialWork } from "./draft.js";
import { PrefixedStorage } from "./storage.js";
import { randomId } from "./boxes.js";

const TICK_MS = 1000;
const PROBE_MS = 4000;
const IDLE_MS = 60_000;
const RETRY_MS = [3000, 5000, 8000, 13_000];
const MAX_TIMES = 40;
const TIMES_EVERY_MS = 5000;
const AWAITS_ANSWER = new Set(["submit", "skip", "back"]);

export class Sync {
  // onStatus(status), onNewer(boxes): told of what happens.
  constructor({ storage, onStatus, onNewer }) {
    Object.assign(this, { storage: new DraftStorage(storage), times: new PrefixedStorage(storage, "lapel-times"), onStatus, onNewer, pending: null, reachable: true });
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.onConnectionChange = () => this.probe();
    this.onBeforeUnload = (event) => this.draft?.unsaved && !this.stored && event.preventDefault();
    this.onPageHide = () => this.storeTime();
    window.addEventListener("pagehide", this.onPageHide);
    window.addEventListener("online", this.onConnectionChange);
    window.addEventListener("offline", this.onConnectionChange);
    window.addEventListener("beforeunload", this.onBeforeUnload);
  }

  close() {
    clearInterval(this.timer);
    this.storeTime();
    window.removeEventListener("pagehide", this.onPageHide);
    window.removeEventListener("online", this.onConnectionChange);
    window.removeEventListener("offline", this.onConnectionChange);
    window.removeEventListener("beforeunload", this.onBeforeUnload);
  }

  // Another task; gives the boxes to begin with, and as `submittedKey` the task that was submitted and is done with.
  open(data, send) {
    const submittedKey = this.pending?.name === "submit" ? this.pending.key : null;
    this.storeTime(submittedKey);
    if (submittedKey) this.storage.remove(submittedKey);
    this.pending = null;
    this.storage.prune(Date.now());
    Object.assign(this, { key: data.key, url: data.photo.url, send, stored: true, activeAt: null, readonly: data.readonly });
    const initial = data.readonly ? initialWork(null, data) : initialWork(this.storage.read(data.key), data);
    this.draft = new Draft({ sequence: initial.sequence, server: data.sequence, seconds: Math.max(initial.seconds, this.times.get("")?.[data.key]?.[0] ?? 0) });
    this.boxes = initial.boxes;
    this.tick();
    return { ...initial, submittedKey };
  }

  // The page ran again for the same task.
  update(data, send) {
    Object.assign(this, { send, url: data.photo.url, reachable: true });
    if (this.pending && data.answered === this.pending.request) this.pending = null;
    if (this.draft.acknowledge(data.sequence)) {
      this.boxes = data.boxes;
      this.onNewer(data.boxes);
    }
    if (!this.draft.unsaved) this.store();
    this.tick();
  }

  // `send` is false where an action with the same boxes follows at once.
  change(boxes, send = true) {
    this.boxes = boxes;
    this.draft.change(Date.now());
    this.store();
    if (send) this.tick();
  }

  // Time counts while a person does something; a pause longer than a minute does not.
  countTime(now = Date.now()) {
    const gap = now - (this.activeAt ?? now);
    if (gap < IDLE_MS) this.draft.seconds += gap / 1000;
    this.activeAt = now;
  }

  // The time at the open task, where a reload finds it, also where nothing was changed; `done` is a task that needs it
  // no more.
  storeTime(done = null) {
    if (!this.draft || this.readonly) return;
    const times = { ...this.times.get(""), [this.key]: [this.seconds, Date.now()] };
    if (done) delete times[done];
    const newest = Object.entries(times).sort(([, a], [, b]) => b[1] - a[1]).slice(0, MAX_TIMES);
    this.times.set("", JSON.stringify(Object.fromEntries(newest)));
    this.timedAt = Date.now();
  }

  get seconds() {
    return Math.round(this.draft.seconds * 10) / 10;
  }

  store() {
    if (this.readonly || !this.draft.local) return;
    const { local: sequence, unsaved } = this.draft;
    this.stored = this.storage.write(this.key, { sequence, boxes: this.boxes, seconds: this.seconds, saved: !unsaved, at: Date.now() });
  }

  requestAction(name, fields = {}) {
    const { draft: { local: sequence }, key, boxes, seconds } = this;
    const message = { key, name, sequence, boxes, seconds, request: randomId(24), ...fields };
    if (AWAITS_ANSWER.has(name)) this.pending = { name, key, request: message.request, message, at: Date.now(), attempt: 0 };
    this.send("action", message);
    this.tick();
  }

  tick() {
    if (!this.draft) return;
    const now = Date.now();
    if (this.pending) this.retry(now);
    else if (this.draft.sendDelay(now) === 0) {
      const attempt = this.draft.send(now);
      this.send("work", { key: this.key, sequence: this.draft.local, boxes: this.boxes, seconds: this.seconds, attempt });
    }
    if (this.shouldProbe(now)) this.probe();
    if (this.activeAt > (this.timedAt ?? 0) && now - (this.timedAt ?? 0) > TIMES_EVERY_MS) this.storeTime();
    this.onStatus(this.status(now));
  }

  retry(now) {
    const { pending } = this;
    if (now - pending.at < RETRY_MS[Math.min(pending.attempt, RETRY_MS.length - 1)]) return;
    Object.assign(pending, { at: now, attempt: pending.attempt + 1 });
    this.send("action", pending.message);
  }

  shouldProbe(now) {
    if (this.probing || now - (this.probedAt ?? 0) < PROBE_MS) return false;
    return !this.reachable || Boolean(this.pending?.attempt) || this.draft.status(now, true) === "late";
  }

  status(now) {
    if (this.readonly) return "readonly";
    if (this.pending) return this.reachable ? "asking" : "offline";
    return this.draft.status(now, this.reachable);
  }

  // Any answer will do: it shows that the server can be reached. Then what waits is sent at once.
  async probe() {
    this.probing = true;
    this.probedAt = Date.now();
    const wasReachable = this.reachable;
    try {
      const answer = await fetch(this.url, { method: "HEAD", cache: "no-store", signal: AbortSignal.timeout(8000) });
      this.reachable = answer.status < 500;
    } catch {
      this.reachable = false;
    }
    this.probing = false;
    if (this.reachable && !wasReachable) {
      this.draft.retryNow();
      if (this.pending) this.pending.at = -Infinity;
      this.tick();
    } else this.onStatus(this.status(Date.now()));
  }
}
