import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";

import { Pair, read, remove } from "./pair.js";

test("a round trip", async (t) => {
  const p = new Pair(t);
  p.here("a.txt", "one\n");
  p.here("d/b.txt", "two\n");
  let r = await p.push();
  assert.deepEqual([r.status, r.clientCalls], ["ok", 3], JSON.stringify(r));
  assert.equal(read(p.sandbox, "d/b.txt"), "two\n");
  p.there("a.txt", "changed\n");
  p.there("new/x", "new\n");
  remove(p.sandbox, "d/b.txt");
  p.here("mine", "mine\n");
  r = await p.pull();
  assert.deepEqual([r.status, r.clientCalls], ["ok", 3], JSON.stringify(r));
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

test("a first push remembers what was settled when it was read", async (t) => {
  const p = new Pair(t);
  p.options.part = 64 << 10;
  const names = Array.from({ length: 500 }, (_, i) => `f${1000 + i}`); // more than two parts hold
  for (const name of names) p.here(name, "");
  for (const name of ["g", "h"]) p.here(name, "x".repeat(1 << 20));
  const soon = new Date(Date.now() + 3_600_000);
  for (const young of [names.at(-2)!, "g"]) fs.utimesSync(path.join(p.local, young), soon, soon);
  const { client } = p;
  let sent = 0;
  p.client = Object.assign(Object.create(client) as typeof client, {
    async writeFile(...args: Parameters<typeof client.writeFile>) {
      if (sent++ === 0) await setTimeout(50);
      return client.writeFile(...args);
    },
  });
  await p.push();
  const [state] = fs.readdirSync(p.options.stateDir!);
  const stored = fs.readFileSync(path.join(p.options.stateDir!, state!, "scan"), "latin1");
  for (const [name, want] of [[names.at(-1)!, true], ["\x01\0h", true], [names.at(-2)!, false], ["\x01\0g", false]] as const) {
    assert.equal(stored.includes(name), want, `${JSON.stringify(name)}, old enough when it was read: ${want}`);
  }
});

test("a first push remembers nothing of a repository's state, which each scan reads", async (t) => {
  const p = new Pair(t);
  p.here(".git/HEAD", "ref: refs/heads/main\n");
  p.here("a", "1");
  await setTimeout(50); // for the times to be old enough
  await p.push();
  const [state] = fs.readdirSync(p.options.stateDir);
  const cache = path.join(p.options.stateDir, state!, "scan");
  const { ino } = fs.statSync(cache);
  await p.push();
  assert.equal(fs.statSync(cache).ino, ino, "what each scan finds new is written each time");
});

test("a directory that nobody may write to here can be filled in the sandbox, by later pushes too", async (t) => {
  const p = new Pair(t);
  p.here("d/a", "1");
  fs.chmodSync(path.join(p.local, "d"), 0o555);
  await p.push();
  const again = await p.push();
  fs.chmodSync(path.join(p.local, "d"), 0o755);
  assert.equal(fs.statSync(path.join(p.sandbox, "d")).mode & 0o777, 0o755);
  assert.equal(again.lines, undefined);
});
