// The editor's code comes by its address, once, and what goes wrong is said where the editor would be.

import assert from "node:assert/strict";
import { test } from "node:test";

import show from "../../../app/editor/loader.js";

globalThis.window = { location: { origin: "http://127.0.0.1" } };
globalThis.log = [];
const CODE = `data:text/javascript,${encodeURIComponent(`
  globalThis.log.push("loaded");
  export default ({ data }) => { globalThis.log.push(data.name); return () => globalThis.log.push("closed"); };
`)}`;

const component = (code, name) => {
  const root = { textContent: "" };
  return { root, data: { code, name }, parentElement: { querySelector: () => root } };
};
const soon = () => new Promise((done) => setTimeout(done, 50));

test("what cannot be loaded is said, and tried again at the next message; it is loaded once", async () => {
  const failed = component("data:text/javascript,nonsense(", "first");
  show(failed);
  await soon();
  assert.match(failed.root.textContent, /could not be loaded/);
  show(component(CODE, "second"));
  await soon();
  const close = show(component(CODE, "third"));
  await soon();
  close();
  assert.deepEqual(log, ["loaded", "second", "third", "closed"]);
});

test("an editor that is gone before its code has come is not shown", async () => {
  log.length = 0;
  show(component(CODE, "never"))();
  await soon();
  assert.deepEqual(log, []);
});
