import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { fileURLToPath } from "node:url";

import {
  captureDirectorySnapshot, directoryEntryMatchesBaseline, mergeDirectoryWithBaseline, withDirectoryMergeLock, type DirectoryMerge,
} from "../../src/workspace-restore-merge.js";
import { Core } from "../../src/host/core.js";
import { State } from "../../src/host/state.js";
import { Stop } from "../../src/host/stop.js";
import { capture } from "../../src/host/tasks.js";
import { createPlanner } from "../../src/planner.js";
import { listing, read, remove } from "../host/pair.js";
import { asOrdinaryUser, everything, gitOf, put, sha256, tempDir, World } from "../host/world.js";

function folders(t: TestContext): { source: string; target: string; merge: (more?: Partial<DirectoryMerge>) => Promise<DirectoryMerge> } {
  const top = tempDir(t);
  const [source, target] = [path.join(top, "source"), path.join(top, "target")];
  for (const dir of [source, target]) fs.mkdirSync(dir);
  const merge = async (more: Partial<DirectoryMerge> = {}) => {
    const baseline = await captureDirectorySnapshot(target, { exclude: ["skip"] });
    fs.cpSync(target, source, { recursive: true, verbatimSymlinks: true });
    remove(source, "skip");
    return { baseline, sourceDir: source, targetDir: target, stateDir: path.join(top, "state"), ...more };
  };
  return { source, target, merge };
}

test("a snapshot is a real Map of what is there", async (t) => {
  const { target } = folders(t);
  put(target, "a/b", "1");
  put(target, "skip/x", "2");
  put(target, "skipped", "3");
  put(target, "deep/skip/y", "4");
  fs.chmodSync(path.join(target, "a/b"), 0o750);
  fs.symlinkSync("a/b", path.join(target, "l"));
  const snapshot = await captureDirectorySnapshot(target, { exclude: ["skip", "skip"] });
  assert.deepEqual(snapshot.exclude, ["skip"]);
  assert.ok(snapshot.entries instanceof Map);
  assert.deepEqual(Object.fromEntries(snapshot.entries), {
    a: { kind: "dir" },
    "a/b": { kind: "file", mode: 0o750, hash: sha256("1") },
    deep: { kind: "dir" },
    "deep/skip": { kind: "dir" },
    "deep/skip/y": { kind: "file", mode: 0o644, hash: sha256("4") },
    l: { kind: "symlink", target: "a/b" },
    skipped: { kind: "file", mode: 0o644, hash: sha256("3") },
  });
  assert.ok(!(await captureDirectorySnapshot(target, { exclude: ["./skip/"] })).entries.has("skip/x"));
});

test("a directory of which something can't be read has no snapshot: what it lacks would look deleted to a merge", async (t) => {
  const target = tempDir(t);
  execFileSync("mkfifo", [path.join(target, "fifo")]);
  assert.deepEqual((await captureDirectorySnapshot(target)).entries, new Map());
  for (const name of ["secret", "locked/in"]) put(target, name, "1");
  const refused = (name: string) => ({ name: "PlannerError", code: "io_failed", path: name });
  const owned = ["", "secret", "locked"].map((name) => path.join(target, name));
  const captured = () => capture({ root: target, exclude: [] }, new Core(createPlanner()), new Stop());
  for (const name of ["secret", "locked"]) {
    fs.chmodSync(path.join(target, name), 0);
    try {
      assert.throws(() => asOrdinaryUser(owned, captured), refused(name));
    } finally {
      fs.chmodSync(path.join(target, name), 0o700);
    }
  }
  fs.writeFileSync(Buffer.from(target + "/bad\xff", "latin1"), "1");
  await assert.rejects(captureDirectorySnapshot(target), refused("bad\\xff"));
});

test("a merge takes what changed in the source, and keeps both versions of what both changed", async (t) => {
  const { source, target, merge } = folders(t);
  for (const name of ["same", "changed", "deleted", "edited-deleted", "both", "mine", "skip/x"]) put(target, name, "base");
  const input = await merge();
  put(source, "changed", "source");
  put(source, "added/x", "source");
  put(source, "both", "source");
  remove(source, "deleted");
  remove(source, "edited-deleted");
  for (const name of ["edited-deleted", "both", "mine"]) put(target, name, "target");
  let before: unknown;
  const report = await mergeDirectoryWithBaseline({ ...input, beforeApply: async () => void (before = listing(target)["changed"]) });
  assert.equal(before, "644 base", "beforeApply came first");
  assert.equal(report.status, "conflicts");
  assert.deepEqual(report.conflicts.map((c) => `${c.path} ${c.kind}`), ["both content", "edited-deleted deleted_in_sandbox"]);
  assert.equal(read(target, report.conflicts[0]!.copy!), "source");
  const now = listing(target);
  delete now[report.conflicts[0]!.copy!];
  assert.deepEqual(now, {
    same: "644 base", changed: "644 source", added: "dir", "added/x": "644 source", both: "644 target", "edited-deleted": "644 target",
    mine: "644 target", skip: "dir", "skip/x": "644 base",
  });
});

test("a link of the baseline is what it was, so that what happened to it since is known", async (t) => {
  const { source, target, merge } = folders(t);
  for (const name of ["deleted", "changed", "mine"]) fs.symlinkSync("base", path.join(target, name));
  const input = await merge();
  for (const name of ["deleted", "changed"]) remove(source, name);
  remove(target, "mine");
  for (const [dir, name] of [[source, "changed"], [target, "mine"]] as const) fs.symlinkSync("new", path.join(dir, name));
  assert.equal((await mergeDirectoryWithBaseline(input)).status, "ok");
  assert.deepEqual(listing(target), { changed: "link new", mine: "link new" });
});

test("what beforeApply makes of the target is merged, as a server expects that brings commits home there", async (t) => {
  const { source, target, merge } = folders(t);
  for (const name of ["brought", "both", "gone"]) put(target, name, "base");
  const input = await merge();
  for (const name of ["brought", "both", "added"]) put(source, name, "source");
  remove(source, "gone");
  const beforeApply = () => {
    for (const name of ["brought", "added"]) put(target, name, "source");
    put(target, "both", "another");
    remove(target, "gone");
  };
  const { conflicts } = await mergeDirectoryWithBaseline({ ...input, beforeApply });
  assert.deepEqual(conflicts.map((c) => `${c.path} ${c.kind}`), ["both content"]);
  assert.deepEqual(listing(target), {
    added: "644 source", both: "644 another", brought: "644 source", [conflicts[0]!.copy!]: "644 source",
  });
});

test("a folder that is not there is captured as an empty one, and merged into as one; a source must be there", async (t) => {
  const { source, target, merge } = folders(t);
  const none = path.join(target, "not", "there");
  assert.deepEqual(await captureDirectorySnapshot(none), { exclude: [], entries: new Map() });
  const input = await merge();
  put(source, "d/a", "1");
  await assert.rejects(mergeDirectoryWithBaseline({ ...input, sourceDir: none, targetDir: none }), { code: "unsafe_root", path: none });
  assert.ok(!fs.existsSync(none));
  await mergeDirectoryWithBaseline({ ...input, targetDir: none });
  assert.deepEqual(listing(none), { d: "dir", "d/a": "644 1" });
});

test("S3: a merge writes no repository, and names one whose commits stayed in the source", async (t) => {
  const { source, target, merge } = folders(t);
  const git = gitOf(t);
  put(target, "a", "1");
  git(target, "init", "-q", ".");
  git(target, "add", "-A");
  git(target, "commit", "-qm", "first");
  const input = await merge();
  const before = listing(path.join(target, ".git"));
  git(source, "status"); // rewrites the index, which is no use of the repository
  fs.utimesSync(path.join(source, "a"), 1, 1);
  git(source, "status");
  put(source, "a", "2");
  assert.deepEqual((await mergeDirectoryWithBaseline(input)).problems, []);
  git(source, "commit", "-qam", "second");
  const report = await mergeDirectoryWithBaseline(input);
  assert.deepEqual(report.problems.map((p) => `${p.path} ${p.code}`), [".git git_kept"]);
  assert.equal(read(target, "a"), "2");
  assert.deepEqual(listing(path.join(target, ".git")), before);
});

test("D2: a merge leaves AppleDouble files and the runtime folder as they are, whatever the source says", async (t) => {
  const { source, target, merge } = folders(t);
  const mine = { "._gone": "644 base", "._changed": "644 base", d: "dir", "d/._deep": "644 base" };
  for (const name of ["._gone", "._changed", "d/._deep", ".paperclip-runtime/x"]) put(target, name, "base");
  const input = await merge();
  assert.ok(input.baseline.entries.has("d/._deep"), "a snapshot has all that is there");
  for (const name of ["._gone", "d/._deep", ".paperclip-runtime"]) remove(source, name); // as a tar --exclude does
  put(source, "._changed", "source");
  put(source, "._added", "source");
  await mergeDirectoryWithBaseline(input);
  assert.deepEqual(listing(target), mine);
  assert.equal(read(target, ".paperclip-runtime/x"), "base");
});

test("a merge finds a name for the source's version where the first is taken", async (t) => {
  const { source, target, merge } = folders(t);
  put(target, "both.txt", "base");
  const input = await merge();
  put(source, "both.txt", "source");
  put(target, "both.txt", "target");
  let first = "";
  const beforeApply = () => put(target, (first = `both.conflict-${sha256("source").slice(0, 8)}.txt`), "somebody's");
  const { conflicts } = await mergeDirectoryWithBaseline({ ...input, beforeApply });
  const { copy = "" } = conflicts[0]!;
  assert.notEqual(copy, first);
  assert.deepEqual([first, "both.txt", copy].map((name) => read(target, name)), ["somebody's", "target", "source"]);
});

test("names that the target's file system takes for one are not written over each other", async (t) => {
  const f = folders(t);
  put(f.source, "name", "1");
  put(f.source, "NAME", "2");
  fs.symlinkSync("target", path.join(path.dirname(f.target), "TARGET")); // the target is found under its name in other letters
  const { conflicts } = await mergeDirectoryWithBaseline(await f.merge());
  assert.deepEqual(conflicts.map((c) => `${c.path} ${c.kind}`), ["name collision"]);
  assert.deepEqual([read(f.target, "NAME"), read(f.target, conflicts[0]!.copy!)], ["2", "1"]);
});

test("a merge has the policy that a server names", async (t) => {
  const { source, target, merge } = folders(t);
  put(target, "f", "base");
  const input = await merge();
  put(source, "f", "source");
  put(target, "f", "target");
  await assert.rejects(mergeDirectoryWithBaseline({ ...input, conflictPolicy: "fail" }), { code: "refused" });
  assert.deepEqual(listing(target), { f: "644 target" });
  const report = await mergeDirectoryWithBaseline({ ...input, conflictPolicy: "remote" });
  assert.deepEqual(listing(target), { f: "644 source" });
  assert.equal(read(target, `${report.displaced}/f`), "target");
});

test("D11: a merge first recovers one that was killed", async (t) => {
  const { merge } = folders(t);
  const w = new World(path.join(tempDir(t), "w"));
  everything(w);
  const { stateDir } = await merge();
  const state = new State(stateDir!, w.root, "directory", "merge");
  const crash = fileURLToPath(new URL("../host/crash.js", import.meta.url));
  assert.equal(spawnSync(process.execPath, [crash, w.top, "moved replace", state.dir]).signal, "SIGKILL");
  assert.equal(w.tree()["replace"], undefined);
  const baseline = await captureDirectorySnapshot(w.root);
  await mergeDirectoryWithBaseline({ baseline, sourceDir: w.root, targetDir: w.root, stateDir: stateDir! });
  assert.equal(w.tree()["replace"], "old");
});

test("a capture and a merge stop with their signal", async (t) => {
  const { source, target, merge } = folders(t);
  const input = await merge();
  put(source, "a", "1");
  await assert.rejects(captureDirectorySnapshot(target, { signal: AbortSignal.abort() }), { code: "cancelled" });
  const abort = new AbortController();
  await assert.rejects(mergeDirectoryWithBaseline({ ...input, signal: abort.signal, beforeApply: () => abort.abort() }), { code: "cancelled" });
  assert.deepEqual(listing(target), {});
});

test("a beforeApply that throws leaves the target as it is", async (t) => {
  const { source, target, merge } = folders(t);
  put(target, "a", "base");
  const input = await merge();
  put(source, "a", "source");
  const boom = new Error("no");
  await assert.rejects(mergeDirectoryWithBaseline({ ...input, beforeApply: () => Promise.reject(boom) }), (error: Error) => error.cause === boom);
  assert.deepEqual(listing(target), { a: "644 base" });
});

test("a source that lost everything empties nothing", async (t) => {
  const { source, target, merge } = folders(t);
  for (let i = 0; i < 30; i++) put(target, `f${i}`, "base");
  const input = await merge();
  for (const name of fs.readdirSync(source)) remove(source, name);
  await assert.rejects(mergeDirectoryWithBaseline(input), { code: "refused" });
  assert.equal(Object.keys(listing(target)).length, 30);
});

test("an entry is compared with what a baseline says", async (t) => {
  const { target } = folders(t);
  put(target, "d/f", "1");
  fs.symlinkSync("f", path.join(target, "d/l"));
  const file = { kind: "file" as const, mode: 0o600, hash: sha256("1") };
  const matches = (name: string, entry: Parameters<typeof directoryEntryMatchesBaseline>[2]) => directoryEntryMatchesBaseline(target, name, entry);
  assert.equal(await matches("d/f", file), true);
  assert.equal(await matches("d/f", { ...file, mode: 0o755 }), false);
  assert.equal(await matches("d/f", { ...file, hash: sha256("2") }), false);
  assert.equal(await matches("d/f", { kind: "dir" }), false);
  assert.equal(await matches("d", { kind: "dir" }), true);
  assert.equal(await matches("d/l", { kind: "symlink", target: "f" }), true);
  assert.equal(await matches("d/l", { kind: "symlink", target: "g" }), false);
  assert.equal(await matches("gone", file), false);
  assert.equal(await matches("gone", undefined), true);
  assert.equal(await matches("d/f/below", undefined), true);
  assert.equal(await matches("d/f", null), false);
});

test("an entry that can't be asked for is an error of this package", async (t) => {
  const { target } = folders(t);
  const file = { kind: "file", mode: 0o644, hash: sha256("") } as const;
  await assert.rejects(directoryEntryMatchesBaseline(target, "n".repeat(300), file), { name: "PlannerError", code: "io_failed" });
  await assert.rejects(directoryEntryMatchesBaseline(target, undefined as unknown as string, file), { name: "PlannerError", code: "invalid_request" });
});

test("the lock of a directory is taken once at a time, and once in its own function", async (t) => {
  const { target, merge } = folders(t);
  put(target, "a", "base");
  const input = await merge();
  const order: string[] = [];
  let begin = () => {};
  const begun = new Promise<void>((resolve) => (begin = resolve));
  await Promise.all([
    withDirectoryMergeLock(target, async () => {
      order.push("first begins");
      begin();
      await mergeDirectoryWithBaseline(input); // which takes the same lock
      order.push("first ends");
    }),
    begun.then(() => withDirectoryMergeLock(target, async () => void order.push("second"))),
  ]);
  assert.deepEqual(order, ["first begins", "first ends", "second"]);
});

test("who asks for a lock that its own code is under takes turns", async (t) => {
  const { target } = folders(t);
  let inside = 0;
  const alone = async () => {
    assert.equal(++inside, 1, "two at once");
    await new Promise((resolve) => setTimeout(resolve, 30));
    inside--;
  };
  const lock = (fn: () => Promise<unknown>) => withDirectoryMergeLock(target, fn);
  await lock(() => Promise.all([lock(alone), lock(() => lock(alone)), lock(alone)]));
  await assert.rejects(lock(() => Promise.all([lock(() => Promise.reject(new Error("one"))), lock(alone)])), { message: "one" });
});

test("what a merge calls before it applies is under its lock", async (t) => {
  const { source, target, merge } = folders(t);
  const input = await merge(); // which leaves a thread behind that another's code has started
  put(source, "a", "source");
  let ran = false;
  const beforeApply = () => withDirectoryMergeLock(target, async () => void (ran = true));
  await mergeDirectoryWithBaseline({ ...input, beforeApply, signal: AbortSignal.timeout(120_000) });
  assert.ok(ran);
});

test("code that outlasts a lock has it no more", async (t) => {
  const { target } = folders(t);
  const lock = (fn: () => Promise<unknown>) => withDirectoryMergeLock(target, fn);
  let go = () => {};
  let late: Promise<unknown> | undefined;
  await lock(async () => {
    late = new Promise<void>((resolve) => (go = resolve)).then(() => lock(async () => order.push("late")));
  });
  const order: string[] = [];
  await lock(async () => {
    go();
    await new Promise((resolve) => setTimeout(resolve, 100));
    order.push("holder");
  });
  await late;
  assert.deepEqual(order, ["holder", "late"]);
});

test("a merge that waits for the lock can be stopped", async (t) => {
  const { target, merge } = folders(t);
  const input = await merge();
  const stop = new AbortController();
  let go = () => {};
  let held: Promise<void>;
  await new Promise<void>((begun) => {
    held = withDirectoryMergeLock(target, () => new Promise<void>((resolve) => ((go = resolve), begun())));
  });
  setTimeout(() => stop.abort(), 100);
  await assert.rejects(mergeDirectoryWithBaseline({ ...input, signal: stop.signal }), { code: "cancelled" });
  go();
  await held!;
});

test("an input of the wrong type is refused, with its field", async (t) => {
  const { target, merge } = folders(t);
  const input = await merge();
  const refused = (field: string) => ({ name: "PlannerError", code: "invalid_request", field });
  await assert.rejects(captureDirectorySnapshot(5 as unknown as string), refused("root"));
  await assert.rejects(captureDirectorySnapshot(target, { exclude: "skip" as unknown as string[] }), refused("options.exclude"));
  await assert.rejects(withDirectoryMergeLock(undefined as unknown as string, async () => {}), refused("targetDir"));
  await assert.rejects(withDirectoryMergeLock(target, undefined as unknown as () => Promise<void>), refused("fn"));
  await assert.rejects(directoryEntryMatchesBaseline(target, "a", "dir" as unknown as null), refused("entry"));
  put(target, "a", "1");
  await assert.rejects(directoryEntryMatchesBaseline(target, "a", { kind: "fifo" } as unknown as null), refused("entry.kind"));
  await assert.rejects(mergeDirectoryWithBaseline(undefined as unknown as DirectoryMerge), refused("input"));
  const entries = Object.fromEntries(input.baseline.entries) as unknown as DirectoryMerge["baseline"]["entries"];
  await assert.rejects(mergeDirectoryWithBaseline({ ...input, baseline: { exclude: [], entries } }), refused("input.baseline.entries"));
  for (const entry of [null, "dir", {}]) {
    const odd = new Map([["a", entry]]) as unknown as DirectoryMerge["baseline"]["entries"];
    await assert.rejects(mergeDirectoryWithBaseline({ ...input, baseline: { exclude: [], entries: odd } }), { ...refused("input.baseline.entries"), path: "a" });
  }
});

test("entries may be those of a store that hands out proxies, with fields of its own", async (t) => {
  const { source, target, merge } = folders(t);
  put(target, "a", "base");
  const input = await merge();
  put(source, "a", "source");
  const entries = new Map([...input.baseline.entries].map(([name, entry]) => [name, new Proxy({ ...entry, changed() {} }, {})]));
  await mergeDirectoryWithBaseline({ ...input, baseline: { exclude: ["skip"], entries } });
  assert.deepEqual(listing(target), { a: "644 source" });
});

test("no name of a state folder is none", async (t) => {
  const { source, target, merge } = folders(t);
  const home = tempDir(t);
  const before = process.env["XDG_STATE_HOME"];
  process.env["XDG_STATE_HOME"] = home;
  t.after(() => {
    if (before === undefined) delete process.env["XDG_STATE_HOME"];
    else process.env["XDG_STATE_HOME"] = before;
  });
  const input = await merge({ stateDir: "" });
  put(source, "a", "source");
  await mergeDirectoryWithBaseline(input);
  assert.deepEqual(fs.readdirSync(home), ["syncplan"], "the default, and not the folder in which the server runs");
});
