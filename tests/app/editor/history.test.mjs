import assert from "node:assert/strict";
import { test } from "node:test";
import { History } from "../../../app/editor/history.js";

test("a thousand steps go back to the start and forth again", () => {
  const history = new History(0);
  for (let step = 1; step <= 1000; step += 1) history.commit(step, `step ${step}`);
  for (let step = 0; step < 1000; step += 1) history.undo();
  assert.equal(history.state, 0);
  assert.equal(history.undo(), null);
  for (let step = 0; step < 1000; step += 1) history.redo();
  assert.equal(history.state, 1000);
  assert.equal(history.redo(), null);
});

test("a step says what it was", () => {
  const history = new History("a");
  history.commit("b", "draw");
  assert.equal(history.undo(), "draw");
  assert.equal(history.redo(), "draw");
});

test("a new change forgets what was undone", () => {
  const history = new History("a");
  history.commit("b", "draw");
  history.undo();
  history.commit("c", "move");
  assert.equal(history.redo(), null);
  assert.equal(history.state, "c");
});

test("a row of arrow keys is one step, and a pause ends it", () => {
  const history = new History(0);
  history.commit(1, "move", { kind: "move a", now: 0 });
  history.commit(2, "move", { kind: "move a", now: 500 });
  history.commit(3, "move", { kind: "move b", now: 600 });
  history.commit(4, "move", { kind: "move b", now: 5000 });
  assert.deepEqual([history.undo(), history.state], ["move", 3]);
  assert.deepEqual([history.undo(), history.state], ["move", 2]);
  assert.deepEqual([history.undo(), history.state], ["move", 0]);
});

test("after an undo the next change is a step of its own", () => {
  const history = new History(0);
  history.commit(1, "move", { kind: "move a", now: 0 });
  history.commit(2, "move", { kind: "other", now: 10 });
  history.undo();
  history.commit(3, "move", { kind: "move a", now: 20 });
  assert.deepEqual([history.undo(), history.state], ["move", 1]);
});

test("no change is no step", () => {
  const state = {};
  const history = new History(state);
  history.commit(state, "nothing");
  assert.equal(history.undo(), null);
});
