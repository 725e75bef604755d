// One workspace is synced by either host with the state of the other.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { ScanCache } from "../../src/host/cache.js";
import { journalPath } from "../../src/host/journal.js";
import { State } from "../../src/host/state.js";
import { goHost } from "./goHost.js";
import { listing, Pair, read, remove } from "./pair.js";
import { everything, World } from "./world.js";

type Op = "push" | "pull";
type Host = (p: Pair, op: Op) => Promise<{ status?: unknown; calls: unknown }>;
const hosts: Record<string, Host> = {
  Go: async (p, op) => {
    const { status, client_calls } = await goHost(p, op);
    return { status, calls: client_calls };
  },
  Node: async (p, op) => {
    const { status, clientCalls } = await p[op]();
    return { status, calls: clientCalls };
  },
};

for (const [name, [first, second]] of Object.entries({ "Go, then Node": ["Go", "Node"], "Node, then Go": ["Node", "Go"] } as const)) {
  test(`a workspace pushed by one host is pulled by the other: ${name}`, async (t) => {
    const [one, other] = [hosts[first]!, hosts[second]!];
    const p = new Pair(t);
    p.here("a.txt", "one\ntwo\nthree\n");
    p.here("d/b.txt", "two\n");
    p.here("d/run.sh", "#!/bin/sh\n");
    p.here("ünï 😀", "name\n");
    fs.chmodSync(path.join(p.local, "d/run.sh"), 0o755);
    fs.symlinkSync("a.txt", path.join(p.local, "link"));
    assert.equal((await one(p, "push")).status, "ok");
    const nothing = await other(p, "push");
    assert.deepEqual(nothing, { status: "ok", calls: 1 }, "the other host knows what the sandbox holds");
    p.here("a.txt", "ONE\ntwo\nthree\n");
    p.there("a.txt", "one\ntwo\nTHREE\n");
    p.there("new/x", "new\n");
    remove(p.sandbox, "d/b.txt");
    const home = await other(p, "pull");
    assert.equal(home.status, "ok");
    assert.equal(read(p.local, "a.txt"), "ONE\ntwo\nTHREE\n", "the text that the first host kept is merged");
    assert.deepEqual(Object.keys(listing(p.local)).sort(), ["a.txt", "d", "d/run.sh", "link", "new", "new/x", "ünï 😀"].map((n) => Buffer.from(n).toString("latin1")).sort());
    assert.equal((await one(p, "push")).status, "ok");
    assert.deepEqual(listing(p.local), listing(p.sandbox));
  });
}

test("pushes and pulls cost what changed: three calls, and one where nothing did", async (t) => {
  const p = new Pair(t);
  for (let i = 0; i < 50; i++) p.here(`d${i % 5}/f${i}`, `content ${i} `.repeat(1000));
  const first = await p.push();
  assert.equal(first.clientCalls, 3);
  assert.equal((await p.push()).clientCalls, 1);
  p.there("d1/f1", "edited");
  await setTimeout(50); // in the tick of the survey it would be doubtful, and the push would look again
  const pull = await p.pull();
  assert.deepEqual([pull.clientCalls, pull.downloadedFiles], [3, 1]);
  assert.ok(pull.downloadedBytes < 16 << 10, String(pull.downloadedBytes));
  p.here("d2/f2", "edited here");
  const calls = p.calls();
  const push = await p.push();
  assert.deepEqual(calls, ["run", "writeFile", "run"], "the sandbox proves itself first, which tells that its folder is there");
  assert.deepEqual([push.clientCalls, push.uploadedFiles], [3, 1]);
  assert.ok(push.uploadedBytes < 32 << 10 && push.uploadedBytes * 10 < first.uploadedBytes, String(push.uploadedBytes));
});

for (const streams of [false, true]) {
  test(`a pull of many small files brings little besides their contents, ${streams ? "with" : "without"} streams`, async (t) => {
    const p = new Pair(t);
    if (streams) p.stream();
    const files = 60;
    for (let i = 0; i < files; i++) p.here(`src/new\nline ${i}`, "before");
    await p.push();
    assert.ok((await p.pull()).downloadedBytes < 8 << 10, "nothing changed");
    for (let i = 0; i < files; i++) p.there(`src/file ${i}`, randomBytes(100));
    const { downloadedBytes, downloadedFiles } = await p.pull();
    assert.equal(downloadedFiles, files);
    assert.ok(downloadedBytes < files * (100 + 300), String(downloadedBytes));
    assert.deepEqual(listing(p.local), listing(p.sandbox));
  });
}

test("the cache of a scan by the Go host serves this one", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await setTimeout(100); // what is young enters no cache
  await goHost(p, "push");
  const state = new State(p.options.stateDir, p.local, p.options.identity, p.options.adapter);
  assert.equal(ScanCache.load(state.file("scan"), p.local).size, 1);
});

for (const [point, ...mounts] of [["moved replace"], ["after 11"], ["settled"], ["moved replace", ".paperclip-runtime"]] as const) {
  test(`a run of this host that died at "${point}"${mounts.length ? " beside a mount" : ""} is recovered by the Go host`, async (t) => {
    const p = new Pair(t);
    const w = new World(path.join(p.top, "w"));
    p.options.workspace = w.root;
    everything(w);
    const state = new State(p.options.stateDir, w.root, p.options.identity, p.options.adapter);
    const crash = fileURLToPath(new URL("./crash.js", import.meta.url));
    assert.equal(spawnSync(process.execPath, [crash, w.top, point, state.dir, ...mounts]).signal, "SIGKILL");
    assert.ok(fs.existsSync(journalPath(state.dir)));
    const summary = await goHost(Object.assign(Object.create(p) as Pair, { local: w.root }), "push");
    assert.equal(summary["status"], "ok", JSON.stringify(summary));
    assert.ok(!fs.existsSync(journalPath(state.dir)));
    w.assertClean();
    const now = w.tree();
    for (const name of ["replace", "to-link", "to-dir", "displace"]) assert.ok(now[name] !== undefined, `${name} is there again`);
  });
}
