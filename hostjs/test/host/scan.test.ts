import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";

import { CacheBuilder, isSettled, ScanCache, type CachedFolder } from "../../src/host/cache.js";
import { scan, sortProblems, type Scanned, type ScanRules } from "../../src/host/scan.js";
import { Stop } from "../../src/host/stop.js";
import type { Info } from "../../src/host/tree.js";
import { comparePaths } from "../../src/order.js";
import { asOrdinaryUser, openFiles, put, random, sha256, tempDir } from "./world.js";

const rules: ScanRules = {
  scanDir: (_, names) => new Uint8Array(names.length),
  repoState: () => sha256(""),
  display: String,
  maxPath: 4095,
  maxTarget: 4095,
};

const entries = (s: Scanned) => s.entries.map((e) => `${e.kind} ${e.path} ${e.digest ? Buffer.from(e.digest).toString("hex") : e.target}`);
const run = (root: string, cache?: ScanCache) => scan(root, { rules, stop: new Stop(), ...(cache && { cache }) });

/** A tree with a cache of its digests that is old enough to be trusted. */
async function warm(t: TestContext): Promise<{ root: string; file: string }> {
  const top = tempDir(t);
  const root = path.join(top, "root");
  const file = path.join(top, "scan");
  for (let i = 0; i < 20; i++) put(root, `d${i % 3}/${i}`, `content ${i}`);
  await new Promise((resolve) => setTimeout(resolve, 250));
  run(root, ScanCache.load(file, root)).cache!.save(file);
  return { root, file };
}

/** Gives every record a digest that no content has, so that its use shows. */
function poison(file: string, root: string): void {
  const data = fs.readFileSync(file);
  const head = data.indexOf(0x0a) + 1;
  const body = data.subarray(head);
  for (const e of run(root).entries) {
    const at = e.digest ? body.indexOf(e.digest) : -1;
    if (at >= 0) body.fill(0xee, at, at + 32);
  }
  fs.writeFileSync(file, Buffer.concat([Buffer.from(`syncplan-scan 3 ${sha256(body)}\n`), body]));
}

test("a cache is used for what did not change", async (t) => {
  const { root, file } = await warm(t);
  poison(file, root);
  const found = run(root, ScanCache.load(file, root));
  assert.equal(found.cache, undefined, "a scan that learnt nothing wants no other cache");
  for (const e of found.entries) if (e.digest) assert.equal(Buffer.from(e.digest).toString("hex"), "ee".repeat(32), e.path);
});

const edits: Record<string, (file: string) => void> = {
  "same size": (f) => fs.writeFileSync(f, "CONTENT 1"),
  "restored mtime": (f) => {
    const { mtime } = fs.statSync(f);
    fs.writeFileSync(f, "CONTENT 1");
    fs.utimesSync(f, mtime, mtime);
  },
  "another inode": (f) => {
    const { mtime } = fs.statSync(f);
    fs.writeFileSync(f + ".new", "CONTENT 1");
    fs.utimesSync(f + ".new", mtime, mtime);
    fs.renameSync(f + ".new", f);
  },
  gone: (f) => fs.rmSync(f),
};
for (const [name, edit] of Object.entries(edits)) {
  test(`a cache sees an edit: ${name}`, async (t) => {
    const { root, file } = await warm(t);
    edit(path.join(root, "d1/1"));
    assert.deepEqual(entries(run(root, ScanCache.load(file, root))), entries(run(root)));
  });
}

test("the cache that follows an edit serves the next scan", async (t) => {
  const { root, file } = await warm(t);
  fs.writeFileSync(path.join(root, "d1/1"), "CONTENT 1");
  fs.rmSync(path.join(root, "d0/0"));
  await new Promise((resolve) => setTimeout(resolve, 250));
  run(root, ScanCache.load(file, root)).cache!.save(file);
  const next = ScanCache.load(file, root);
  assert.equal(next.size, 19);
  const found = run(root, next);
  assert.equal(found.cache, undefined, "everything was known");
  assert.deepEqual(entries(found), entries(run(root)));
});

test("a cache knows files beside folders, and names in the order of their bytes", async (t) => {
  const top = tempDir(t);
  const [root, file] = [path.join(top, "root"), path.join(top, "scan")];
  for (const name of ["a", "b/in", "b/z/in", "b/z~", "c", "é", "éa", "ü/ü", "\uffee", "😀"]) put(root, name, name);
  await new Promise((resolve) => setTimeout(resolve, 250));
  run(root, ScanCache.load(file, root)).cache!.save(file);
  for (const name of ["a0", "éb", "~"]) put(root, name, name);
  fs.rmSync(path.join(root, "c"));
  await new Promise((resolve) => setTimeout(resolve, 250));
  poison(file, root);
  const found = run(root, ScanCache.load(file, root));
  const read = found.entries.filter((e) => e.digest && e.digest[0] !== 0xee).map((e) => e.path);
  assert.deepEqual(read, ["a0", "~", "éb"]);
  found.cache!.save(file);
  assert.equal(run(root, ScanCache.load(file, root)).cache, undefined, "what was copied is whole");
});

test("a cache is not trusted after the clock was set back", async (t) => {
  const { root, file } = await warm(t);
  const cache = ScanCache.load(file, root);
  assert.ok(cache.folder("d1", cache.clock));
  assert.equal(cache.folder("d1", cache.clock - 1n), undefined);
});

// The clock at the beginning would leave out what a checkout or an install had just written, all of which would be
// read again.
test("a cache holds what was settled when it was read", (t) => {
  const [root, file] = [tempDir(t), path.join(tempDir(t), "scan")];
  const names = Array.from({ length: 300 }, (_, i) => `f${1000 + i}`); // more than lie between two calls of progress
  for (const name of names) put(root, name, "");
  const soon = new Date(Date.now() + 3_600_000);
  fs.utimesSync(path.join(root, names.at(-2)!), soon, soon);
  const progress = () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
  scan(root, { rules, stop: new Stop(), cache: ScanCache.load(file, root), progress }).cache!.save(file);
  const folder = ScanCache.load(file, root).folder("", 2n ** 62n)!;
  assert.equal(folder.find(names.at(-2)!), -1, "it is younger than the clock");
  assert.ok(folder.find(names.at(-1)!) >= 0, "it was old enough when it was read");
});

test("a time is trusted once its tick is over", () => {
  const second = 10n ** 9n;
  const [fine, coarse] = [20_000_000n, 2n * second];
  for (const [mtimeNs, ctimeNs, clock, want] of [
    [second + 1n, second + 1n, second + 1n + fine, false],
    [second + 1n, second + 1n, second + 2n + fine, true],
    [second, second, second + 2n + fine, false],
    [second, second, second + coarse, false],
    [second, second, second + 1n + coarse, true],
    [second, second + 1n, second + 2n + fine, true],
    [second + 1n, second, second + 2n + fine, true],
    [1n, second + 1n, second, false],
    [second + 1n, 1n, second, false],
  ] as const) {
    assert.equal(isSettled({ mtimeNs, ctimeNs } as Info, clock), want, `${mtimeNs} ${ctimeNs} ${clock}`);
  }
});

test("a cache of any size is read as it was written", (t) => {
  const file = path.join(tempDir(t), "scan");
  const any = random(1);
  const built = new CacheBuilder("/root", 2n ** 62n);
  const added: { dir: string; name: string; info: Info; digest: Buffer }[] = [];
  for (let d = 100; d < 150; d++) {
    for (let f = 100; f < 100 + any(80); f++) {
      const info: Info = { kind: "file", mode: 0o644, size: any(2 ** 31) * 2 ** 20, mtimeNs: BigInt(any(2 ** 31)) * 10n ** 9n, ctimeNs: BigInt(any(2 ** 31)) * 10n ** 9n, dev: 7n, ino: BigInt(any(2 ** 31)), nlink: 1n };
      const entry = { dir: `d${d}`, name: `${f}${"n".repeat(any(100))}`, info, digest: Buffer.from(sha256(`${d} ${f}`), "hex") };
      built.add(`${entry.dir}/${entry.name}`, info, entry.digest);
      added.push(entry);
    }
  }
  built.save(file);
  const cache = ScanCache.load(file, "/root");
  assert.equal(cache.size, added.length);
  let folder: CachedFolder | undefined;
  for (const { dir, name, info, digest } of added) {
    if (folder?.path !== dir) folder = cache.folder(dir, cache.clock)!;
    const record = folder.find(name);
    assert.deepEqual(Buffer.from(folder.digest(record)), digest, name);
    const { size } = info;
    const seen = { size, dev: 7, ino: Number(info.ino), mtimeMs: Number(info.mtimeNs / 10n ** 6n), ctimeMs: Number(info.ctimeNs / 10n ** 6n) } as fs.Stats;
    assert.ok(folder.isTrue(record, seen), name);
    for (const field of ["size", "dev", "ino", "mtimeMs", "ctimeMs"] as const) assert.ok(!folder.isTrue(record, { ...seen, [field]: seen[field] + 1 } as fs.Stats), field);
  }
});

test("a damaged cache is not trusted", async (t) => {
  const { root, file } = await warm(t);
  const data = fs.readFileSync(file);
  for (let i = 0; i < data.length; i += 7) {
    assert.equal(ScanCache.decode(data.subarray(0, i)), undefined, `cut at ${i}`);
    const bad = Buffer.from(data);
    bad[i]! ^= 1 << (i % 8);
    assert.equal(ScanCache.decode(bad), undefined, `damaged at ${i}`);
  }
  // A body whose digest is right may still be no cache.
  const body = data.subarray(data.indexOf(0x0a) + 1, data.length - 3);
  assert.equal(ScanCache.decode(Buffer.concat([Buffer.from(`syncplan-scan 3 ${sha256(body)}\n`), body])), undefined);
  assert.equal(ScanCache.load(file, root).size, 20);
  assert.equal(ScanCache.load(file, root + "x").size, 0, "a cache of another tree");
});

test("entries come in the order of their bytes", (t) => {
  const root = tempDir(t);
  for (const name of ["a-b", "a.b", "a/b", "A", "\uffee", "😀", "ü", "z"]) put(root, name, "");
  assert.deepEqual(run(root).entries.map((e) => e.path), ["A", "a", "a/b", "a-b", "a.b", "z", "ü", "\uffee", "😀"]);
});

test("a staging folder that no journal speaks of is a problem", (t) => {
  const root = tempDir(t);
  put(root, "m/._paperclip-runtime.run/o0", "mine");
  const scanDir: ScanRules["scanDir"] = (_, words) => Uint8Array.from(words, (w) => (w.startsWith("._") ? 1 : 0));
  const { problems } = scan(root, { rules: { ...rules, scanDir }, stop: new Stop() });
  assert.deepEqual(problems.map((p) => `${p.path} ${p.code}`), ["m/._paperclip-runtime.run stale_staging"]);
});

test("R1: what can't be read is a problem, and what is below it not known", (t) => {
  const root = tempDir(t);
  put(root, "secret", "1");
  put(root, "open", "1");
  put(root, "locked/in", "1");
  fs.chmodSync(path.join(root, "secret"), 0);
  fs.chmodSync(path.join(root, "locked"), 0);
  let found: Scanned;
  try {
    found = asOrdinaryUser(["", "secret", "open", "locked"].map((name) => path.join(root, name)), () => run(root));
  } finally {
    fs.chmodSync(path.join(root, "locked"), 0o755);
  }
  assert.deepEqual(found.entries.map((e) => e.path), ["locked", "open"]);
  assert.deepEqual(found.problems, [{ path: "secret", code: "unreadable", detail: "permission denied" }]);
  assert.deepEqual([...found.incomplete], ["locked"]);
});

test("D16: a file that changes while it is read is read again, and is a problem where it always does", (t) => {
  const root = tempDir(t);
  const file = path.join(root, "f");
  const { readSync } = fs;
  t.after(() => (fs.readSync = readSync));
  for (const times of [1, Infinity]) {
    let reads = 0;
    put(root, "f", "1");
    fs.readSync = ((...args: Parameters<typeof readSync>) => {
      const n = readSync(...args);
      if (reads++ < times) fs.appendFileSync(file, "2");
      return n;
    }) as typeof readSync;
    const found = run(root);
    if (times === 1) assert.deepEqual(entries(found), [`file f ${sha256("12")}`]);
    else assert.deepEqual([found.entries, found.problems.map((p) => p.code)], [[], ["changing"]]);
  }
});

test("problems come in path order, each once", () => {
  const [a, b, other] = [{ path: "a", code: "unreadable" }, { path: "b", code: "unreadable" }, { path: "a", code: "changing" }];
  assert.deepEqual(sortProblems([b, a, other, { ...a, detail: "again" }]), [other, a, b]);
});

test("R1: what is too long is a problem, and its folder is never removed or replaced", (t) => {
  const root = tempDir(t);
  for (const name of ["d/" + "n".repeat(18), "d/" + "n".repeat(19), "é".repeat(10), "é".repeat(11)]) put(root, name, "");
  const links = { odd: Buffer.from("not \xff", "latin1"), long: "t".repeat(10), longer: "t".repeat(11) };
  for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, path.join(root, name));
  const found = scan(root, { rules: { ...rules, maxPath: 20, maxTarget: 10 }, stop: new Stop() });
  assert.deepEqual(found.entries.map((e) => e.path), ["d", "d/" + "n".repeat(18), "long", "é".repeat(10)]);
  const problems = found.problems.map((p) => `${p.path} ${p.code}`).sort();
  assert.deepEqual(problems, [`d/${"n".repeat(19)}... path_too_long`, "longer special_file", "odd special_file", `${"é".repeat(11)}... path_too_long`]);
  assert.deepEqual([...found.occupied].sort(), ["", "d"]);
});

test("S1: a directory that a link replaces while it is scanned is read itself", async (t) => {
  const { root, file } = await warm(t);
  const outside = tempDir(t);
  const [, second = "", ...others] = fs.readdirSync(path.join(root, "d0")).sort(); // the first one is not there at all
  fs.mkdirSync(path.join(outside, second));
  for (const name of others) put(outside, name, "not of this tree");
  const before = entries(run(root));
  let swaps = 0;
  const swapping: ScanRules = {
    ...rules,
    // It is asked for between the list of the names in a directory and the look at each of them.
    get maxPath() {
      if (fs.existsSync(path.join(root, "away")) || !openFiles().includes(path.join(root, "d0"))) return 4095;
      fs.renameSync(path.join(root, "d0"), path.join(root, "away"));
      fs.symlinkSync(outside, path.join(root, "d0"));
      swaps++;
      return 4095;
    },
  };
  const found = scan(root, { rules: swapping, stop: new Stop(), cache: ScanCache.load(file, root) });
  assert.equal(swaps, 1);
  assert.deepEqual(entries(found), before);
});

test("S3: what names an object is read before the objects are listed", (t) => {
  const root = tempDir(t);
  for (const name of ["HEAD", "config", "index", "objects/pack/a", "packed-refs", "refs/heads/main"]) put(root, ".git/" + name, "1");
  put(root, ".git/modules/m/objects/a", "1");
  put(root, ".git/modules/m/refs/heads/main", "1");
  const order: string[] = [];
  const watched: ScanRules = { ...rules, scanDir: (path, names) => (order.push(path), rules.scanDir(path, names)) };
  const found = scan(root, { rules: watched, stop: new Stop() });
  const before = (a: string, b: string) => assert.ok(order.indexOf(a) < order.indexOf(b), `${a} before ${b}: ${order.join(" ")}`);
  for (const repo of [".git", ".git/modules/m"]) before(repo + "/refs/heads", repo + "/objects");
  before(".git/modules", ".git/objects");
  const paths = found.entries.map((e) => e.path);
  assert.deepEqual(paths, [...paths].sort(comparePaths));
  assert.equal(paths.length, 18);
});

test("a process that can open no more files ends a scan, and takes no part of a tree for the whole", (t) => {
  const root = tempDir(t);
  put(root, `${"d/".repeat(200)}f`, "deep");
  const module = JSON.stringify(new URL("../../src/workspace-restore-merge.js", import.meta.url).href);
  const script = `import(${module}).then((m) => m.captureDirectorySnapshot(process.argv[1]))
    .then((s) => console.log(s.entries.size), ({ code, hint, message }) => console.log(code, hint, message))`;
  const capture = (limit: string) => execFileSync("sh", ["-c", `${limit} exec "$0" "$@"`, process.execPath, "-e", script, root], { encoding: "utf8" });
  assert.match(capture("ulimit -n 120;"), /^io_failed raise the limit of open files .* the workspace can't be read.*too many open files/);
  assert.equal(capture("").trim(), "201");
});

test("what something is mounted at is occupied", (t) => {
  const top = tempDir(t);
  const root = path.join(top, "root");
  for (const p of ["d/m 1\\#/f", "d/n/f", "e/f"]) put(root, p, "content");
  const table = path.join(top, "mounts");
  const at = root.replaceAll(" ", "\\040");
  const paths = ["/", at, `${at}/d/m\\0401\\134\\043`, `${at}-other/e`, `${at}/e/f`, `${at}/gone`];
  fs.writeFileSync(table, paths.map((p) => `none ${p} tmpfs rw 0 0\n`).join("") + "\n");
  const occupied = (mounts: string) => [...scan(root, { rules, stop: new Stop(), mounts }).occupied];
  assert.deepEqual(occupied(table), ["d/m 1\\#", "e/f"]);
  assert.deepEqual(occupied(`${table}-none`), []);
});

test("R6: a stop while a file is read ends the scan, and is no failure of the file", (t) => {
  const root = tempDir(t);
  put(root, "a", "1");
  const stop = new Stop();
  const scanDir: ScanRules["scanDir"] = (_, names) => (stop.stop(), new Uint8Array(names.length));
  assert.throws(() => scan(root, { rules: { ...rules, scanDir }, stop }), { code: "cancelled" });
});
