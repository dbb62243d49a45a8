// The undo history of this tab's tasks, stored in the browser so that it outlives a reload. Boxes are values that many states share, so
// each of them is written once, and a state is a row of their numbers.
import { PrefixedStorage } from "./storage.js";

const PREFIX = "lapel-steps:";
const DEBOUNCE_MS = 400;
const MAX_TASKS = 8;

const fingerprint = (boxes) => JSON.stringify(boxes.map(({ uid, box, category, label, accepted, flags }) => [uid, box, category, label ?? null, accepted, flags ?? []]));

export const serialize = ({ state, past, future }) => {
  const numbers = new Map();
  const number = (box) => numbers.get(box) ?? (numbers.set(box, numbers.size), numbers.size - 1);
  const row = (boxes) => boxes.map(number);
  const steps = (entries) => entries.map((entry) => ({ title: entry.title, state: row(entry.state) }));
  return { state: row(state), past: steps(past), future: steps(future), boxes: [...numbers.keys()] };
};

export const deserialize = ({ state, past, future, boxes }) => {
  const row = (numbers) => numbers.map((number) => boxes[number]);
  const steps = (entries) => entries.map((entry) => ({ title: entry.title, state: row(entry.state) }));
  return { state: row(state), past: steps(past), future: steps(future) };
};

export class HistoryStorage {
  // `storage` is sessionStorage or its like: another tab has a history of its own.
  constructor(storage) {
    this.storage = new PrefixedStorage(storage, PREFIX);
    this.onPageHide = () => this.flush();
    window.addEventListener("pagehide", this.onPageHide);
  }

  close() {
    this.flush();
    window.removeEventListener("pagehide", this.onPageHide);
  }

  // The history that leads to these boxes; null where none is stored, or the boxes have changed since.
  load(key, boxes) {
    const steps = this.storage.get(key, (stored) => deserialize(stored.steps));
    return steps && fingerprint(steps.state) === fingerprint(boxes) ? steps : null;
  }

  // Debounced: a row of changes is written once.
  saveSoon(key, history) {
    this.pending = { key, history };
    this.timer ||= setTimeout(() => this.flush(), DEBOUNCE_MS);
  }

  // The oldest half goes as long as the browser has no room for all.
  flush(now = Date.now()) {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.pending) return;
    const { key, history } = this.pending;
    this.pending = null;
    for (let most = history.past.length; ; most = Math.floor(most / 2)) {
      const text = JSON.stringify({ at: now, steps: serialize({ ...history, past: history.past.slice(history.past.length - most) }) });
      if (this.storage.set(key, text)) return void this.prune(key);
      if (!most) return void this.remove(key);
    }
  }

  remove(key) {
    if (this.pending?.key === key) this.pending = null;
    this.storage.remove(key);
  }

  prune(except) {
    const others = this.storage.keys().filter((key) => key !== except);
    if (others.length < MAX_TASKS) return;
    const age = new Map(others.map((key) => [key, this.storage.get(key, ({ at }) => at) ?? 0]));
    others.sort((a, b) => age.get(b) - age.get(a)).slice(MAX_TASKS - 1).forEach((key) => this.storage.remove(key));
  }
}
