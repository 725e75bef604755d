// What the module costs in Node, beside the same merge with JavaScript Maps and
// the native core: "make bench-js". CPU is that of the whole process.
import { spawnSync } from "node:child_process";
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

/** Decides a pull of three trees that are given as bytes, and reads the result. */
function decide(planner: Planner, base: Uint8Array, local: Uint8Array, remote: Uint8Array, key?: string): number {
  const known = { format_version: 1, marker, entries: { section: 0 } };
  planner.call({ call: "base", base: known, keep: "base" }, [base]);
  planner.keepSnapshot(local, "local");
  const asked = { ...request, base: kept("base"), local: kept("local"), remote: { marker, snapshot: remote }, options: { exclude: ["node_modules", "*.log"] } };
  const plan = planner.planPull(asked, key);
  if (plan.phase !== "apply" && plan.phase !== "fetch") throw new Error(`phase ${plan.phase}`);
  planner.drop();
  return planner.memory;
}

function three(n: number, runs: number, goal: string): void {
  const [base, remote] = [encode(tree(n, false)), encode(tree(n, true))];
  let memory = 0;
  const ms = cpu(runs, () => (memory = decide(createPlanner(), base, base, remote)));
  line(`three trees of ${n} entries: validate, exclude, decide, read`, ms, "ms", goal);
  line(`  an entry`, (ms * 1e6) / (3 * n), "ns");
  line(`  linear memory`, memory / 1e6, "MB");
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

function native(): void {
  const root = path.join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "../../..");
  const go = spawnSync("go", ["test", "./core", "./core/merge", "-run", "^$", "-bench", "Decide/100000|Snapshot/(decode.binary|validate)"], { cwd: root, encoding: "utf8" });
  if (go.status !== 0) throw new Error(go.stderr);
  for (const l of go.stdout.split("\n")) if (l.startsWith("Benchmark")) console.log(`native Go: ${l.replace(/\s+/g, " ")}`);
}

const first = cpu(1, () => createPlanner());
line("the first planner of a process", first, "ms", "goal 40");
line("the next one", cpu(20, () => createPlanner()), "ms", "goal 3");
const small = createPlanner();
for (let i = 0; i < 2000; i++) small.quote("a");
line("a small call", (cpu(5, () => { for (let i = 0; i < 2000; i++) small.quote("a"); }) * 1000) / 2000, "µs", "goal 50");
small.keepRules({ exclude: ["node_modules", "*.log"] }, "rules");
const names = Array.from({ length: 20 }, (_, i) => `component${i}.go`);
line("judging the 20 names of a directory", (cpu(5, () => { for (let i = 0; i < 2000; i++) small.scanDir(kept("rules"), "src/package", names); }) * 1000) / 2000, "µs");
const rows = tree(100_000, false);
line("encoding 100000 entries from objects, an entry", (cpu(7, () => void encode(rows)) * 1e6) / 100_000, "ns", "goal 450");
three(100_000, 7, "goal 60");
three(1_000_000, 2, "goal 1000");
line("memory of the process at its peak", process.resourceUsage().maxRSS / 1000, "MB", "goal 450");
maps(100_000);
native();
