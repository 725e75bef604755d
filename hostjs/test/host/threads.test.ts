import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { Worker } from "node:worker_threads";

import { sliceLength } from "../../src/host/bridge.js";
import type { ToWorker } from "../../src/host/messages.js";
import { inWorker } from "../../src/host/sync.js";
import type { SnapshotEntry } from "../../src/host/tasks.js";
import { mergeDirectoryWithBaseline } from "../../src/workspace-restore-merge.js";
import { Pair } from "./pair.js";
import { put, tempDir } from "./world.js";

const capture = (root: string) => inWorker({ task: "capture", capture: { root, exclude: [] } });

test("tasks that use one thread after another know nothing of each other", async (t) => {
  const [one, two] = [tempDir(t), tempDir(t)];
  put(one, "a", "1");
  put(two, "b", "2");
  for (const [root, name] of [[one, "a"], [two, "b"], [one, "a"]] as const) {
    const { entries, error } = await capture(root);
    assert.equal(error, undefined);
    assert.deepEqual([...entries.keys()], [name]);
  }
});

test("more tasks at once than threads that wait", async (t) => {
  const roots = Array.from({ length: 5 }, (_, i) => {
    const root = tempDir(t);
    put(root, `f${i}`, "x");
    return root;
  });
  for (let round = 0; round < 2; round++) {
    const all = await Promise.all(roots.map(capture));
    assert.deepEqual(all.flatMap(({ entries }) => [...entries.keys()]), ["f0", "f1", "f2", "f3", "f4"]);
  }
});

test("a task that failed does not touch the next one", async (t) => {
  const root = tempDir(t);
  put(root, "a", "1");
  assert.equal((await capture(root + "/missing")).error?.code, "io_failed");
  assert.equal((await capture(root)).entries.size, 1);
});

/** The threads that got a task from now on and were not ended, in the order of their first one. */
function threads(t: TestContext): () => Worker[] {
  const begun: Worker[] = [];
  const { postMessage, terminate } = Worker.prototype;
  Worker.prototype.postMessage = function (this: Worker, message: ToWorker, ...rest) {
    if (message.kind === "start" && !begun.includes(this)) begun.push(this);
    return postMessage.call(this, message, ...rest);
  };
  const ended = new Set<Worker>();
  Worker.prototype.terminate = function (this: Worker) {
    ended.add(this);
    return terminate.call(this);
  };
  t.after(() => Object.assign(Worker.prototype, { postMessage, terminate }));
  return () => begun.filter((thread) => !ended.has(thread));
}

test("two threads wait for other tasks, and one whose task failed or never began is ended", async (t) => {
  const waiting = threads(t);
  const root = tempDir(t);
  await Promise.all(Array.from({ length: 3 }, () => capture(root)));
  const two = waiting();
  assert.equal(two.length, 2);
  for (let i = 0; i < 3; i++) await capture(root);
  assert.deepEqual(waiting(), two, "the one that waits is taken");
  await capture(root + "/missing");
  assert.equal(waiting().length, 1);
  const unsent = await inWorker({ task: "capture", capture: { root, exclude: [(() => "") as unknown as string] } });
  assert.equal(unsent.error?.code, "io_failed");
  assert.equal(waiting().length, 0);
  assert.equal((await capture(root)).error, undefined);
});

test("a thread that holds much memory does not wait for another task", async (t) => {
  const waiting = threads(t);
  const dir = tempDir(t);
  const links = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => [`l${from + i}`, { kind: "symlink", target: "x".repeat(4000) }] as const);
  const merge = { exclude: [], count: 10_000, sourceDir: dir, targetDir: dir, stateDir: tempDir(t), policy: "keep-both" as const };
  const { error } = await inWorker({ task: "merge", merge }, { baseline: { slice: links } as unknown as [string, SnapshotEntry][] });
  assert.equal(error, undefined);
  assert.deepEqual(waiting(), []);
});

test("a thread that ended while it waited gets no task", async (t) => {
  const waiting = threads(t);
  const root = tempDir(t);
  await capture(root);
  await waiting()[0]!.terminate();
  assert.equal((await capture(root)).error, undefined);
});

test("a thread waits some minutes for a task, and the end of them ends none that came meanwhile", async (t) => {
  const { setTimeout, clearTimeout } = globalThis;
  const waits = new Map<unknown, () => void>();
  const set = (then: () => void, ms: number) => {
    const timer = setTimeout(ms < 60_000 ? then : () => {}, ms);
    if (ms === 5 * 60_000) waits.set(timer, then);
    return timer;
  };
  const clear = (timer: NodeJS.Timeout) => (waits.delete(timer), clearTimeout(timer));
  Object.assign(globalThis, { setTimeout: set, clearTimeout: clear });
  t.after(() => Object.assign(globalThis, { setTimeout, clearTimeout }));
  const minutesPass = () => waits.forEach((then) => then());

  const waiting = threads(t);
  const [source, target] = [tempDir(t), tempDir(t)];
  await capture(source);
  const [first] = waiting();
  const baseline = { exclude: [], entries: new Map() };
  await mergeDirectoryWithBaseline({ baseline, sourceDir: source, targetDir: target, stateDir: tempDir(t), beforeApply: minutesPass });
  assert.deepEqual(waiting(), [first]);
  minutesPass();
  assert.deepEqual(waiting(), []);
  assert.equal((await capture(source)).error, undefined);
});

test("R6: work that makes no pause hears of the signal", async (t) => {
  const abort = new AbortController();
  const root = tempDir(t);
  put(root, "large", ""); // the work of a minute, so that it is not done before the signal comes
  fs.truncateSync(path.join(root, "large"), 64 * 2 ** 30);
  const task = inWorker({ task: "capture", capture: { root, exclude: [] } }, undefined, { signal: abort.signal });
  abort.abort();
  assert.equal((await task).error?.code, "cancelled");
});

test("progress that fails after the end of its task ends no other one", async (t) => {
  const waiting = threads(t);
  const p = new Pair(t);
  p.here("a", "1");
  let fail = (_: Error) => {};
  const onProgress = () => new Promise<void>((_, reject) => (fail = reject));
  assert.equal((await p.run("push", { onProgress })).error, undefined);
  p.hook("run", 1, () => fail(new Error("no such socket")));
  assert.equal((await p.run("push")).error, undefined);
  assert.equal(waiting().length, 1, "both had the same thread");
});

test("a thread that waits keeps no process alive, and one that works does", (t) => {
  const root = tempDir(t);
  put(root, "a", "1");
  const url = new URL("../../src/host/sync.js", import.meta.url).href;
  const script = `const { inWorker } = await import(${JSON.stringify(url)});
    for (let i = 0; i < 2; i++) await inWorker({ task: "capture", capture: { root: ${JSON.stringify(root)}, exclude: [] } });
    console.log("done");`;
  const { stdout, signal } = spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 120_000 });
  assert.equal(stdout, "done\n");
  assert.equal(signal, null);
});

test("a thread that runs out of memory ends its task and not the server", (t) => {
  const root = tempDir(t);
  const url = new URL("../../src/host/sync.js", import.meta.url).href;
  const script = `const { inWorker } = await import(${JSON.stringify(url)});
    const dir = ${JSON.stringify(root)};
    const merge = { exclude: [], count: 1e6, sourceDir: dir, targetDir: dir, stateDir: dir, policy: "keep-both" };
    const entry = (n) => ["f" + n, { kind: "file", mode: 420, hash: "0".repeat(64) }];
    const baseline = { slice: (from, to) => Array.from({ length: to - from }, (_, i) => entry(from + i)) };
    const { error } = await inWorker({ task: "merge", merge }, { baseline });
    console.log(error.code, error.hint);
    const { entries } = await inWorker({ task: "capture", capture: { root: dir, exclude: [] } });
    console.log(entries.size);`;
  const { stdout, signal } = spawnSync(process.execPath, ["--max-old-space-size=24", "--input-type=module", "-e", script], { encoding: "utf8", timeout: 300_000 });
  assert.equal(stdout, "limit_exceeded give the server more memory (node --max-old-space-size), or exclude what need not travel\n0\n");
  assert.equal(signal, null);
});

test("the thread of a server unpacks no list at once that may be as long as a tree", async (t) => {
  let longest = 0;
  const lengths = (value: unknown): void => {
    if (Array.isArray(value)) longest = Math.max(longest, value.length);
    if (typeof value === "object" && value !== null) Object.values(value).forEach(lengths);
  };
  const { emit } = Worker.prototype;
  Worker.prototype.emit = function (this: Worker, event: string | symbol, ...args: unknown[]) {
    if (event === "message") lengths(args);
    return emit.call(this, event, ...args);
  };
  t.after(() => (Worker.prototype.emit = emit));
  const [source, target, count] = [tempDir(t), tempDir(t), sliceLength + 1];
  for (let i = 0; i < count; i++) {
    put(source, `f${i}`, "1");
    put(target, `f${i}`, "2");
  }
  const baseline = { exclude: [], entries: new Map() };
  const report = await mergeDirectoryWithBaseline({ baseline, sourceDir: source, targetDir: target, stateDir: tempDir(t) });
  assert.equal(report.conflicts.length, count);
  assert.equal(longest, sliceLength);
});
