// The work on one photo: its boxes, which of them is chosen, and its undo history. Boxes are values; every change makes
// a new list, which is what the history keeps.
import { moveBox, resizeBox, sameBox } from "./geometry.js";
import { History } from "./history.js";

const MAX_BOXES = 1000;
const MAX_CHOICES = 5;

// What annotation formats say of a box beside its category.
export const FLAGS = ["difficult", "truncated", "occluded"];

export const flagsOf = (box) => box.flags ?? [];

export const randomId = (length = 12) =>
  Array.from(crypto.getRandomValues(new Uint8Array(length)), (byte) => (byte % 16).toString(16)).join("");

// Whether the model's score leaves the box to be decided on.
export const undecided = (box) => !box.accepted;

export const originOf = (box) => (box.origin === "person" ? "drawn" : box.accepted ? "accepted" : "proposed");

// Its category, and its label where that says more.
export const displayNames = (box, task) => {
  const name = task.nameOf(box);
  return box.label && box.label.toLowerCase() !== name.toLowerCase() ? [name, box.label] : [name];
};

export class Task {
  constructor({ photo, boxes, categories, labels = [], parents = {}, recent = [], saved = null }) {
    Object.assign(this, { photo, labels, parents, recent });
    this.categories = new Map(categories.map((category) => [category.id, category]));
    this.history = new History(saved?.state ?? boxes, saved ?? {});
    this.selected = null;
    this.movable = null; // the box that was clicked: a drag inside it moves it
  }

  get boxes() {
    return this.history.state;
  }

  get box() {
    return this.boxes.find(({ uid }) => uid === this.selected) ?? null;
  }

  find(uid) {
    return this.boxes.find((box) => box.uid === uid) ?? null;
  }

  nameOf(box) {
    return this.categories.get(box.category)?.name ?? `category ${box.category}`;
  }

  select(uid) {
    this.selected = uid !== null && this.find(uid) ? uid : null;
    this.movable = null;
    return this.box;
  }

  // --- choosing

  cycle(step) {
    if (!this.boxes.length) return null;
    const at = this.boxes.findIndex(({ uid }) => uid === this.selected);
    const next = at < 0 ? (step > 0 ? 0 : -1) : at + step;
    return this.select(this.boxes.at(next % this.boxes.length).uid);
  }

  // Of what is to be decided, the least certain first; from the chosen one on, and round again.
  nextUncertain() {
    const open = this.boxes.filter(undecided).sort((a, b) => (a.score ?? 0) - (b.score ?? 0));
    if (!open.length) return null;
    const at = open.findIndex(({ uid }) => uid === this.selected);
    return this.select(open[(at + 1) % open.length].uid);
  }

  // A click: the smallest box under it; clicked again in the same place, the next one beneath.
  pick(candidates, again) {
    const at = candidates.findIndex(({ uid }) => uid === this.selected);
    if (!candidates.length) return this.select(null);
    const picked = this.select(candidates[again && at >= 0 ? (at + 1) % candidates.length : 0].uid);
    this.movable = this.selected;
    return picked;
  }

  // --- changing

  commit(boxes, title, options) {
    this.history.commit(boxes, title, options);
    if (this.selected !== null && !this.find(this.selected)) this.selected = null;
    return title;
  }

  change(uid, fields, title, options) {
    const boxes = this.boxes.map((box) => (box.uid === uid ? { ...box, ...fields } : box));
    return this.commit(boxes, title, options);
  }

  add(corners, like = null) {
    if (this.boxes.length >= MAX_BOXES) return null;
    const category = like?.category ?? this.lastCategory() ?? [...this.categories.keys()][0];
    const box = {
      uid: randomId(), box: corners, category, label: like?.label ?? null, origin: "person",
      changed: false, accepted: true, score: null, top5: like?.top5 ?? [],
      ...(like?.flags?.length ? { flags: like.flags } : {}),
    };
    this.commit([...this.boxes, box], like ? "duplicate" : "draw");
    this.select(box.uid);
    if (like) this.movable = box.uid; // on its way to its own place
    return this.box;
  }

  duplicate() {
    const { box } = this;
    if (!box) return null;
    const aside = moveBox(box.box, 12, 12, this.photo);
    return this.add(sameBox(aside, box.box) ? moveBox(box.box, -12, -12, this.photo) : aside, box);
  }

  setBox(uid, corners, title, options) {
    const box = this.find(uid);
    if (!box || sameBox(box.box, corners)) return null;
    return this.change(uid, { box: corners, changed: true, accepted: true }, title, options);
  }

  nudge(dx, dy) {
    return this.box && this.setBox(this.selected, moveBox(this.box.box, dx, dy, this.photo), "move", { kind: `move ${this.selected}` });
  }

  stretch(dx, dy) {
    const corners = this.box && resizeBox(this.box.box, dx ? "e" : "s", dx, dy, this.photo);
    return corners && this.setBox(this.selected, corners, "resize", { kind: `resize ${this.selected}` });
  }

  remove(title = "delete") {
    if (!this.box) return null;
    const at = this.boxes.indexOf(this.box);
    const rest = this.boxes.filter(({ uid }) => uid !== this.selected);
    this.commit(rest, title);
    this.select(rest.length ? rest[Math.min(at, rest.length - 1)].uid : null);
    return title;
  }

  accept() {
    return this.box && (this.box.accepted ? null : this.change(this.selected, { accepted: true }, "accept"));
  }

  acceptAll() {
    if (!this.boxes.some(undecided)) return null;
    return this.commit(this.boxes.map((box) => (box.accepted ? box : { ...box, accepted: true })), "accept all");
  }

  rejectAll() {
    if (!this.boxes.some(undecided)) return null;
    return this.commit(this.boxes.filter((box) => !undecided(box)), "reject all");
  }

  // A choice is {kind: "category", value: id} or {kind: "label", value: name}; a label brings its category along.
  choose({ kind, value }) {
    const { box } = this;
    if (!box) return null;
    const parent = kind === "label" ? this.parents[value] ?? box.category : value;
    const stays = kind === "category" && (this.parents[box.label] ?? value) === value;
    const label = kind === "label" ? value : stays ? box.label : null;
    this.remember({ kind, value });
    if (box.accepted && parent === box.category && label === box.label) return null;
    const changed = box.changed || parent !== box.category || label !== box.label;
    return this.change(this.selected, { category: parent, label, changed, accepted: true }, kind);
  }

  // Set a flag of the chosen box, or take it off. A box without flags has no field for them, as the store keeps it.
  toggleFlag(flag) {
    const { box } = this;
    if (!box || !FLAGS.includes(flag)) return null;
    const on = !flagsOf(box).includes(flag);
    const flags = FLAGS.filter((name) => (name === flag ? on : flagsOf(box).includes(name))).sort();
    const { flags: before, ...rest } = box;
    const after = { ...rest, accepted: true, ...(flags.length ? { flags } : {}) };
    const title = on ? `mark as ${flag}` : `no longer ${flag}`;
    return this.commit(this.boxes.map((other) => (other === box ? after : other)), title);
  }

  // --- what to choose from

  remember(choice) {
    const rest = this.recent.filter(({ kind, value }) => kind !== choice.kind || value !== choice.value);
    this.recent = [choice, ...rest].slice(0, MAX_CHOICES);
  }

  lastCategory() {
    for (const { kind, value } of this.recent) {
      const id = kind === "category" ? value : this.parents[value];
      if (this.categories.has(id)) return id;
    }
    return null;
  }

  entry({ kind, value, share = null }) {
    const category = this.categories.get(kind === "category" ? value : this.parents[value]);
    return { kind, value, share, text: kind === "category" ? category?.name ?? "" : value, color: category?.color ?? null };
  }

  entries() {
    const categories = [...this.categories.keys()].map((id) => this.entry({ kind: "category", value: id }));
    return [...categories, ...this.labels.map((label) => this.entry({ kind: "label", value: label }))];
  }

  // All entries, the chosen box's own first: Enter keeps it.
  entriesFor(box) {
    const own = (entry) => entry.kind === (box.label ? "label" : "category") && entry.value === (box.label ?? box.category);
    const entries = this.entries();
    return [...entries.filter(own), ...entries.filter((entry) => !own(entry))];
  }

  // Keys 1 to 5: the model's labels; for a box without them what was chosen last, then the first categories.
  choices() {
    const { box } = this;
    if (!box) return [];
    if (box.top5.length) return box.top5.slice(0, MAX_CHOICES).map(([value, share]) => this.entry({ kind: "label", value, share }));
    const known = this.recent.map((choice) => this.entry(choice)).filter(({ text }) => text);
    const rest = this.entries().filter((entry) => entry.kind === "category" && !known.some(({ kind, value }) => kind === "category" && value === entry.value));
    return [...known, ...rest].slice(0, MAX_CHOICES);
  }

  // --- undo and redo

  undo() {
    return this.applyStep(() => this.history.undo());
  }

  redo() {
    return this.applyStep(() => this.history.redo());
  }

  applyStep(step) {
    const before = new Map(this.boxes.map((box) => [box.uid, box]));
    const title = step();
    if (title === null) return null;
    const touched = this.boxes.find((box) => before.get(box.uid) !== box);
    this.select(touched ? touched.uid : this.selected);
    return title;
  }
}
