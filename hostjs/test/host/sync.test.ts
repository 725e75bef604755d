import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Pair, read, remove } from "./pair.js";

test("a round trip", async (t) => {
  const p = new Pair(t);
  p.here("a.txt", "one\n");
  p.here("d/b.txt", "two\n");
  let r = await p.push();
  assert.equal(r.status, "ok", JSON.stringify(r));
  assert.equal(read(p.sandbox, "d/b.txt"), "two\n");
  p.there("a.txt", "changed\n");
  p.there("new/x", "new\n");
  remove(p.sandbox, "d/b.txt");
  p.here("mine", "mine\n");
  r = await p.pull();
  assert.equal(r.status, "ok", JSON.stringify(r));
  assert.equal(read(p.local, "a.txt"), "changed\n");
  assert.equal(read(p.local, "new/x"), "new\n");
  assert.ok(!fs.existsSync(path.join(p.local, "d/b.txt")));
  assert.equal(read(p.local, "mine"), "mine\n");
  assert.ok(!fs.existsSync(path.join(p.local, ".paperclip-runtime")));
  r = await p.pull();
  assert.equal(r.lines, undefined);
});

test("a file that changes before it is fetched comes home as it is then", async (t) => {
  const p = new Pair(t);
  p.here("a", "here");
  await p.push();
  p.there("index", "first");
  p.here("a", "edited here");
  await p.push(); // hashes what it finds there, and brings nothing home
  p.hook("run", 2, () => p.there("index", "other")); // after the survey, which did not bring it
  const r = await p.pull();
  assert.equal(r.status, "ok", JSON.stringify(r));
  assert.equal(read(p.local, "index"), "other");
  assert.equal((await p.pull()).lines, undefined);
});
