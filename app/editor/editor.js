// The box editor: one photo, its boxes, and everything that is done to them, here in the browser.
// data: {key, photo: {id, url, width, height, name, attention}, boxes, categories: [{id, name, colour, ink}], labels,
//        parents: {label: category}, keys: {action: chord}, sequence, readonly, notice, answered}
// out:  state "work" {key, sequence, boxes, seconds, attempt}; trigger "act" {name, key, sequence, boxes, request, seconds, keys}
import { ACTS, allowed } from "./actions.js";
import { actionButton, Bars } from "./bars.js";
import { make, say, show } from "./dom.js";
import { Finder } from "./finder.js";
import { Gestures } from "./gestures.js";
import { Help } from "./help.js";
import { Keyboard } from "./keyboard.js";
import { Link } from "./link.js";
import { Side } from "./side.js";
import { Stage } from "./stage.js";
import { Shortcuts } from "./shortcuts.js";
import { Steps } from "./steps.js";
import { Task, undecided } from "./task.js";

const MARKS = {
  saved: "Saved",
  untouched: "No changes yet",
  saving: "Saving…",
  late: "Not saved yet, trying again",
  offline: "Not saved: offline. Your work is kept in this browser",
  asking: "Sending…",
  readonly: "To look at only",
};
const HINT = "Tab and Shift Tab choose a box, Escape and then Tab leaves the photo, question mark shows all keys.";

class Editor {
  constructor(root) {
    Object.assign(this, { root, armed: false, hidden: false, heat: false, opacity: 0.6, leaving: false, recent: [] });
    const run = (name) => this.run(name);
    this.stage = new Stage();
    this.bars = new Bars(run, (opacity) => this.setOpacity(opacity));
    this.side = new Side({ run, choose: (entry) => this.hear(this.chooseEntry(entry)), select: (uid) => this.select(uid), settle: (uid, action) => this.settle(uid, action) });
    this.finder = new Finder({ onchoose: (entry) => this.found(entry), onclose: (back) => this.focusStage(back) });
    this.help = new Help((keymap) => this.shortcuts.change(keymap));
    this.link = new Link({ storage: window.localStorage, onmark: (mark) => this.showMark(mark), onnewer: (boxes) => this.takeNewer(boxes) });
    this.shortcuts = new Shortcuts(root, (keys) => this.link.act("keys", { keys }));
    this.steps = new Steps(window.sessionStorage);
    this.gestures = new Gestures(this.stage, this.hands());
    this.keyboard = new Keyboard(this);
    this.stage.onlook = (camera) => this.bars.look(camera);
    this.build(run);
  }

  build(run) {
    this.live = make("p", { className: "unseen", role: "status", "aria-live": "polite" });
    this.hintText = make("p", { className: "unseen", id: "lapel-hint", textContent: HINT });
    this.notice = make("p", { className: "notice", role: "alert", hidden: true });
    this.mark = make("p", { className: "mark", role: "status" });
    this.stage.root.setAttribute("aria-describedby", "lapel-hint");
    this.feet = make("div", { className: "feet" }, actionButton("back", run, { words: true }), actionButton("skip", run, { words: true }), actionButton("submit", run, { words: true, className: "primary" }));
    const canvas = make("div", { className: "place" }, this.stage.root, this.finder.root);
    this.side.root.prepend(this.notice);
    this.side.root.append(this.mark, this.feet);
    this.root.append(make("div", { className: "frame" }, this.bars.editing, this.bars.seeing, canvas, this.side.root), this.help.root, this.live, this.hintText);
  }

  hands() {
    const editor = this;
    return {
      get task() { return editor.task; },
      get armed() { return editor.armed; },
      get hidden() { return editor.hidden; },
      get locked() { return editor.locked; },
      touched: () => { this.leaving = false; this.finder.close(false); this.link.touched(); },
      pick: (stack, again) => { this.task.pick(stack, again); this.render(); },
      place: (uid, box, title) => { if (this.task.place(uid, box, title)) this.changed(); this.redraw(uid); this.render(); },
      drawn: (box) => this.drawn(box),
      rename: () => this.finder.ask(this.task, this.stage),
    };
  }

  get locked() {
    return Boolean(this.data.readonly || this.link.pending);
  }

  get readonly() {
    return this.data.readonly;
  }

  // --- what the page says

  show(data, send) {
    const before = this.data;
    this.data = data;
    if (!before || before.key !== data.key || before.readonly !== data.readonly) this.open(data, send);
    else this.again(before, data, send);
    this.shortcuts.take(data.keys);
    say(this.notice, data.notice);
    show(this.notice, Boolean(data.notice));
    this.showHeat();
    this.render();
  }

  open(data, send) {
    const { left, ...begin } = this.link.open(data, send);
    if (left) this.steps.drop(left);
    this.begin(data, begin.earlier ?? begin.boxes);
    if (begin.earlier) this.takeNewer(begin.boxes);
    this.stage.readonly = data.readonly;
    Object.assign(this, { armed: false, hidden: false, heat: this.heat && Boolean(data.photo.attention), asked: false, leaving: false });
    this.stage.open(data.photo);
    this.gestures.clicked = null;
    const open = this.task.boxes.filter(undecided).length;
    this.stage.root.setAttribute("aria-label", `Photo ${data.photo.name}`);
    this.hear(`Photo ${data.photo.name}: ${this.task.boxes.length} boxes, ${open} to decide`);
    const active = document.activeElement;
    if (!active || active === document.body || active === this.root.getRootNode().host) this.focusStage(true);
  }

  begin(data, boxes) {
    this.task = new Task({ ...data, boxes, steps: this.steps.read(data.key, boxes), recent: this.task?.recent ?? this.recent });
    this.given = JSON.stringify(data.boxes);
  }

  // The page ran again: only what is newer than what was done here counts.
  again(before, data, send) {
    this.link.heard(data, send);
    const given = JSON.stringify(data.boxes);
    const untouched = !this.link.draft.unsaved && !this.task.history.past.length && !this.task.history.future.length;
    if (given !== this.given && untouched) this.begin(data, data.boxes);
    this.given = given;
    this.task.categories = new Map(data.categories.map((category) => [category.id, category]));
    Object.assign(this.task, { labels: data.labels, parents: data.parents });
    if (before.photo.url !== data.photo.url) this.stage.open(data.photo);
    if (before.photo.attention && !data.photo.attention) Object.assign(this, { heat: false, asked: false }); // made by other models
  }

  takeNewer(boxes) {
    this.task.commit(boxes, "newer work from elsewhere");
    this.hear("Newer work from elsewhere is shown; undo brings back what was here");
    this.render();
  }

  // --- what a person does

  run(name) {
    this.leaving = false;
    if (!allowed(name, this)) return;
    if (name !== "draw") this.armed = false;
    this.hear(ACTS[name](this));
    this.render();
  }

  changed() {
    this.hidden = false;
    this.link.touched();
    this.link.changed(this.task.boxes);
    this.steps.keep(this.data.key, this.task.history);
  }

  chooseEntry(entry) {
    if (this.locked) return null;
    const title = this.task.choose(entry);
    if (title) this.changed();
    this.render();
    return `${entry.text}${title ? "" : ", as before"}`;
  }

  found(entry) {
    this.hear(this.chooseEntry(entry));
    this.focusStage(true);
  }

  drawn(box) {
    this.armed = false;
    if (box && this.task.add(box)) {
      this.changed();
      this.hear(`Drawn: ${this.task.nameOf(this.task.box)}`);
      this.finder.ask(this.task, this.stage);
    }
    this.render();
  }

  drawInTheMiddle() {
    const { size, shape } = this.stage;
    const [from, to] = [0.35, 0.65].map((part) => this.stage.inPhotoAt({ x: size.width * part, y: size.height * part }));
    const within = (value, most) => Math.round(Math.min(Math.max(value, 0), most));
    const box = [within(from.x, shape.width - 8), within(from.y, shape.height - 8), within(to.x, shape.width), within(to.y, shape.height)];
    this.drawn([box[0], box[1], Math.max(box[2], box[0] + 8), Math.max(box[3], box[1] + 8)]);
    return null;
  }

  select(uid) {
    this.task.select(uid);
    if (this.task.box) this.stage.reveal(this.task.box);
    this.render();
  }

  settle(uid, action) {
    this.task.select(uid);
    this.run(action);
  }

  // One thing at a time: a drag, the drawing, the choice; then Tab may leave the photo.
  escape() {
    if (this.gestures.abort()) return true;
    if (this.armed) this.armed = false;
    else {
      this.task.select(null);
      this.leaving = true;
    }
    this.render();
    return true;
  }

  // Whether letters find a name: there is a box to name.
  get naming() {
    return Boolean(this.task?.box) && !this.locked;
  }

  toggleHeat() {
    this.heat = !this.heat;
    this.showHeat();
    if (!this.heat) return "Attention map off";
    if (this.data.photo.attention) return "Attention map on";
    if (!this.asked) this.link.act("attention");
    this.asked = true;
    return "The attention map is asked for";
  }

  setOpacity(opacity) {
    this.opacity = opacity;
    this.showHeat();
  }

  // --- what is seen

  showHeat() {
    this.stage.showHeat(this.heat ? this.data.photo.attention : null, this.opacity);
  }

  showMark(mark) {
    this.mark.dataset.mark = mark;
    this.root.dataset.mark = mark;
    say(this.mark, MARKS[mark]);
    if (this.wasLocked !== undefined && this.wasLocked !== this.locked) this.render();
  }

  redraw(uid) {
    const drawn = this.stage.drawn.get(uid);
    const box = this.task.find(uid);
    if (drawn && box) this.stage.shapeGroup(drawn.group, box.box);
  }

  render() {
    if (!this.task) return;
    const { locked, readonly } = this;
    this.wasLocked = locked;
    this.shortcuts.follow(this.naming);
    this.stage.root.classList.toggle("armed", this.armed);
    this.stage.svg.classList.toggle("away", this.hidden);
    this.stage.root.setAttribute("aria-busy", String(Boolean(this.link.pending)));
    this.stage.render(this.task);
    this.bars.render({ ...this, locked, readonly });
    this.side.render({ task: this.task, locked, readonly });
    for (const button of this.feet.children) button.disabled = locked && !(readonly && button.dataset.action === "back");
    show(this.feet, !readonly);
  }

  hear(words) {
    if (words) this.live.textContent = words;
  }

  focusStage(back) {
    if (back) this.stage.root.focus({ preventScroll: true });
  }

  close() {
    this.link.close();
    this.steps.close();
    this.keyboard.close();
    this.stage.close();
    this.root.replaceChildren();
  }
}

const editors = new WeakMap();

export default function ({ data, parentElement, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector(".lapel-editor");
  if (!root || !data) return;
  if (!editors.has(parentElement)) editors.set(parentElement, new Editor(root));
  const editor = editors.get(parentElement);
  editor.show(data, (name, value) => (name === "act" ? setTriggerValue : setStateValue)(name, value));
  return () => {
    editors.delete(parentElement);
    editor.close();
  };
}
