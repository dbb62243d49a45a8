import assert from "node:assert/strict";
import { test } from "node:test";
import { Draft, DraftStorage, initialWork } from "../../../app/editor/draft.js";

const storageOf = (room = Infinity) => {
  const entries = {};
  const hidden = (value) => ({ value, enumerable: false });
  return Object.defineProperties(entries, {
    getItem: hidden((name) => entries[name] ?? null),
    removeItem: hidden((name) => delete entries[name]),
    setItem: hidden((name, text) => {
      if (Object.entries(entries).reduce((sum, [key, kept]) => sum + (key === name ? 0 : kept.length), text.length) > room) throw new Error("full");
      entries[name] = text;
    }),
  });
};

test("work is saved only when the server has the last change", () => {
  const draft = new Draft({ sequence: 0 });
  assert.equal(draft.status(0, true), "untouched");
  const first = draft.change(1000);
  const second = draft.change(1001);
  draft.acknowledge(first);
  assert.equal(draft.status(1100, true), "saving");
  draft.acknowledge(second);
  assert.equal(draft.status(1200, true), "saved");
});

test("sequences rise even where the clock stands still or goes back", () => {
  const draft = new Draft({ sequence: 5000 });
  assert.deepEqual([draft.change(100), draft.change(100), draft.change(9000)], [5001, 5002, 9000]);
});

test("one message is under way at a time, and the newest follows its answer", () => {
  const draft = new Draft({ sequence: 0 });
  const first = draft.change(1000);
  assert.equal(draft.sendDelay(1000), 0);
  assert.equal(draft.send(1000), 1);
  draft.change(1010);
  assert.ok(draft.sendDelay(1010) > 0);
  draft.acknowledge(first);
  assert.equal(draft.sendDelay(1050), 0);
  assert.equal(draft.send(1050), 1);
});

test("what is not answered is sent again, ever more rarely, and at once when the connection is back", () => {
  const draft = new Draft({ sequence: 0 });
  draft.change(1000);
  draft.send(1000);
  assert.equal(draft.sendDelay(1000), 2500);
  assert.equal(draft.send(3500), 2);
  assert.equal(draft.sendDelay(3500), 5000);
  for (let attempt = 0; attempt < 9; attempt += 1) draft.send(10_000);
  assert.equal(draft.sendDelay(10_000), 15_000);
  draft.retryNow();
  assert.equal(draft.sendDelay(10_001), 0);
});

test("an echo older than the work here changes nothing; newer work from elsewhere is told", () => {
  const draft = new Draft({ sequence: 0 });
  const mine = draft.change(2000);
  assert.equal(draft.acknowledge(1500), false);
  assert.equal(draft.unsaved, true);
  assert.equal(draft.acknowledge(mine), false);
  assert.equal(draft.acknowledge(2500), true);
  assert.equal(draft.unsaved, false);
});

test("late is said after a while, offline at once", () => {
  const draft = new Draft({ sequence: 0 });
  draft.change(1000);
  assert.equal(draft.status(2000, true), "saving");
  assert.equal(draft.status(6000, true), "late");
  assert.equal(draft.status(1001, false), "offline");
});

test("work from this browser goes on where the server has not got it", () => {
  const mine = { sequence: 7, boxes: ["mine"], seconds: 3, saved: false };
  assert.deepEqual(initialWork(mine, { sequence: 5, boxes: ["server's"] }), { boxes: ["mine"], sequence: 7, seconds: 3, unsent: true, earlier: null });
});

test("newer work of the server is shown, and unsent work from here can be undone to", () => {
  const mine = { sequence: 7, boxes: ["mine"], saved: false };
  const begun = initialWork(mine, { sequence: 9, boxes: ["server's"] });
  assert.deepEqual([begun.boxes, begun.sequence, begun.unsent, begun.earlier], [["server's"], 9, false, ["mine"]]);
  assert.equal(initialWork({ ...mine, saved: true }, { sequence: 9, boxes: [] }).earlier, null);
});

test("the draft storage gives back what it was given, and nothing for what it cannot read", () => {
  const storage = storageOf();
  const stored = new DraftStorage(storage);
  stored.write("me/1", { sequence: 3, boxes: [1], saved: false, at: 0 });
  assert.deepEqual(stored.read("me/1"), { sequence: 3, boxes: [1], saved: false, at: 0 });
  storage.setItem("lapel:me/2", "{broken");
  assert.equal(stored.read("me/2"), null);
  stored.remove("me/1");
  assert.equal(stored.read("me/1"), null);
});

test("a full browser gives up saved work first, and says so when it keeps nothing", () => {
  const stored = new DraftStorage(storageOf(260));
  const work = (saved) => ({ sequence: 1, boxes: ["x".repeat(40)], saved, at: 1 });
  stored.write("unsent", work(false));
  stored.write("done", work(true));
  assert.equal(stored.write("new", work(false)), true);
  assert.equal(stored.read("done"), null);
  assert.ok(stored.read("unsent"));
  assert.equal(stored.write("huge", { ...work(false), boxes: ["x".repeat(400)] }), false);
});

test("old work and other people's entries: the first goes, the second stays", () => {
  const storage = storageOf();
  const stored = new DraftStorage(storage);
  storage.setItem("somebody else's", "kept");
  stored.write("old", { sequence: 1, boxes: [], saved: false, at: 0 });
  stored.write("new", { sequence: 1, boxes: [], saved: true, at: 20 * 864e5 });
  stored.prune(20 * 864e5);
  assert.equal(stored.read("old"), null);
  assert.ok(stored.read("new"));
  assert.equal(storage.getItem("somebody else's"), "kept");
});
