// Drafts: which changes are saved, and which are not yet. Sequences rise with every change and are never equal by
// chance, as they are milliseconds of the clock. Nothing here knows the browser; times are handed in.
import { PrefixedStorage } from "./storage.js";

const FIRST_RETRY_MS = 2500;
const MAX_RETRY_MS = 15000;
const LATE_MS = 4000;

export class Draft {
  constructor({ sequence, server = sequence, seconds = 0 }) {
    this.local = sequence;
    this.server = server;
    this.seconds = seconds;
    this.sent = null;
    this.unsavedSince = null;
  }

  get unsaved() {
    return this.local > this.server;
  }

  change(now) {
    if (!this.unsaved) this.unsavedSince = now;
    this.local = Math.max(this.local + 1, Math.floor(now));
    return this.local;
  }

  // What the server has; true where that is newer than anything from here: it was changed elsewhere.
  acknowledge(sequence) {
    this.server = Math.max(this.server, sequence);
    if (!this.unsaved) this.unsavedSince = null;
    if (this.server <= this.local) return false;
    this.local = this.server;
    this.sent = null;
    return true;
  }

  // Milliseconds until the work should be sent, or null: at once where nothing is under way, else when it is overdue.
  sendDelay(now) {
    if (!this.unsaved) return null;
    if (!this.sent || this.sent.sequence <= this.server) return 0;
    const retryAfter = Math.min(FIRST_RETRY_MS * 2 ** (this.sent.attempt - 1), MAX_RETRY_MS);
    return Math.max(0, this.sent.at + retryAfter - now);
  }

  // Note that it goes out; gives the number of the attempt.
  send(now) {
    const attempt = this.sent && this.sent.sequence > this.server ? this.sent.attempt + 1 : 1;
    this.sent = { sequence: this.local, at: now, attempt };
    return attempt;
  }

  // The connection is back: the next attempt need not wait.
  retryNow() {
    if (this.sent) this.sent = { ...this.sent, at: -Infinity, attempt: 1 };
  }

  status(now, reachable) {
    if (!this.unsaved) return this.local ? "saved" : "untouched";
    if (!reachable) return "offline";
    return this.unsavedSince !== null && now - this.unsavedSince > LATE_MS ? "late" : "saving";
  }
}

const PREFIX = "lapel:";
const MAX_STORED = 40;
const MAX_AGE_DAYS = 14;

// Work stored in the browser, so that a lost connection or a crash loses nothing. `storage` is localStorage or its like.
export class DraftStorage {
  constructor(storage) {
    this.storage = new PrefixedStorage(storage, PREFIX);
  }

  read(key) {
    return this.storage.get(key, (stored) => (Array.isArray(stored.boxes) && Number.isFinite(stored.sequence) ? stored : null));
  }

  // False where the browser has no room even after older work was dropped.
  write(key, work) {
    const text = JSON.stringify(work);
    for (const limit of [MAX_STORED, 0]) {
      if (this.storage.set(key, text)) return true;
      this.prune(work.at, limit, key);
    }
    return this.storage.set(key, text);
  }

  remove(key) {
    this.storage.remove(key);
  }

  // Old work goes, and what the server has goes before what it has not.
  prune(now, limit = MAX_STORED, except = null) {
    const stored = this.storage.keys().filter((key) => key !== except).map((key) => ({ key, work: this.read(key) }));
    const priority = ({ work }) => (work ? work.at + (work.saved ? 0 : 1e15) : -1);
    stored.sort((a, b) => priority(b) - priority(a));
    stored.forEach(({ key, work }, index) => {
      const old = !work || now - work.at > MAX_AGE_DAYS * 864e5;
      if (old || index >= limit && work.saved) this.storage.remove(key);
    });
  }
}

// Where to begin: the server's work, or this browser's where that is newer. `earlier` is unsent work from here that
// the server's newer one has overtaken: undo brings it back.
export const initialWork = (stored, server) => {
  const plain = { boxes: server.boxes, sequence: server.sequence, seconds: stored?.seconds ?? 0, unsent: false, earlier: null };
  if (!stored || stored.sequence === server.sequence) return plain;
  if (stored.sequence > server.sequence) return { ...plain, boxes: stored.boxes, sequence: stored.sequence, unsent: true };
  return stored.saved ? plain : { ...plain, earlier: stored.boxes };
};
