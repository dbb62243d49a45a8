// Undo and redo steps of this tab's tasks, kept over a reload. Boxes are values that many states share, so
// each of them is written once, and a state is a row of their numbers.
import { Shelf } from "./shelf.js";

const NAME = "lapel-steps:";
const WAIT_MS = 400;
const MOST_TASKS = 8;

const looks = (boxes) => JSON.stringify(boxes.map(({ uid, box, category, label, accepted }) => [uid, box, category, label ?? null, accepted]));

export const packed = ({ state, past, future }) => {
  const numbers = new Map();
  const number = (box) => numbers.get(box) ?? (numbers.set(box, numbers.size), numbers.size - 1);
  const row = (boxes) => boxes.map(number);
  const steps = (entries) => entries.map((entry) => ({ title: entry.title, state: row(entry.state) }));
  return { state: row(state), past: steps(past), future: steps(future), boxes: [...numbers.keys()] };
};

export const unpacked = ({ state, past, future, boxes }) => {
  const row = (numbers) => numbers.map((number) => boxes[number]);
  const steps = (entries) => entries.map((entry) => ({ title: entry.title, state: row(entry.state) }));
  return { state: row(state), past: steps(past), future: steps(future) };
};

export class Steps {
  // `storage` is sessionStorage or its like: another tab has steps of its own.
  constructor(storage) {
    this.shelf = new Shelf(storage, NAME);
    this.leaving = () => this.write();
    window.addEventListener("pagehide", this.leaving);
  }

  close() {
    this.write();
    window.removeEventListener("pagehide", this.leaving);
  }

  // The steps that lead to these boxes; null where none are kept, or others are newer.
  read(key, boxes) {
    const steps = this.shelf.get(key, (kept) => unpacked(kept.steps));
    return steps && looks(steps.state) === looks(boxes) ? steps : null;
  }

  // Note that there is something to write, soon: a row of changes is written once.
  keep(key, history) {
    this.waiting = { key, history };
    this.timer ||= setTimeout(() => this.write(), WAIT_MS);
  }

  // The oldest half goes as long as the browser has no room for all.
  write(now = Date.now()) {
    clearTimeout(this.timer);
    this.timer = null;
    if (!this.waiting) return;
    const { key, history } = this.waiting;
    this.waiting = null;
    for (let most = history.past.length; ; most = Math.floor(most / 2)) {
      const text = JSON.stringify({ at: now, steps: packed({ ...history, past: history.past.slice(history.past.length - most) }) });
      if (this.shelf.put(key, text)) return void this.prune(key);
      if (!most) return void this.drop(key);
    }
  }

  drop(key) {
    if (this.waiting?.key === key) this.waiting = null;
    this.shelf.drop(key);
  }

  prune(except) {
    const others = this.shelf.keys().filter((key) => key !== except);
    if (others.length < MOST_TASKS) return;
    const age = new Map(others.map((key) => [key, this.shelf.get(key, ({ at }) => at) ?? 0]));
    others.sort((a, b) => age.get(b) - age.get(a)).slice(MOST_TASKS - 1).forEach((key) => this.shelf.drop(key));
  }
}
