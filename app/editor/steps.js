// The steps back and forth of the tasks of this tab, kept over a reload. Boxes are values that many states share, so
// each of them is written once, and a state is a row of their numbers.
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
    this.storage = storage;
    this.leaving = () => this.write();
    window.addEventListener("pagehide", this.leaving);
  }

  close() {
    this.write();
    window.removeEventListener("pagehide", this.leaving);
  }

  // The steps that lead to these boxes; null where none are kept, or others are newer.
  read(key, boxes) {
    try {
      const steps = unpacked(JSON.parse(this.storage.getItem(NAME + key)).steps);
      return looks(steps.state) === looks(boxes) ? steps : null;
    } catch {
      return null;
    }
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
      if (this.put(key, text)) return void this.prune(key);
      if (!most) return void this.drop(key);
    }
  }

  put(key, text) {
    try {
      this.storage.setItem(NAME + key, text);
      return true;
    } catch {
      return false;
    }
  }

  drop(key) {
    if (this.waiting?.key === key) this.waiting = null;
    try {
      this.storage.removeItem(NAME + key);
    } catch {
      // A browser that keeps nothing has nothing to drop.
    }
  }

  prune(except) {
    try {
      const others = Object.keys(this.storage).filter((name) => name.startsWith(NAME) && name !== NAME + except);
      const age = (name) => Number(this.storage.getItem(name).match(/^\{"at":(\d+)/)?.[1] ?? 0);
      others.sort((a, b) => age(b) - age(a)).slice(MOST_TASKS - 1).forEach((name) => this.storage.removeItem(name));
    } catch {
      // As above.
    }
  }
}
