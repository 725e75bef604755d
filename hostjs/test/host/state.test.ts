import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Contents } from "../../src/host/contents.js";
import { journalPath, readJournal, writeJournal, type Journal } from "../../src/host/journal.js";
import { Stage } from "../../src/host/stage.js";
import { State } from "../../src/host/state.js";
import { Pair, read } from "./pair.js";
import { put, sha256, tempDir } from "./world.js";

const stateOf = (p: Pair) => new State(p.options.stateDir, p.local, p.options.identity, p.options.adapter);

test("a damaged base is refused and stays, a newer one is never downgraded", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  const state = stateOf(p);
  const good = fs.readFileSync(state.file("base"));
  fs.writeFileSync(state.file("base"), good.subarray(0, good.length - 1));
  const { error } = await p.run("pull");
  assert.equal(error?.code, "corrupt");
  assert.match(error.hint ?? "", /move the file away/);
  assert.equal(fs.statSync(state.file("base")).size, good.length - 1);
  const body = good.subarray(good.indexOf("\n") + 1);
  body[body.indexOf("syncsnap") + 8]! ^= 1;
  state.saveBase(body);
  const below = await p.run("pull");
  assert.deepEqual([below.error?.code, below.error?.hint], ["corrupt", error.hint], "sealed with another checksum in it");
  state.saveBase(Buffer.from(`{"format_version":99,"marker":"${"0".repeat(32)}"}`));
  const newer = (await p.run("push")).error;
  assert.deepEqual([newer?.code, newer?.path], ["newer_version", state.file("base")]);
  assert.match(newer?.hint ?? "", /at least as new/);
  assert.match(fs.readFileSync(state.file("base"), "utf8"), /"format_version":99/);
});

test("a state folder that can not be made is a clear error", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  put(p.top, "file", "");
  p.options.stateDir = path.join(p.top, "file");
  const { error } = await p.run("push");
  assert.equal(error?.code, "io_failed");
  assert.match(error.message, /the state folder can't be made/);
  assert.equal(error.hint, "name another state folder");
});

test("a state folder that would travel with the workspace is refused", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  fs.symlinkSync(p.local, path.join(p.top, "alias"));
  for (const folder of [path.join(p.local, "inner", "state"), path.join(p.top, "alias", "state")]) {
    p.options.stateDir = folder;
    const { error } = await p.run("push");
    assert.deepEqual([error?.code, error?.path, error?.hint], ["unsafe_root", folder, "name a state folder outside of it"]);
  }
  assert.deepEqual(fs.readdirSync(p.local), ["a"]);
});

test("a state folder that the sandbox could change is refused", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  p.options.stateDir = path.join(p.sandbox, "state");
  const { error } = await p.run("push");
  assert.deepEqual([error?.code, error?.path, error?.hint], ["unsafe_root", p.options.stateDir, "name a state folder outside of it"]);
  assert.deepEqual(fs.readdirSync(p.sandbox), []);
});

test("a state folder of somebody else is refused", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  const folder = path.join(p.options.stateDir, fs.readdirSync(p.options.stateDir)[0]!);
  const refused = async () => {
    const { error } = await p.run("push");
    assert.deepEqual([error?.code, error?.path, error?.hint], ["unsafe_root", folder, "name another state folder, or make this one yours alone (chown, chmod 700) if you know what is in it"]);
  };
  fs.chmodSync(folder, 0o777);
  await refused();
  fs.chmodSync(folder, 0o700);
  await p.push();
  fs.renameSync(folder, folder + ".there");
  fs.symlinkSync(folder + ".there", folder);
  await refused();
  if (process.geteuid!() !== 0) return; // others can't give a folder away
  fs.unlinkSync(folder);
  fs.renameSync(folder + ".there", folder);
  fs.chownSync(folder, 1, 1);
  await refused();
});

test("contents are kept, checked, and compacted", (t) => {
  const file = path.join(tempDir(t), "contents");
  const text = (i: number) => Buffer.from(`text ${i} `.repeat(4000));
  const store = new Contents(file);
  for (let i = 0; i < 100; i++) store.add(sha256(text(i)), text(i));
  store.add(sha256("bin\0ary"), Buffer.from("bin\0ary"));
  store.close(undefined);
  const again = new Contents(file);
  assert.deepEqual(again.get(sha256(text(7))), text(7));
  assert.equal(again.get(sha256("bin\0ary")), undefined, "no text merge asks for it");
  const size = fs.statSync(file).size;
  const digests = [text(7), text(8)].map((data) => Buffer.from(sha256(data), "hex"));
  again.close(Buffer.concat([Buffer.alloc(24), ...digests, Buffer.alloc(8)]));
  assert.ok(fs.statSync(file).size * 10 < size, "what base does not speak of is dropped");
  assert.deepEqual(new Contents(file).get(sha256(text(8))), text(8));
  const bytes = fs.readFileSync(file);
  bytes[60]! ^= 1;
  fs.writeFileSync(file, bytes.subarray(0, bytes.length - 1));
  const damaged = new Contents(file);
  assert.deepEqual([damaged.get(sha256(text(7))), damaged.get(sha256(text(8)))], [undefined, undefined]);
  damaged.add(sha256("new"), Buffer.from("new"));
  damaged.close(undefined);
  assert.deepEqual(new Contents(file).get(sha256("new")), Buffer.from("new"), "a damaged tail is cut off");
});

test("R4: a damaged length ends what is known of a store", (t) => {
  for (const length of [-1n, -40n, -80n, 1n << 32n, (256n << 10n) + 1n]) {
    const file = path.join(tempDir(t), "contents");
    const store = new Contents(file);
    store.add(sha256("one"), Buffer.from("one"));
    store.close(undefined);
    const head = Buffer.alloc(40);
    head.write(sha256("two"), "hex");
    head.writeBigInt64LE(length, 32);
    fs.writeFileSync(file, Buffer.concat([fs.readFileSync(file), head, Buffer.alloc(512 << 10)]));
    const damaged = new Contents(file);
    assert.deepEqual(damaged.get(sha256("one")), Buffer.from("one"));
    assert.equal(damaged.has(sha256("two")), false, String(length));
  }
});

test("what base speaks of survives the compaction of contents", async (t) => {
  const p = new Pair(t);
  const text = (i: number, round: number) => `first\n${`file ${i} of round ${round}\n`.repeat(6000)}last\n`;
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < 10; i++) p.here(`f${i}`, text(i, round));
    await p.push();
  }
  const { size } = fs.statSync(stateOf(p).file("contents"));
  assert.ok(size < 2.2 * 10 * text(0, 1).length, `${size} bytes are kept`);
  p.here("f3", text(3, 3).replace("first", "FIRST"));
  p.there("f3", text(3, 3).replace("last", "LAST"));
  assert.equal((await p.pull()).status, "ok");
  assert.equal(read(p.local, "f3"), text(3, 3).replace("first", "FIRST").replace("last", "LAST"));
});

test("a stage keeps bodies under their digests, and trusts none that is not whole", (t) => {
  const dir = tempDir(t);
  const stage = new Stage(dir);
  const large = Buffer.alloc(600_000, "l");
  const seen: [string, boolean][] = [];
  const put = (data: Buffer, known = false) => {
    const sink = stage.put(data.length, () => known, (digest, staged) => seen.push([digest, staged]));
    for (let at = 0; at < data.length; at += 100_000) sink.write(data.subarray(at, at + 100_000));
    return sink;
  };
  put(Buffer.from("small")).end();
  put(large).end();
  put(large).end();
  put(Buffer.from("known"), true).end();
  put(Buffer.alloc(700_000, "x")).abort();
  assert.deepEqual(seen, [[sha256("small"), true], [sha256(large), true], [sha256(large), false], [sha256("known"), false]]);
  assert.deepEqual(fs.readdirSync(dir).sort(), [sha256("small"), sha256(large)].sort());
  fs.writeFileSync(path.join(dir, sha256(large)), "cut off");
  fs.writeFileSync(path.join(dir, "new-1"), "left by a run that died");
  const next = new Stage(dir);
  assert.deepEqual(next.digests(), [sha256("small")]);
  assert.deepEqual(fs.readdirSync(dir), [sha256("small")]);
});

test("a journal that is not whole, or not ours, is damaged", (t) => {
  const dir = tempDir(t);
  const entry = { kind: "file" as const, size: 1, digest: sha256("x"), target: "" };
  const journal: Journal = { run: "run00001", volumes: ["", "data"], records: [{ index: 0, path: "a", old: entry, new: null, displace: false }] };
  const valid = (p: string) => !p.startsWith("/") && !p.includes("..");
  const reads = () => readJournal(dir, valid);
  assert.equal(reads(), undefined);
  writeJournal(dir, journal);
  assert.deepEqual(reads(), journal);
  const data = fs.readFileSync(journalPath(dir));
  for (let i = 0; i < data.length; i += 5) {
    const bad = Buffer.from(data);
    bad[i]! ^= 1;
    fs.writeFileSync(journalPath(dir), bad);
    assert.throws(reads, { code: "corrupt" }, `damaged at ${i}`);
  }
  for (const bad of [{ ...journal, run: "../x" }, { run: "r", records: [{ ...journal.records[0]!, path: "/etc" }] }, { ...journal, volumes: ["../x"] }, { run: "r", records: [{ path: "a" }] }, []]) {
    writeJournal(dir, bad as Journal);
    assert.throws(reads, { code: "corrupt" }, JSON.stringify(bad));
  }
});

for (const warm of [false, true]) {
  test(`a push that was cut off sends nothing twice, in a ${warm ? "known" : "new"} sandbox`, async (t) => {
    const p = new Pair(t);
    p.here("base", "1");
    if (warm) await p.push();
    const large = Buffer.alloc(300_000, "l");
    p.here("large", large);
    const { client } = p;
    p.hook("run", warm ? 2 : 1, () => {
      throw new Error("the link is down");
    });
    assert.equal((await p.run("push")).error?.code, "client_failed");
    p.client = client;
    const r = await p.push();
    assert.ok(r.uploadedBytes < large.length / 2, `${r.uploadedBytes} bytes were sent again`);
    assert.equal(read(p.sandbox, "large"), large.toString());
    assert.ok(!fs.existsSync(stateOf(p).file("sending")));
  });
}

test("a push that is refused because the sandbox changed meanwhile sends nothing twice", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  const large = Buffer.alloc(300_000, "l");
  p.here("large", large);
  p.here("a", "2");
  p.hook("writeFile", 1, () => p.there("a", "3"));
  const r = await p.push();
  assert.ok(r.uploadedBytes < large.length * 1.5, `${r.uploadedBytes} bytes were sent`);
  assert.equal(read(p.sandbox, "large"), large.toString());
});

test("D6: a content that did not travel, since the sandbox had it under another name, is there for a text merge", async (t) => {
  const p = new Pair(t);
  p.here("old", "will be renamed\n1\n2\n3\n4\n");
  await p.push();
  fs.rmSync(stateOf(p).file("contents")); // what base does not refer to goes sooner or later
  fs.renameSync(path.join(p.local, "old"), path.join(p.local, "new"));
  await p.push();
  p.here("new", "edited here\n1\n2\n3\n4\n");
  p.there("new", "will be renamed\n1\n2\n3\nedited there\n");
  assert.equal((await p.pull()).conflicts, undefined);
  assert.equal(read(p.local, "new"), "edited here\n1\n2\n3\nedited there\n");
});

test("what was fetched stays for the next pull alone, and no folder that holds nothing", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  for (const name of ["b", "c"]) p.there(name, name.repeat(100_000));
  const { client } = p;
  const failing = (broken: object) => (p.client = Object.assign(Object.create(client) as typeof client, broken));
  const left = () => fs.readdirSync(path.dirname(stateOf(p).file("x"))).filter((name) => !["base", "contents", "scan"].includes(name));
  failing({ run: () => Promise.reject(new Error("no such sandbox")) });
  assert.equal((await p.run("pull")).error?.code, "client_failed");
  assert.deepEqual(left(), []);
  failing({ readFile: async (name: string) => ((await client.readFile(name)) as Buffer).subarray(0, 150_000) });
  assert.equal((await p.run("status")).error?.code, "corrupt");
  assert.deepEqual(left(), []);
  assert.equal((await p.run("pull")).error?.code, "corrupt");
  assert.deepEqual(left(), ["bodies"]);
  p.client = client;
  await p.pull();
  assert.deepEqual(left(), []);
});
