import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../../app/editor/history.js";
import { deserialize, HistoryStorage, serialize } from "../../../app/editor/history_storage.js";

globalThis.window = { addEventListener() {}, removeEventListener() {} };

const box = (uid, left = 0) => ({ uid, box: [left, 0, left + 10, 10], category: 1, label: null, accepted: true });

class Storage {
  constructor(room = Infinity) {
    Object.defineProperties(this, { room: { value: room }, setItem: { value: (name, text) => {
      if (text.length > room) throw new Error("full");
      this[name] = text;
    } }, getItem: { value: (name) => this[name] ?? null }, removeItem: { value: (name) => delete this[name] } });
  }
}

const worked = (steps = 3) => {
  const history = new History([box("a")]);
  for (let step = 1; step <= steps; step += 1) history.commit([box("a"), box("b", step)], `step ${step}`);
  return history;
};

const stored = (storage, history, key = "task") => {
  const steps = new HistoryStorage(storage);
  steps.saveSoon(key, history);
  steps.flush(1);
  return steps;
};

test("steps go back and forth as before once they were kept and read", () => {
  const history = worked();
  history.undo();
  const storage = new Storage();
  const found = stored(storage, history).load("task", history.state);
  const again = new History(found.state, found);
  assert.equal(again.redo(), "step 3");
  for (let step = 3; step > 0; step -= 1) assert.equal(again.undo(), `step ${step}`);
  assert.deepEqual(again.state, [box("a")]);
});

test("a box that many states share is written once", () => {
  const shared = box("a");
  const history = new History([shared]);
  history.commit([shared, box("b")], "draw");
  const steps = serialize(history);
  assert.equal(steps.boxes.length, 2);
  assert.deepEqual(deserialize(steps).past, [{ title: "draw", state: [shared] }]);
});

test("steps to other boxes than there are now are not read", () => {
  const history = worked();
  const steps = stored(new Storage(), history);
  assert.equal(steps.load("task", [box("a")]), null);
  assert.equal(steps.load("another task", history.state), null);
  steps.remove("task");
  assert.equal(steps.load("task", history.state), null);
});

test("where there is no room for all, the oldest steps go first", () => {
  const history = worked(100);
  const found = stored(new Storage(4000), history).load("task", history.state);
  assert.ok(found.past.length > 3 && found.past.length < 60);
  assert.equal(found.past.at(-1).title, "step 100");
});

test("only the last few tasks' steps stay", () => {
  const storage = new Storage();
  for (let task = 0; task < 12; task += 1) stored(storage, worked(1), `task ${task}`);
  assert.equal(Object.keys(storage).length, 8);
});

test("steps to boxes with other flags are none of these boxes' steps", () => {
  const history = worked();
  const storage = new Storage();
  const steps = stored(storage, history);
  const flagged = history.state.map((entry) => ({ ...entry, flags: ["occluded"] }));
  assert.ok(steps.load("task", history.state));
  assert.equal(steps.load("task", flagged), null);
});
