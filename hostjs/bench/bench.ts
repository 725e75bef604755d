// What the module costs in Node, beside the same merge with JavaScript Maps and
// the native core: "make bench-js". CPU is that of the whole process where nothing
// else is said.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { SnapshotBuilder, createPlanner, kept, type Planner } from "../src/index.js";

const digest = Buffer.alloc(32, 7);
const changed = Buffer.alloc(32, 9);
const marker = "0".repeat(32);
const request = { run: "abcdefgh", root: "/w", adapter: "planner", marker };

interface Row {
  path: string;
  kind: "file" | "dir";
  digest: Buffer | undefined;
}

/** n entries in folders of a hundred, one in a thousand changed. */
function tree(n: number, edit: boolean): Row[] {
  const rows: Row[] = [{ path: "src", kind: "dir", digest: undefined }];
  for (let i = 0; rows.length < n; i++) {
    const dir = `src/package${String(i).padStart(6, "0")}`;
    rows.push({ path: dir, kind: "dir", digest: undefined });
    for (let j = 0; j < 100 && rows.length < n; j++) {
      const differs = edit && rows.length % 1000 === 999;
      rows.push({ path: `${dir}/component${String(j).padStart(3, "0")}.go`, kind: "file", digest: differs ? changed : digest });
    }
  }
  return rows;
}

function encode(rows: Row[]): Uint8Array {
  const b = new SnapshotBuilder();
  for (const r of rows) b.add(r.path, r.kind, r.kind === "dir" ? 0o755 : 0o644, r.kind === "dir" ? 0 : 100, r.digest);
  return b.finish();
}

/** The best of a few runs, in milliseconds of CPU. */
function cpu(runs: number, work: () => void): number {
  let best = Infinity;
  for (let i = 0; i < runs; i++) {
    const from = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(from);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

function line(what: string, value: number, unit: string, goal = ""): void {
  console.log(`${what.padEnd(64)}${value.toFixed(value < 10 ? 2 : 0).padStart(9)} ${unit.padEnd(9)}${goal}`);
}

/**
 * Decides a pull of the trees in a folder, which the module gets one after the other, and reads the result. Returns milliseconds of CPU,
 * without the reading of files.
 */
function decide(planner: Planner, folder: string): number {
  let room = Buffer.alloc(0); // for one tree at a time: the module keeps them
  const file = (name: string): Uint8Array => {
    const fd = fs.openSync(path.join(folder, name), "r");
    const { size } = fs.fstatSync(fd);
    if (size > room.length) room = Buffer.allocUnsafeSlow(size);
    const read = fs.readSync(fd, room, 0, size, 0);
    fs.closeSync(fd);
    return room.subarray(0, read);
  };
  const given = (tree: Uint8Array, work: (tree: Uint8Array) => void) => cpu(1, () => work(tree));
  const known = { format_version: 1, marker, entries: { section: 0 } };
  const base = given(file("base"), (tree) => void planner.call({ call: "base", base: known, keep: "base" }, [tree]));
  const local = given(file("local"), (tree) => planner.keepSnapshot(tree, "local"));
  const asked = { ...request, base: kept("base"), local: kept("local"), options: { exclude: ["node_modules", "*.log"] } };
  const pull = given(file("remote"), (tree) => {
    const plan = planner.planPull({ ...asked, remote: { marker, snapshot: tree } });
    if (plan.phase !== "apply" || plan.decisions?.length === 0) throw new Error(`phase ${plan.phase}`);
  });
  return base + local + pull;
}

/** What deciding three trees cost in a process that had nothing else to do: milliseconds of CPU, and bytes. */
interface Decided {
  ms: number;
  linear: number;
  peak: number;
}

/** Decides the trees in a folder, the best of a few runs, in this process. */
function decideFiles(folder: string, runs: number): Decided {
  const best = { ms: Infinity, linear: 0 };
  for (let i = 0; i < runs; i++) {
    let planner: Planner;
    const create = cpu(1, () => (planner = createPlanner()));
    best.ms = Math.min(best.ms, create + decide(planner!, folder));
    best.linear = planner!.memory;
  }
  return { ...best, peak: process.resourceUsage().maxRSS * 1024 };
}

/** As many processes of their own decide three trees of n entries, each a few times; the best counts, and the largest memory. */
function three(n: number, processes: number, runs: number, goal: string): void {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "syncplan-bench-"));
  try {
    const base = encode(tree(n, false));
    fs.writeFileSync(path.join(folder, "base"), base);
    fs.writeFileSync(path.join(folder, "local"), base);
    fs.writeFileSync(path.join(folder, "remote"), encode(tree(n, true)));
    const all = Array.from({ length: processes }, () => {
      const child = spawnSync(process.execPath, [process.argv[1]!, folder, String(runs)], { encoding: "utf8" });
      if (child.status !== 0) throw new Error(child.stderr);
      return JSON.parse(child.stdout) as Decided;
    });
    const ms = Math.min(...all.map((d) => d.ms));
    line(`three trees of ${n} entries: validate, exclude, decide, read`, ms, "ms", goal);
    line(`  an entry`, (ms * 1e6) / (3 * n), "ns");
    line(`  linear memory`, all[0]!.linear / 1e6, "MB");
    line(`  memory of the process, with its module`, Math.max(...all.map((d) => d.peak)) / 1e6, "MB", n === 1_000_000 ? "goal 450" : "");
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

/** The same comparison as a server writes it with Maps, without validation. */
function maps(n: number): void {
  const asMap = (rows: Row[]) => new Map(rows.map((r) => [r.path, { kind: r.kind, digest: r.digest?.toString("hex"), mode: 0o644 }]));
  const [base, local, remote] = [asMap(tree(n, false)), asMap(tree(n, false)), asMap(tree(n, true))];
  const ms = cpu(3, () => {
    const out: string[] = [];
    for (const p of [...new Set([...base.keys(), ...local.keys(), ...remote.keys()])].sort()) {
      const [b, l, r] = [base.get(p), local.get(p), remote.get(p)];
      const same = (x: typeof b, y: typeof b) => x?.kind === y?.kind && x?.digest === y?.digest;
      if (!same(r, b) && same(l, b)) out.push(p);
    }
    if (out.length === 0) throw new Error("nothing differs");
  });
  line(`the same merge with JavaScript Maps, ${n} entries`, ms, "ms");
  line(`  an entry`, (ms * 1e6) / (3 * n), "ns");
}

/** The first planner in each of a number of processes, on average. */
function first(runs: number): number {
  const script = new URL("./first.js", import.meta.url).pathname;
  let sum = 0;
  for (let i = 0; i < runs; i++) {
    const child = spawnSync(process.execPath, [script], { encoding: "utf8" });
    if (child.status !== 0) throw new Error(child.stderr);
    sum += Number(child.stdout);
  }
  return sum / runs;
}

function native(): void {
  const root = path.join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../..");
  const go = spawnSync("go", ["test", "./core", "./core/merge", "-run", "^$", "-bench", "Decide/100000|Snapshot/(decode.binary|validate)"], { cwd: root, encoding: "utf8" });
  if (go.status !== 0) throw new Error(go.stderr);
  for (const l of go.stdout.split("\n")) if (l.startsWith("Benchmark")) console.log(`native Go: ${l.replace(/\s+/g, " ")}`);
}

if (process.argv[2]) {
  console.log(JSON.stringify(decideFiles(process.argv[2], Number(process.argv[3]))));
  process.exit();
}
line("the first planner of a process, main thread, mean of 20", first(20), "ms", "goal 40");
createPlanner();
line("the next one", cpu(20, () => createPlanner()), "ms", "goal 3");
const small = createPlanner();
for (let i = 0; i < 2000; i++) small.quote("a");
line("a small call", (cpu(5, () => { for (let i = 0; i < 2000; i++) small.quote("a"); }) * 1000) / 2000, "µs", "goal 50");
small.keepRules({ exclude: ["node_modules", "*.log"] }, "rules");
const names = Array.from({ length: 20 }, (_, i) => `component${i}.go`);
line("judging the 20 names of a directory", (cpu(5, () => { for (let i = 0; i < 2000; i++) small.scanDir(kept("rules"), "src/package", names); }) * 1000) / 2000, "µs");
const rows = tree(100_000, false);
line("encoding 100000 entries from objects, an entry", (cpu(7, () => void encode(rows)) * 1e6) / 100_000, "ns", "goal 450");
three(100_000, 3, 7, "goal 60");
three(1_000_000, 3, 1, "goal 1000");
maps(100_000);
native();
