// Drafts: which changes are saved, and which are not yet. Sequences rise with every change and are never equal by
// chance, as they are milliseconds of the clock. Nothing here knows the browser; times are handed in.
import { Shelf } from "./shelf.js";

const FIRST_WAIT_MS = 2500;
const MOST_WAIT_MS = 15000;
const LONG_MS = 4000;

export class Draft {
  constructor({ sequence, server = sequence, seconds = 0 }) {
    this.local = sequence;
    this.server = server;
    this.seconds = seconds;
    this.sent = null;
    this.since = null;
  }

  get unsaved() {
    return this.local > this.server;
  }

  change(now) {
    if (!this.unsaved) this.since = now;
    this.local = Math.max(this.local + 1, Math.floor(now));
    return this.local;
  }

  // What the server has; true where that is newer than anything from here: it was changed elsewhere.
  heard(sequence) {
    this.server = Math.max(this.server, sequence);
    if (!this.unsaved) this.since = null;
    if (this.server <= this.local) return false;
    this.local = this.server;
    this.sent = null;
    return true;
  }

  // Milliseconds until the work should be sent, or null: at once where nothing is under way, else when it is overdue.
  wait(now) {
    if (!this.unsaved) return null;
    if (!this.sent || this.sent.sequence <= this.server) return 0;
    const patience = Math.min(FIRST_WAIT_MS * 2 ** (this.sent.attempt - 1), MOST_WAIT_MS);
    return Math.max(0, this.sent.at + patience - now);
  }

  // Note that it goes out; gives the number of the attempt.
  send(now) {
    const attempt = this.sent && this.sent.sequence > this.server ? this.sent.attempt + 1 : 1;
    this.sent = { sequence: this.local, at: now, attempt };
    return attempt;
  }

  // The connection is back: the next attempt need not wait.
  hurry() {
    if (this.sent) this.sent = { ...this.sent, at: -Infinity, attempt: 1 };
  }

  mark(now, reachable) {
    if (!this.unsaved) return this.local ? "saved" : "untouched";
    if (!reachable) return "offline";
    return this.since !== null && now - this.since > LONG_MS ? "late" : "saving";
  }
}

const NAME = "lapel:";
const MOST_KEPT = 40;
const DAYS_KEPT = 14;

// Work kept in the browser, so that a lost connection or a crash loses nothing. `storage` is localStorage or its like.
export class Mirror {
  constructor(storage) {
    this.shelf = new Shelf(storage, NAME);
  }

  read(key) {
    return this.shelf.get(key, (kept) => (Array.isArray(kept.boxes) && Number.isFinite(kept.sequence) ? kept : null));
  }

  // False where the browser has no room even after older work was dropped.
  write(key, work) {
    const text = JSON.stringify(work);
    for (const most of [MOST_KEPT, 0]) {
      if (this.shelf.put(key, text)) return true;
      this.prune(work.at, most, key);
    }
    return this.shelf.put(key, text);
  }

  drop(key) {
    this.shelf.drop(key);
  }

  // Old work goes, and what the server has goes before what it has not.
  prune(now, most = MOST_KEPT, except = null) {
    const kept = this.shelf.keys().filter((key) => key !== except).map((key) => ({ key, work: this.read(key) }));
    const worth = ({ work }) => (work ? work.at + (work.saved ? 0 : 1e15) : -1);
    kept.sort((a, b) => worth(b) - worth(a));
    kept.forEach(({ key, work }, index) => {
      const old = !work || now - work.at > DAYS_KEPT * 864e5;
      if (old || index >= most && work.saved) this.shelf.drop(key);
    });
  }
}

// Where to begin: the server's work, or this browser's where that is newer. `earlier` is unsent work from here that
// the server's newer one has overtaken: undo brings it back.
export const beginning = (kept, server) => {
  const plain = { boxes: server.boxes, sequence: server.sequence, seconds: kept?.seconds ?? 0, unsent: false, earlier: null };
  if (!kept || kept.sequence === server.sequence) return plain;
  if (kept.sequence > server.sequence) return { ...plain, boxes: kept.boxes, sequence: kept.sequence, unsent: true };
  return kept.saved ? plain : { ...plain, earlier: kept.boxes };
};
