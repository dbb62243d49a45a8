// The work on one photo: its boxes, which of them is chosen, and its undo history. Boxes are values; every change makes
// a new list, which is what the history keeps.
import { FLAGS, flagsOf, randomId, undecided } from "./boxes.js";
import { predictedAt, predictedUnder } from "./predicted_boxes.js";
import { moveBox, resizeBox, sameBox } from "./geometry.js";
import { History } from "./history.js";
import { plain } from "./search.js";

const MAX_BOXES = 1000;
const MAX_CHOICES = 5;
const MAX_CATEGORY_KEYS = 9;

export class Task {
  constructor({ photo, boxes, categories, labels = [], parents = {}, recent = [], predictedBoxes = [], attributes = [], saved = null }) {
    Object.assign(this, { photo, labels, parents, recent, predictedBoxes, attributes });
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

  // A box that was taken by its corner is the chosen one from then on.
  keep(uid) {
    if (uid !== this.selected) this.select(uid);
  }

  // Whether a number names the chosen box; else it draws its category.
  get asksForLabel() {
    return Boolean(this.box) && this.selected !== this.settled;
  }

  find = (uid) => this.boxes.find((box) => box.uid === uid) ?? null;

  nameOf(box) {
    return this.categories.get(box.category)?.name ?? `category ${box.category}`;
  }

  select(uid) {
    this.selected = uid !== null && this.find(uid) ? uid : null;
    this.movable = this.settled = null;
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

  // A box that a person drew, or a copy of one. What a drawn one shows is the category that was chosen for it, else what
  // the models see there, whose labels are keys 1 to 5 then, else what was chosen last.
  add(corners, like = null, chosen = null) {
    if (this.boxes.length >= MAX_BOXES) return null;
    const seen = like ? null : predictedAt(this.predictedBoxes, corners);
    const category = like?.category ?? (chosen && this.categoryOf(chosen)) ?? seen?.category ?? this.lastCategory() ?? [...this.categories.keys()][0];
    const box = this.newBox(corners, category, chosen?.kind === "label" ? chosen.value : like?.label ?? null, like?.top5 ?? seen?.top5 ?? [], like?.flags);
    this.commit([...this.boxes, box], like ? "duplicate" : "draw");
    this.select(box.uid);
    if (like) this.movable = box.uid; // on its way to its own place
    if (chosen) this.settled = box.uid; // named already: numbers are for the next one
    return this.box;
  }

  newBox(corners, category, label, top5, flags) {
    return { uid: randomId(), box: corners, category, label, origin: "person", changed: false, accepted: true, score: null, top5, ...(flags?.length ? { flags } : {}) };
  }

  // Boxes of another photo, or of this one, as a person's own, in the same places; how many.
  paste(boxes) {
    const known = boxes.filter(({ category }) => this.categories.has(category)).slice(0, MAX_BOXES - this.boxes.length);
    const isThere = (copy) => this.boxes.some(({ box, category }) => category === copy.category && sameBox(box, copy.box));
    const made = known.map((copy) => this.newBox(isThere(copy) ? moveBox(copy.box, 12, 12, this.photo) : copy.box, copy.category, copy.label ?? null, copy.top5 ?? [], copy.flags));
    if (made.length) this.commit([...this.boxes, ...made], "paste");
    this.select(made.length === 1 ? made[0].uid : null);
    this.movable = this.selected;
    return made.length;
  }

  // What the models see around a point, where no box shows it yet, as a person's choice; null where they see nothing.
  addCandidate(point) {
    const found = this.boxes.length < MAX_BOXES && predictedUnder(this.predictedBoxes, this.boxes, point);
    if (!found) return null;
    const uid = this.find(found.uid) ? randomId() : found.uid;
    this.commit([...this.boxes, { ...found, uid, accepted: true }], "take the models' box");
    this.select(uid);
    this.movable = uid;
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

  // Another place for a box, where it is still as it was when that was asked for.
  tighten({ uid, from, box }) {
    const found = this.find(uid);
    return found && sameBox(found.box, from) ? this.setBox(uid, box, "tighten") : null;
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
    const label = kind === "label" ? value : stays ? box.label : this.labels.find((name) => this.parents[name] === value && this.isSynonym(name)) ?? null;
    this.remember({ kind, value });
    if (box.accepted && parent === box.category && label === box.label) return null;
    const changed = box.changed || parent !== box.category || label !== box.label;
    return this.change(this.selected, { category: parent, label, changed, accepted: true }, kind);
  }

  // What can be said of a box: the usual flags, own attributes, and what it has already.
  flagNames(box) {
    return [...new Set([...FLAGS, ...this.attributes, ...flagsOf(box)])];
  }

  // Set a flag of the chosen box, or take it off. A box without flags has no field for them, as the store keeps it.
  toggleFlag(flag) {
    const { box } = this;
    if (!box || !this.flagNames(box).includes(flag)) return null;
    const on = !flagsOf(box).includes(flag);
    const flags = this.flagNames(box).filter((name) => (name === flag ? on : flagsOf(box).includes(name))).sort();
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

  categoryOf({ kind, value }) {
    const id = kind === "category" ? value : this.parents[value];
    return this.categories.has(id) ? id : null;
  }

  lastCategory() {
    for (const choice of this.recent) {
      const id = this.categoryOf(choice);
      if (id !== null) return id;
    }
    return null;
  }

  entry({ kind, value, share = null }) {
    const category = this.categories.get(kind === "category" ? value : this.parents[value]);
    return { kind, value, share, text: kind === "category" ? category?.name ?? "" : value, color: category?.color ?? null };
  }

  // Each name once: a category's only label that is called as it is, is that category.
  entries() {
    const categories = [...this.categories.keys()].map((id) => this.entry({ kind: "category", value: id }));
    return [...categories, ...this.labels.filter((label) => !this.isSynonym(label)).map((label) => this.entry({ kind: "label", value: label }))];
  }

  isSynonym(label) {
    const category = this.categories.get(this.parents[label]);
    return Boolean(category) && plain(category.name) === plain(label) && this.labels.every((other) => other === label || this.parents[other] !== category.id);
  }

  // The categories on the number keys while no box is chosen.
  categoryKeys() {
    return [...this.categories.keys()].slice(0, MAX_CATEGORY_KEYS).map((id) => this.entry({ kind: "category", value: id }));
  }

  // All entries; the chosen box's own comes first: Enter keeps it. Then what keys 1 to 5 choose, with their numbers.
  entriesFor(box) {
    const isOwn = (entry) => entry.kind === (box.label ? "label" : "category") && entry.value === (box.label ?? box.category);
    const same = (a, b) => a.kind === b.kind && a.value === b.value;
    const numbered = this.choices().map((entry, index) => ({ ...entry, number: index + 1 }));
    const first = [...numbered.filter(isOwn), ...numbered.filter((entry) => !isOwn(entry))];
    const rest = this.entries().filter((entry) => !first.some((other) => same(entry, other)));
    return [...(first.some(isOwn) ? [] : rest.filter(isOwn)), ...first, ...rest.filter((entry) => !isOwn(entry))];
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
