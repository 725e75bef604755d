// The promises about data, DESIGN section 6. D11, D12 and D14 are tested with apply,
// where a run can be stopped at each point.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { conflictsOf, listing, Pair, read, remove, runtimeDir } from "./pair.js";

const exists = (root: string, name: string) => fs.existsSync(path.join(root, name));

test("D1: excluded means the same everywhere", async (t) => {
  const p = new Pair(t);
  p.plan.exclude = ["build", "*.log", "top/only"];
  for (const name of ["a.txt", "build/x", "d/build/y", "d/z.log", "top/only", "d/top/only"]) p.here(name, "here\n");
  p.there("e/build/theirs", "there\n");
  p.there("e/theirs.log", "there\n");
  const before = listing(p.local);
  await p.push();
  assert.deepEqual(listing(p.sandbox), {
    "a.txt": "644 here\n", d: "dir", "d/top": "dir", "d/top/only": "644 here\n", top: "dir",
    e: "dir", "e/build": "dir", "e/build/theirs": "644 there\n", "e/theirs.log": "644 there\n",
  });
  const r = await p.pull();
  assert.equal(r.deletes, undefined, JSON.stringify(r.lines));
  const after = listing(p.local);
  delete after["e"]; // a directory that the sandbox really has
  assert.deepEqual(after, before);
});

test("D2: AppleDouble files stay where they are", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  p.here("d/._a", "resource fork");
  await p.push();
  assert.ok(!exists(p.sandbox, "d/._a"));
  remove(p.sandbox, "d");
  await p.pull();
  assert.equal(read(p.local, "d/._a"), "resource fork");
});

test("D3: umask, owner and times are no edits", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  p.here("d/b", "2");
  await p.push();
  execFileSync("sh", ["-c", "chmod 600 a && chmod 700 d && touch -t 200001010000 a d/b"], { cwd: p.sandbox });
  const r = await p.pull();
  assert.equal(r.lines, undefined);
  assert.equal(r.status, "ok");
  assert.equal((await p.push()).lines, undefined);
});

const harms = {
  recycled: [(p: Pair) => (fs.rmSync(p.sandbox, { recursive: true }), fs.mkdirSync(p.sandbox)), "sandbox_replaced"],
  "another marker": [(p: Pair) => p.there(runtimeDir + "/planner/marker", "f".repeat(32) + "\n"), "sandbox_replaced"],
  emptied: [(p: Pair) => Array.from({ length: 30 }, (_, i) => remove(p.sandbox, `f${i}`)), "sandbox_emptied"],
  "mostly gone": [(p: Pair) => Array.from({ length: 25 }, (_, i) => remove(p.sandbox, `f${i}`)), "mass_delete"],
} as const;

for (const [name, [harm, guard]] of Object.entries(harms)) {
  test(`D4: a sandbox that was ${name} empties nothing`, async (t) => {
    const p = new Pair(t);
    for (let i = 0; i < 30; i++) p.here(`f${i}`, "x");
    await p.push();
    const before = listing(p.local);
    harm(p);
    const r = await p.pull();
    assert.equal(r.status, "refused");
    assert.equal(r.guard, guard);
    assert.ok(r.hint);
    assert.deepEqual(listing(p.local), before);
    p.plan.allow = [guard];
    assert.notEqual((await p.pull()).status, "refused");
  });
}

test("D4: a sandbox that was set back to an earlier state deletes nothing", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  const kept = path.join(p.top, "kept");
  fs.cpSync(p.sandbox, kept, { recursive: true, preserveTimestamps: true });
  p.here("new", "1");
  await p.push();
  fs.rmSync(p.sandbox, { recursive: true });
  fs.renameSync(kept, p.sandbox);
  const r = await p.pull();
  assert.deepEqual([r.status, r.guard, read(p.local, "new")], ["refused", "sandbox_replaced", "1"]);
  await p.push();
  assert.equal((await p.pull()).status, "ok");
  assert.deepEqual(listing(p.local), { a: "644 1", new: "644 1" });
});

test("a preview changes nothing", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  p.there("b", "2");
  for (let n = 0; n < 2; n++) {
    const { push, report, error } = await p.run("status");
    assert.equal(error, undefined);
    assert.deepEqual([push, report].map((r) => r?.lines?.map(({ path }) => path)), [["a"], ["b"]]);
    assert.ok(!exists(p.sandbox, runtimeDir + "/planner/marker"));
  }
  assert.deepEqual(listing(p.local), { a: "644 1" });
  assert.deepEqual(listing(p.sandbox), { b: "644 2" });
  assert.deepEqual(Object.keys(listing(p.options.stateDir)).filter((name) => /preview|bodies/.test(name)), []);
});

/** The length of what a compressed download begins with: a time and such, of which nothing depends on. */
const zipHeader = 10;

test("D5: a damaged download writes nothing", async (t) => {
  const p = new Pair(t);
  for (let i = 0; i < 20; i++) p.here(`d/f${i}`, "content\n".repeat(i));
  await p.push();
  for (let i = 0; i < 10; i++) {
    remove(p.sandbox, `d/f${i}`);
    p.there(`n${i}`, "new\n");
  }
  const before = listing(p.local);
  const plain = p.client;
  let seed = 1;
  const random = (n: number) => (seed = (seed * 48271) % 2147483647) % n;
  for (let i = 0; i < 40; i++) {
    p.client = {
      ...methodsOf(plain),
      readFile: async (name) => {
        const data = Buffer.from((await plain.readFile(name)) as Buffer);
        if (i % 2 === 0) return data.subarray(0, random(data.length));
        data[zipHeader + random(data.length - zipHeader)]! ^= 1 << random(8);
        return data;
      },
    };
    const { report, error } = await p.run("pull");
    assert.equal(error?.code, "corrupt", `round ${i}: ${error?.message} ${JSON.stringify(report)}`);
    assert.deepEqual(listing(p.local), before);
  }
  p.client = plain;
  assert.equal((await p.pull()).lines?.length, 20);
});

/** The methods of a client as plain functions, to replace some of them. */
function methodsOf(client: Pair["client"]): Pair["client"] {
  return {
    makeDir: (a) => client.makeDir(a),
    writeFile: (a, b) => client.writeFile(a, b),
    readFile: (a) => client.readFile(a),
    remove: (a) => client.remove(a),
    run: (a, b) => client.run(a, b),
  };
}

test("D6: edits of both sides are kept and reported", async (t) => {
  const p = new Pair(t);
  p.here("f.bin", "base\0");
  p.here("gone", "base\0");
  p.here("text", "one\ntwo\nthree\n");
  await p.push();
  p.here("f.bin", "here\0");
  p.there("f.bin", "there\0");
  p.here("new", "here");
  p.there("new", "there");
  p.here("gone", "edited");
  remove(p.sandbox, "gone");
  p.here("text", "ONE\ntwo\nthree\n");
  p.there("text", "one\ntwo\nTHREE\n");
  const r = await p.pull();
  assert.equal(r.status, "conflicts");
  assert.deepEqual(conflictsOf(r), ["f.bin content", "gone deleted_in_sandbox", "new both_added"]);
  assert.equal(read(p.local, "f.bin"), "here\0");
  assert.equal(read(p.local, r.conflicts![0]!.copy!), "there\0");
  assert.equal(read(p.local, "gone"), "edited");
  assert.equal(read(p.local, "new"), "here");
  assert.equal(read(p.local, r.conflicts![2]!.copy!), "there");
  assert.equal(read(p.local, "text"), "ONE\ntwo\nTHREE\n", "a text is merged");
});

test("D6: the policy remote keeps the displaced version", async (t) => {
  const p = new Pair(t);
  p.here("f", "base\0");
  p.here("d/x", "x");
  await p.push();
  p.here("f", "here\0");
  p.there("f", "there\0");
  p.here("d/new", "mine");
  remove(p.sandbox, "d");
  p.there("d", "a file now");
  p.plan.policy = "remote";
  const r = await p.pull();
  assert.equal(r.status, "conflicts");
  assert.equal(read(p.local, "f"), "there\0");
  assert.equal(read(p.local, r.displaced + "/f"), "here\0");
  assert.equal(read(p.local, "d"), "a file now");
  assert.equal(read(p.local, r.displaced + "/d/new"), "mine");
});

test("D7: a file in place of a directory destroys nothing below", async (t) => {
  const p = new Pair(t);
  p.here("d/x", "base");
  await p.push();
  p.here("d/new", "mine");
  remove(p.sandbox, "d");
  p.there("d", "a file now");
  const r = await p.pull();
  assert.deepEqual(conflictsOf(r), ["d kind"]);
  assert.equal(read(p.local, "d/new"), "mine");
  assert.equal(read(p.local, "d/x"), "base");
  assert.equal(read(p.local, r.conflicts![0]!.copy!), "a file now");
});

test("D8: a second pull does nothing", async (t) => {
  const p = new Pair(t);
  p.here("a", "base\0");
  p.here("b", "base");
  p.here("c", "base");
  await p.push();
  p.here("a", "here\0");
  p.there("a", "there\0");
  p.there("b", "edited");
  remove(p.sandbox, "c");
  assert.equal((await p.pull()).status, "conflicts");
  p.here("b", "edited here afterwards");
  const before = listing(p.local);
  const r = await p.pull();
  assert.equal(r.status, "ok", JSON.stringify(r));
  assert.equal(r.lines, undefined);
  assert.deepEqual(listing(p.local), before);
});

for (const when of ["makeDir", "writeFile"] as const) {
  test(`D9: a file saved before ${when} of an upload is not reverted`, async (t) => {
    const p = new Pair(t);
    p.here("a", "scanned");
    p.here("z", "z");
    p.hook(when, 1, () => p.here("a", "saved meanwhile"));
    await p.push();
    // Base must hold what was sent: else the next save looks like an edit against the sandbox's.
    p.here("a", "saved again");
    const r = await p.pull();
    assert.equal(r.lines, undefined);
    assert.equal(r.status, "ok", JSON.stringify(r.conflicts));
    assert.equal(read(p.local, "a"), "saved again");
    await p.push();
    assert.equal(read(p.sandbox, "a"), "saved again");
  });
}

test("D10: excluded folders of a warm sandbox survive", async (t) => {
  const p = new Pair(t);
  p.plan.exclude = ["node_modules"];
  p.here("app/index.js", "1");
  p.here("z", "1");
  await p.push();
  p.there("app/node_modules/dep/index.js", "installed");
  p.there("node_modules/dep/index.js", "installed");
  remove(p.local, "app");
  p.here("z", "2");
  await p.push();
  assert.ok(!exists(p.sandbox, "app/index.js"));
  assert.equal(read(p.sandbox, "app/node_modules/dep/index.js"), "installed");
  assert.equal(read(p.sandbox, "node_modules/dep/index.js"), "installed");
  assert.equal(read(p.sandbox, "z"), "2");
});

for (const [call, n, edited] of [
  ["writeFile", 1, false], ["run", 1, false], ["run", 2, false], ["run", 2, true], ["readFile", 2, true], ["makeDir", 1, true], ["writeFile", 1, true], ["run", 3, true],
] as const) {
  test(`D13: a push that fails at ${call} ${n} changes nothing there`, async (t) => {
    const p = new Pair(t);
    const boom = new Error("the link is down");
    p.here("a", "1");
    p.here("d/b", "1");
    await p.push();
    p.here("a", "2");
    remove(p.local, "d");
    if (edited) p.there("there", "1"); // so that the push looks and plans again
    const before = listing(p.sandbox);
    const plain = p.client;
    p.hook(call, n, () => {
      throw boom;
    });
    const { error } = await p.run("push");
    assert.equal(error?.code, "client_failed");
    assert.equal(error?.cause, boom);
    assert.deepEqual(listing(p.sandbox), before);
    p.client = plain;
    await p.push();
    await p.pull();
    assert.deepEqual(listing(p.local), listing(p.sandbox));
  });
}

test("a classic push that dies half way makes nothing look deleted", async (t) => {
  const p = new Pair(t);
  Object.assign(p.options, { dialect: "classic" });
  for (let i = 0; i < 30; i++) p.here(`f${i}`, "1");
  await p.push();
  const plain = p.client;
  p.client = new Proxy(plain, {
    get: (target, name: keyof typeof plain) => (name === "run" ? dies : target[name].bind(target)),
  });
  const dies = async () => {
    for (let i = 20; i < 30; i++) remove(p.sandbox, `f${i}`); // what its tar had not unpacked yet
    throw new Error("killed");
  };
  const calls = p.calls();
  assert.equal((await p.run("push")).error?.code, "client_failed");
  assert.deepEqual(calls, ["makeDir", "writeFile", "run"], "as in the module before, which asks for no reason");
  p.client = plain;
  await p.pull();
  assert.equal(Object.keys(listing(p.local)).length, 30);
});

for (const before of [false, true]) {
  test(`D13: a change in the sandbox between survey and apply is seen${before ? ", after another one" : ""}`, async (t) => {
    const p = new Pair(t);
    p.here("a", "1");
    p.here("z", "1");
    await p.push();
    p.here("a", "2");
    if (before) p.there("z", "2"); // so that the first try surveys, too
    p.hook("writeFile", 1, () => p.there("a", "3"));
    let r = await p.push(); // plans again, and sets the new version aside
    assert.deepEqual(conflictsOf(r), ["a content"]);
    assert.equal(read(p.sandbox, "a"), "2");
    r = await p.pull();
    assert.deepEqual(conflictsOf(r), ["a set_aside"]);
    assert.equal(read(p.local, r.conflicts![0]!.copy!), "3");
    assert.equal(read(p.local, "z"), before ? "2" : "1");
  });
}

test("D13: a push into a sandbox that changes each time is refused, and the next one completes", async (t) => {
  const p = new Pair(t);
  p.here("f", "1");
  await p.push();
  const plain = p.client;
  p.here("f", "2");
  for (let n = 1; n <= 10; n++) p.hook("writeFile", n, () => p.there("f", `agent ${n}`));
  const { report, error } = await p.run("push");
  assert.equal(error?.code, "stale_plan");
  assert.equal(report?.status, "refused");
  p.client = plain;
  await p.push();
  await p.pull();
  const kept = Object.values(listing(p.local));
  assert.ok(kept.includes("644 2") && kept.some((is) => is.startsWith("644 agent")), String(kept));
});

test("a pull that was cut off fetches nothing twice", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  p.there("large", randomBytes(1 << 20));
  const abort = new AbortController();
  const { error } = await p.run("pull", { signal: abort.signal, onProgress: ({ stage }) => stage === "applying" && abort.abort() });
  assert.equal(error?.code, "cancelled");
  assert.deepEqual(listing(p.local), { a: "644 1" });
  const r = await p.pull();
  assert.ok(r.downloadedBytes < 100_000, String(r.downloadedBytes));
  assert.deepEqual(listing(p.local), listing(p.sandbox));
});

test("what a pull that was cut off had fetched counts beside what the next one fetches", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  p.there("large", randomBytes(1 << 20));
  const abort = new AbortController();
  await p.run("pull", { signal: abort.signal, onProgress: ({ stage }) => stage === "applying" && abort.abort() });
  p.there("index", "theirs");
  p.here("a", "edited here");
  await p.push(); // hashes what it finds there, and brings nothing home
  const r = await p.pull();
  assert.deepEqual([r.status, read(p.local, "index")], ["ok", "theirs"]);
  assert.deepEqual(listing(p.local), listing(p.sandbox));
  assert.ok(r.downloadedBytes < 1 << 20, `${r.downloadedBytes} bytes were fetched`);
});

test("a push that plans again after it kept contents leaves no file open", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  for (let i = 0; i < 3; i++) p.here(`text ${i}`, `${i}`.repeat(200_000));
  p.here("a", "2");
  p.hook("writeFile", 1, () => p.there("a", "3"));
  const r = await p.push(); // and see tempDir
  assert.deepEqual(conflictsOf(r), ["a content"]);
  assert.equal(read(p.sandbox, "text 2"), "2".repeat(200_000));
});

test("D13: a living apply is not disturbed, and a dead one is", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  p.here("a", "2");
  p.there(runtimeDir + "/planner/lock/pid", String(process.pid));
  assert.equal((await p.run("push")).error?.code, "busy");
  assert.equal(read(p.sandbox, "a"), "1");
  p.there(runtimeDir + "/planner/lock/pid", "999999999");
  await p.push();
  assert.equal(read(p.sandbox, "a"), "2");
  assert.ok(!exists(p.sandbox, runtimeDir + "/planner/lock"));
});

test("D15: a push keeps sandbox work that was not pulled", async (t) => {
  const p = new Pair(t);
  for (const name of ["both", "theirs", "gone-here", "gone-there"]) p.here(name, "base\0");
  await p.push();
  for (const name of ["both", "theirs", "gone-here", "new"]) p.there(name, "agent\0");
  remove(p.sandbox, "gone-there");
  p.here("both", "person\0");
  remove(p.local, "gone-here");
  let r = await p.push();
  assert.ok(conflictsOf(r).length > 0);
  assert.equal(read(p.sandbox, "both"), "person\0");
  r = await p.pull();
  for (const name of ["theirs", "gone-here", "new"]) assert.equal(read(p.local, name), "agent\0");
  assert.ok(!exists(p.local, "gone-there"));
  assert.equal(read(p.local, "both"), "person\0");
  const conflict = r.conflicts!.find((c) => c.path === "both")!;
  assert.equal(read(p.local, conflict.copy!), "agent\0");
  assert.equal((await p.pull()).conflicts, undefined, "a version set aside is delivered once");
  await p.push();
  assert.deepEqual(listing(p.local), listing(p.sandbox));
});

for (const [name, save] of [
  ["in place", (p: Pair) => p.here("a", "saved meanwhile")],
  ["by rename", (p: Pair) => (p.here(".a.swp", "saved meanwhile"), fs.renameSync(path.join(p.local, ".a.swp"), path.join(p.local, "a")))],
] as const) {
  test(`D16: an edit ${name} between scan and write is not reverted`, async (t) => {
    const p = new Pair(t);
    for (const file of ["a", "b", "c"]) p.here(file, "base");
    await p.push();
    p.there("a", "agent");
    remove(p.sandbox, "b");
    p.there("n", "agent");
    p.hook("readFile", 1, () => {
      // After the scan, before the plan.
      save(p);
      p.here("b", "saved meanwhile");
      p.here("n", "saved meanwhile");
    });
    const r = await p.pull();
    assert.equal(r.status, "conflicts");
    assert.deepEqual(conflictsOf(r), ["a edited_meanwhile", "b edited_meanwhile", "n edited_meanwhile"]);
    for (const file of ["a", "b", "n"]) assert.equal(read(p.local, file), "saved meanwhile");
    assert.equal(read(p.local, r.conflicts![0]!.copy!), "agent");
    assert.equal(read(p.local, r.conflicts![2]!.copy!), "agent");
  });
}
