import assert from "node:assert/strict";
import { test } from "node:test";
import { originOf } from "../../../app/editor/boxes.js";
import { Task } from "../../../app/editor/task.js";

const categories = [{ id: 1, name: "top" }, { id: 2, name: "pants" }, { id: 3, name: "dress" }];
const parents = { Tee: 1, Jeans: 2, Sundress: 3 };
const proposal = (uid, score, fields = {}) => ({
  uid, box: [10, 10, 50, 50], category: 1, label: "Tee", origin: "model", changed: false, accepted: false, score, top5: [["Tee", 0.6], ["Jeans", 0.3]], ...fields,
});
const taskOf = (...boxes) => new Task({ photo: { width: 100, height: 100 }, boxes, categories, labels: Object.keys(parents), parents });

test("cycling goes round both ways, also through nested boxes", () => {
  const task = taskOf(proposal("a", 0.9), proposal("b", 0.5, { box: [20, 20, 30, 30] }), proposal("c", 0.7));
  assert.deepEqual([1, 1, 1, 1].map((step) => task.cycle(step).uid), ["a", "b", "c", "a"]);
  assert.equal(task.cycle(-1).uid, "c");
});

test("the next uncertain box is the least certain one that is still to be decided", () => {
  const task = taskOf(proposal("a", 0.9), proposal("b", 0.3), proposal("c", 0.6), proposal("d", 0.1, { accepted: true }));
  assert.deepEqual([1, 2, 3, 4].map(() => task.nextUncertain().uid), ["b", "c", "a", "b"]);
  task.acceptAll();
  assert.equal(task.nextUncertain(), null);
});

test("a second click on the same spot goes to the box beneath", () => {
  const task = taskOf(proposal("big", 0.9), proposal("small", 0.5, { box: [20, 20, 30, 30] }));
  const stack = [task.find("small"), task.find("big")];
  assert.deepEqual([task.pick(stack, false), task.pick(stack, true), task.pick(stack, true)].map(({ uid }) => uid), ["small", "big", "small"]);
  assert.equal(task.pick([], false), null);
});

test("a change makes a proposal the person's, and leaves the list before untouched", () => {
  const task = taskOf(proposal("a", 0.9));
  const before = task.boxes;
  task.select("a");
  task.nudge(5, 0);
  assert.deepEqual(task.box.box, [15, 10, 55, 50]);
  assert.deepEqual([task.box.changed, task.box.accepted, task.box.origin], [true, true, "model"]);
  assert.deepEqual(before[0].box, [10, 10, 50, 50]);
});

test("only the right or lower edge moves when a box is stretched", () => {
  const task = taskOf(proposal("a", 0.9, { box: [10.5, 10.5, 50.5, 50.5] }));
  task.select("a");
  task.stretch(0, 10);
  assert.deepEqual(task.box.box, [10.5, 10.5, 50.5, 61]);
});

test("a label brings its category; another category drops a label that is not its own", () => {
  const task = taskOf(proposal("a", 0.9));
  task.select("a");
  task.choose({ kind: "label", value: "Jeans" });
  assert.deepEqual([task.box.category, task.box.label, task.box.changed], [2, "Jeans", true]);
  task.choose({ kind: "category", value: 3 });
  assert.deepEqual([task.box.category, task.box.label], [3, null]);
});

test("choosing what is there already only accepts", () => {
  const task = taskOf(proposal("a", 0.9));
  task.select("a");
  task.choose({ kind: "label", value: "Tee" });
  assert.deepEqual([task.box.accepted, task.box.changed], [true, false]);
  assert.equal(task.choose({ kind: "label", value: "Tee" }), null);
});

test("keys 1 to 5 are the model's labels; for a drawn box what was chosen last comes first", () => {
  const task = taskOf(proposal("a", 0.9));
  task.select("a");
  assert.deepEqual(task.choices().map(({ text }) => text), ["Tee", "Jeans"]);
  task.choose({ kind: "category", value: 3 });
  task.add([60, 60, 90, 90]);
  assert.equal(task.box.category, 3);
  assert.deepEqual(task.choices().map(({ text }) => text), ["dress", "top", "pants"]);
});

test("drawn boxes are the person's, with names of their own", () => {
  const task = taskOf();
  task.add([0, 0, 10, 10]);
  task.add([0, 0, 10, 10]);
  assert.equal(new Set(task.boxes.map(({ uid }) => uid)).size, 2);
  assert.deepEqual([originOf(task.box), task.box.accepted, task.box.score], ["drawn", true, null]);
  assert.match(task.box.uid, /^[0-9a-f]{12}$/);
});

test("a copy lies aside, also in the photo's corner", () => {
  const task = taskOf(proposal("a", 0.9, { box: [60, 60, 100, 100] }));
  task.select("a");
  task.duplicate();
  assert.deepEqual(task.box.box, [48, 48, 88, 88]);
  assert.equal(task.box.origin, "person");
});

test("undo brings a deleted box back and chooses it", () => {
  const task = taskOf(proposal("a", 0.9), proposal("b", 0.8));
  task.select("b");
  task.remove();
  assert.equal(task.box.uid, "a");
  assert.equal(task.undo(), "delete");
  assert.equal(task.box.uid, "b");
  assert.equal(task.redo(), "delete");
  assert.equal(task.boxes.length, 1);
});

test("a thousand boxes are the most", () => {
  const task = taskOf(...Array.from({ length: 1000 }, (_, number) => proposal(`m${number}`, 0.5)));
  assert.equal(task.add([0, 0, 10, 10]), null);
});

test("without boxes nothing can be chosen or changed", () => {
  const task = taskOf();
  for (const nothing of [task.cycle(1), task.nextUncertain(), task.remove(), task.duplicate(), task.nudge(1, 1), task.accept(), task.acceptAll(), task.undo()]) assert.equal(nothing, null);
  assert.deepEqual(task.choices(), []);
});

test("only a box that was clicked can be moved by a drag inside it", () => {
  const task = taskOf(proposal("a", 0.9));
  const { uid } = task.add([0, 0, 20, 20]);
  assert.equal(task.movable, null);
  assert.equal(task.entriesFor(task.box)[0].value, task.box.category);
  task.pick([task.find(uid)], false);
  assert.equal(task.movable, uid);
  task.cycle(1);
  assert.equal(task.movable, null);
});

test("a flag is set and taken off, which decides about the box, and each can be undone", () => {
  const task = taskOf(proposal("a", 0.9), proposal("b", 0.8));
  task.select("a");
  assert.equal(task.toggleFlag("truncated"), "mark as truncated");
  assert.equal(task.toggleFlag("difficult"), "mark as difficult");
  assert.deepEqual([task.box.flags, task.box.accepted, task.box.changed], [["difficult", "truncated"], true, false]);
  assert.equal("flags" in task.find("b"), false);
  assert.equal(task.undo(), "mark as difficult");
  assert.deepEqual(task.box.flags, ["truncated"]);
  assert.equal(task.toggleFlag("truncated"), "no longer truncated");
  assert.equal("flags" in task.box, false);
  assert.equal(task.toggleFlag("blurred"), null);
});

test("flags stay through every change of a box, and a copy has them too", () => {
  const task = taskOf(proposal("a", 0.9, { flags: ["occluded"] }));
  task.select("a");
  task.nudge(5, 0);
  task.stretch(5, 0);
  task.choose({ kind: "label", value: "Jeans" });
  task.acceptAll();
  assert.deepEqual(task.box.flags, ["occluded"]);
  task.duplicate();
  assert.deepEqual(task.boxes.map(({ flags }) => flags), [["occluded"], ["occluded"]]);
  task.add([0, 0, 10, 10]);
  assert.equal("flags" in task.box, false);
});

test("a label that is only another word for its category is listed once, as the category, and brings itself along", () => {
  const task = new Task({ photo: { width: 100, height: 100 }, boxes: [proposal("a", 0.9)], categories, labels: ["Tee", "Top", "Dress"], parents: { Tee: 1, Top: 1, Dress: 3 } });
  assert.deepEqual(task.entries().map(({ text }) => text), ["top", "pants", "dress", "Tee", "Top"]);
  task.select("a");
  task.choose({ kind: "category", value: 3 });
  assert.deepEqual([task.box.category, task.box.label], [3, "Dress"]);
});

test("a drawn box takes what the models see there, and keys 1 to 5 their labels", () => {
  const predictedBoxes = [proposal("weak", 0.2, { box: [60, 60, 90, 90], category: 2, label: "Jeans", top5: [["Jeans", 0.8]] })];
  const task = new Task({ photo: { width: 100, height: 100 }, boxes: [], categories, labels: Object.keys(parents), parents, predictedBoxes });
  task.add([62, 60, 92, 90]);
  assert.deepEqual([task.box.category, task.box.label, task.choices()[0].text], [2, null, "Jeans"]);
  assert.deepEqual(task.entriesFor(task.box).slice(0, 3).map(({ text, number }) => [text, number ?? null]), [["pants", null], ["Jeans", 1], ["top", null]]);
  task.add([0, 0, 20, 20], null, { kind: "category", value: 3 });
  assert.deepEqual([task.box.category, task.box.top5], [3, []]);
});

test("a click takes the surest candidate there that no box shows", () => {
  const predictedBoxes = [proposal("shown", 0.9), proposal("weak", 0.2, { box: [20, 20, 80, 80], category: 3 })];
  const task = new Task({ photo: { width: 100, height: 100 }, boxes: [proposal("a", 0.9)], categories, labels: [], parents: {}, predictedBoxes });
  assert.deepEqual([task.addCandidate({ x: 30, y: 30 }).uid, task.box.accepted, task.box.origin], ["weak", true, "model"]);
  assert.equal(task.addCandidate({ x: 30, y: 30 }), null);
  assert.equal(task.addCandidate({ x: 95, y: 95 }), null);
});

test("pasted boxes are the person's, in the same places, aside where the same box lies", () => {
  const task = taskOf(proposal("a", 0.9));
  assert.equal(task.paste([proposal("a", 0.9), proposal("b", 0.5, { box: [60, 60, 90, 90], flags: ["occluded"] }), proposal("c", 0.5, { category: 99 })]), 2);
  const [, first, second] = task.boxes;
  assert.deepEqual([first.box, second.box], [[22, 22, 62, 62], [60, 60, 90, 90]]);
  assert.deepEqual([second.origin, second.accepted, second.score, second.flags, second.uid === "b"], ["person", true, null, ["occluded"], false]);
  task.undo();
  assert.equal(task.boxes.length, 1);
});

test("a tighter place counts where the box is still as it was", () => {
  const task = taskOf(proposal("a", 0.9));
  assert.equal(task.tighten({ uid: "a", from: [10, 10, 50, 49], box: [12, 12, 40, 40] }), null);
  assert.equal(task.tighten({ uid: "a", from: [10, 10, 50, 50], box: [12, 12, 40, 40] }), "tighten");
  assert.deepEqual(task.boxes[0].box, [12, 12, 40, 40]);
});
