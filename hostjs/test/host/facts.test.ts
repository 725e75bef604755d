import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { conflictsOf, Pair, read } from "./pair.js";

test("names that the workspace's file system takes for one are not written over each other", async (t) => {
  const p = new Pair(t);
  p.here("name", "1");
  await p.push();
  fs.symlinkSync("local", path.join(p.top, "LOCAL")); // the workspace is found under its name in other letters
  p.there("NAME", "2");
  const r = await p.pull();
  assert.deepEqual(conflictsOf(r), ["NAME collision"]);
  assert.deepEqual([read(p.local, "name"), read(p.local, r.conflicts![0]!.copy!)], ["1", "2"]);
});

test("what else has the workspace's name in other letters stops no sync", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  fs.symlinkSync("LOCAL", path.join(p.top, "LOCAL")); // leads nowhere
  await p.push();
  assert.equal(read(p.sandbox, "a"), "1");
});
