// What a worker does beside a sync: scanning and merging directories, without a sandbox.
import { randomBytes } from "node:crypto";
import path from "node:path";

import { kept, Verdict, type Planner } from "../planner.js";
import { comparePaths } from "../order.js";
import { SnapshotBuilder } from "../snapshotBuilder.js";
import type { ConflictPolicy, Entry } from "../types.js";
import { apply } from "./apply.js";
import { displacedBy } from "./applyRun.js";
import { Core, snapshotOf } from "./core.js";
import { hex } from "./digest.js";
import { hostError } from "./errors.js";
import { fileSystemFacts } from "./facts.js";
import { recover } from "./recover.js";
import { scan, type RepoFile, type Scanned, type ScanRules } from "./scan.js";
import type { Synced } from "./session.js";
import { State } from "./state.js";
import type { Stop } from "./stop.js";
import type { SyncReport } from "./syncReport.js";
import { Dir, openBelow } from "./tree.js";

/**
 * One entry of a captured directory: the permissions are those of chmod, the hash is SHA-256 in lower-case
 * hexadecimal.
 */
export type SnapshotEntry = { kind: "dir" } | { kind: "file"; mode: number; hash: string } | { kind: "symlink"; target: string };

/** What can be copied to another thread of a capture. */
export interface Capture {
  root: string;
  exclude: string[];
}

/** The parts of a merge that can be copied to another thread. */
export interface Merge {
  exclude: string[];
  /** Entries of the baseline, which travel by themselves. */
  count: number;
  sourceDir: string;
  targetDir: string;
  stateDir: string;
  policy: ConflictPolicy;
}

/** Reads a directory. Excluded are exact relative paths, with all below them. */
export function capture(task: Capture, core: Core, stop: Stop): [string, SnapshotEntry][] {
  const found = scanDirectory(task.root, task.exclude, core, stop);
  // A path that is left out would look deleted to the next merge.
  const problem = found.problems.find((p) => p.code !== "special_file");
  const missing = problem?.path ?? [...found.incomplete][0];
  if (missing !== undefined) throw hostError("io_failed", `the directory can't be captured: ${problem?.code ?? "unreadable"}`, { path: missing });
  return found.entries.map((e) => [e.path, entryOf(e.kind, e.mode, e.digest, e.target)]);
}

function entryOf(kind: Entry["kind"], mode: number, digest: Uint8Array | undefined, target: string): SnapshotEntry {
  switch (kind) {
    case "dir":
      return { kind };
    case "file":
      return { kind, mode, hash: hex(digest!) };
    case "link":
      return { kind: "symlink", target };
  }
}

function scanDirectory(root: string, exclude: readonly string[], core: Core, stop: Stop): Scanned {
  return scan(root, { rules: new ExactRules(core, exclude), stop });
}

/**
 * Excludes exact relative paths, with all below them. Of repositories it has the states, so that a merge can name one
 * whose commits stay in the source (promise S3).
 */
class ExactRules implements ScanRules {
  private readonly excluded: ReadonlySet<string>;

  constructor(
    private readonly core: Core,
    exclude: readonly string[],
  ) {
    this.excluded = new Set(exclude.map((name) => path.posix.normalize(name).replace(/\/$/, "")));
    core.compileRules({});
  }

  readonly maxPath = Infinity;
  readonly maxTarget = Infinity;

  scanDir(dir: string, names: string[]): Uint8Array {
    const at = (name: string) => path.posix.join(dir, name).replace(/\/$/, "");
    const judged = this.core.scanDir(dir, names);
    const verdict = (i: number) => (judged[i] === Verdict.ofRepo ? Verdict.ofRepo : Verdict.travels);
    return Uint8Array.from(names, (name, i) => (this.excluded.has(at(name)) ? Verdict.excluded : verdict(i)));
  }

  repoState(files: RepoFile[]): string {
    return this.core.repoState(files);
  }

  display(name: string | Buffer): string {
    return this.core.display(name);
  }
}

/** Merges what changed in a source directory since a baseline into a target. Nothing that both changed is lost. */
export async function merge(
  task: Merge,
  baseline: readonly [string, SnapshotEntry][],
  planner: Planner,
  stop: Stop,
  beforeApply: () => Promise<void>,
): Promise<Synced> {
  const core = new Core(planner);
  const { exclude } = task;
  const state = new State(task.stateDir, task.targetDir, "directory", "merge");
  const recovered = recover(task.targetDir, state.dir, core, stop);
  const source = scanDirectory(task.sourceDir, exclude, core, stop);
  await beforeApply(); // of a server that brings commits home, which are in the target then
  const run = randomBytes(8).toString("hex");
  const marker = "0".repeat(32);
  const local = scanDirectory(task.targetDir, exclude, core, stop);
  local.problems.push(...recovered);
  const plan = planner.planPull(
    {
      run,
      root: "/workspace",
      adapter: "merge",
      marker,
      base: { format_version: core.about.base_format, marker, entries: baseEntries(baseline) },
      local: snapshotOf(local, false),
      local_repos: local.repos,
      remote: { marker, snapshot: snapshotOf(source, false), repos: source.repos },
      options: { policy: task.policy, no_text_merge: true, facts: fileSystemFacts(task.targetDir) },
    },
    "plan",
  );
  const report = (results?: Parameters<Planner["summarise"]>[1]) => ({
    ...planner.summarise(kept("plan"), results), ...noTraffic, displaced: displacedBy(run, task.targetDir),
  });
  if (plan.phase !== "apply") return { report: report() };
  const { results, error } = apply({
    root: task.targetDir,
    run,
    stateDir: state.dir,
    decisions: plan.decisions ?? [],
    open: bodiesIn(task.sourceDir, source),
    copyName: (name, digest, skip) => core.copyName(name, digest, skip),
    stop,
  });
  if (!results) throw error;
  return { report: report(results), error };
}

const noTraffic = {
  uploadedFiles: 0, uploadedBytes: 0, downloadedFiles: 0, downloadedBytes: 0, clientCalls: 0, stages: [],
} satisfies Partial<SyncReport>;

/** The entries of a base in binary form. */
function baseEntries(entries: readonly [string, SnapshotEntry][]): Uint8Array {
  const builder = new SnapshotBuilder();
  for (const [name, e] of [...entries].sort(([a], [b]) => comparePaths(a, b))) {
    switch (e.kind) {
      case "dir":
        builder.add(name, "dir", 0);
        break;
      case "file":
        builder.add(name, "file", e.mode & 0o777, 0, Buffer.from(String(e.hash), "hex"));
        break;
      case "symlink":
        builder.add(name, "link", 0, 0, undefined, e.target);
        break;
      default: // from a caller's own code
        throw hostError("invalid_request", "the baseline holds an entry of an unknown kind", { path: name, field: "input.baseline.entries" });
    }
  }
  return builder.finish();
}

/** Opens a content of the source by its digest. */
function bodiesIn(root: string, source: Scanned): (digest: string) => number {
  let paths: Map<string, string> | undefined; // a merge may need none
  return (digest) => {
    paths ??= new Map(source.entries.flatMap((e) => (e.digest ? [[hex(e.digest), e.path]] : [])));
    const found = paths.get(digest);
    if (found === undefined) throw hostError("corrupt", "a content that the merge needs is not there");
    const top = Dir.open(root);
    try {
      return openBelow(top, found);
    } finally {
      top.close();
    }
  };
}
