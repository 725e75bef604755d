// A server that lives long: "make soak-js". 10,000 runs, each a push and a pull of a
// small random tree as a host plans and commits them, by one planner, which
// grows past its bound every thousand runs and is replaced. It fails unless the
// memory of the process is flat: linear memory never shrinks.
import { SnapshotBuilder, createPlanner, kept, type Plan, type Planner, type Result } from "../src/index.js";
import { comparePaths } from "../src/order.js";

const runs = 10_000;
/** What the last quarter may have above the second, in bytes: noise of the collectors. A leak of 5 kB a run exceeds it. */
const tolerance = 24 << 20;
/** A file of a repository that takes the module past 256 MB. */
const large = [{ name: "FETCH_HEAD", data: new Uint8Array(150 << 20) }];

/** A repeatable row of numbers from 0 to n-1. */
function numbers(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

type Tree = Map<string, Uint8Array>;

function randomTree(below: (n: number) => number): Tree {
  const tree: Tree = new Map();
  for (let i = below(40); i >= 0; i--) tree.set(`file-${below(1000)}.txt`, digest(below));
  return tree;
}

function digest(below: (n: number) => number): Uint8Array {
  return Uint8Array.from({ length: 32 }, () => below(256));
}

/** The tree with some files edited, removed and added. */
function edited(tree: Tree, below: (n: number) => number): Tree {
  const next: Tree = new Map();
  for (const [path, was] of tree) if (below(4) > 0) next.set(path, below(4) > 0 ? was : digest(below));
  for (const [path, made] of randomTree(below)) if (below(4) === 0) next.set(path, made);
  return next;
}

function encode(tree: Tree): Uint8Array {
  const builder = new SnapshotBuilder();
  for (const path of [...tree.keys()].sort(comparePaths)) builder.add(path, "file", 0o644, 10, tree.get(path));
  return builder.finish();
}

const marker = "0123456789abcdef0123456789abcdef";
const request = { root: "/w", adapter: "soak", marker, options: { exclude: ["*.log"], no_text_merge: true, allow: ["mass_delete", "sandbox_emptied"] } } as const;

/** One run: a first push, its base, a pull of what changed there and here, and the base after it. */
function run(planner: Planner, n: number): void {
  const below = numbers(n);
  const [tree, id] = [randomTree(below), `run${String(n).padStart(8, "0")}`];
  planner.keepSnapshot(encode(tree), "local");
  const push = planner.planPush({ ...request, run: id, local: kept("local") }, "plan");
  if (push.phase !== "apply") throw new Error(`run ${n}: a first push is in phase ${push.phase}`);
  planner.seal({ ...request, op: "push", run: id, local: kept("local") }, kept("plan"), (push.uploads ?? []).map(() => ({})));
  planner.commit(undefined, kept("plan"), done(push), "base");

  planner.keepSnapshot(encode(edited(tree, below)), "local");
  const there = edited(tree, below);
  const fetched = [...new Set(there.values())].map((d) => Buffer.from(d).toString("hex"));
  const remote = { marker, snapshot: encode(there) };
  const pull = planner.planPull({ ...request, run: id, base: kept("base"), local: kept("local"), remote, fetched }, "plan");
  planner.commit(kept("base"), kept("plan"), done(pull), "next");
  planner.drop();
}

/** The results of a plan that was carried out without a failure. */
function done(plan: Plan): Result[] {
  if (plan.phase !== "apply") throw new Error(`a plan is in phase ${plan.phase}`);
  return (plan.decisions ?? []).map(() => ({ status: "done" }));
}

const planner = createPlanner();
const quarters: number[][] = [[], [], [], []];
let replaced = 0;
for (let n = 0; n < runs; n++) {
  run(planner, n);
  if (n % 1000 === 0) {
    planner.repoState(large);
    const grown = planner.memory;
    planner.about();
    if (planner.memory < grown) replaced++;
  }
  // A server has pauses, in which memory that is no longer used goes back.
  if (n % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 1));
  if (n % 20 === 19) quarters[Math.floor((4 * n) / runs)]!.push(process.memoryUsage.rss());
}
const medians = quarters.map((q) => q.sort((a, b) => a - b)[q.length >> 1]!);
console.log(`${runs} runs; median memory of each quarter: ${medians.map((m) => `${(m / 1e6).toFixed(0)} MB`).join(", ")}; replaced ${replaced} times`);
if (replaced !== runs / 1000) throw new Error("an instance that grew was not replaced");
if (medians[3]! - medians[1]! > tolerance) throw new Error("memory is not flat");
