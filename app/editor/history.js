// Undo and redo without limit. States are values that nobody changes; steps of one kind that follow each other
// quickly (a row of arrow keys) are one step.
const MERGE_MS = 800;

export class History {
  constructor(state, { past = [], future = [] } = {}) {
    Object.assign(this, { state, past, future, last: null });
  }

  commit(state, title, { kind = null, now = Date.now() } = {}) {
    if (state === this.state) return;
    const merges = kind !== null && this.last && this.last.kind === kind && now - this.last.now < MERGE_MS;
    if (!merges) this.past.push({ state: this.state, title });
    this.state = state;
    this.future = [];
    this.last = { kind, now };
  }

  // Gives what was undone, in words, or null.
  undo() {
    return this.step(this.past, this.future);
  }

  redo() {
    return this.step(this.future, this.past);
  }

  step(from, to) {
    const entry = from.pop();
    if (!entry) return null;
    to.push({ state: this.state, title: entry.title });
    this.state = entry.state;
    this.last = null;
    return entry.title;
  }
}
