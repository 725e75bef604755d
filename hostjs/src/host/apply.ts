import { done, dropStaging, failure, makeDirs, Run, runtimeDir, type ApplyRequest } from "./applyRun.js";
import { chmod, copy, keepAside, remove, write } from "./applyChange.js";
import { holds } from "./applyHolds.js";
import { settleCarried } from "./applyCarry.js";
import { fill, settleBelow } from "./applyFill.js";
import { stageAll } from "./applyStage.js";
import { dropVolumes } from "./applyVolume.js";
import type { Result } from "../types.js";
import { ioError } from "./errors.js";
import { recordsOf, removeJournal, writeJournal, type Journal } from "./journal.js";
import { Dir } from "./tree.js";

export type { ApplyRequest } from "./applyRun.js";

/**
 * What an apply did. Without results nothing was changed. With an error some decisions are done, and base takes
 * those.
 */
export interface Applied {
  results?: Result[];
  error?: unknown;
}

/** The number of directories or files up to which each is flushed for itself. */
export const maxSingleSyncs = 64;

/**
 * Makes the decided changes in the workspace. At every instant each path is old or
 * new, or absent between two calls while its old version lies under a journalled
 * name (promise D11); what is displaced is checked to be what the plan saw, and an
 * edit that slipped in is kept (promises D12, D16).
 */
export function apply(request: ApplyRequest): Applied {
  if (request.decisions.every((d) => d.action === "keep")) return { results: request.decisions.map(() => done) };
  let root: Dir;
  try {
    root = Dir.open(request.root);
  } catch (error) {
    return { error: ioError("the workspace can't be opened", request.root, error) };
  }
  try {
    return applyIn(request, root);
  } finally {
    root.close();
  }
}

function applyIn(request: ApplyRequest, root: Dir): Applied {
  let run: Run;
  try {
    run = begin(request, root);
  } catch (error) {
    abandon(() => dropHome(request, root));
    return { error };
  }
  try {
    return carryOut(run);
  } finally {
    run.close();
  }
}

function begin(request: ApplyRequest, root: Dir): Run {
  const journal: Journal = { run: request.run, volumes: [], records: [] };
  writeJournal(request.stateDir, journal);
  return new Run(request, root, journal, makeStaging(request, root));
}

function carryOut(run: Run): Applied {
  try {
    prepare(run);
  } catch (error) {
    abandon(() => drop(run));
    return { error };
  }
  changeAll(run);
  const results = run.results as Result[];
  try {
    settle(run);
    run.leave();
    drop(run);
  } catch (error) {
    return { results, error }; // the journal stays, and the next run completes what is left
  }
  return { results };
}

function abandon(removal: () => void): void {
  try {
    removal();
  } catch {
    // The journal says that nothing was changed, and the next run removes the staging.
  }
}

/** Stages all new entries, flushes them and writes the journal, before the first change. */
function prepare(run: Run): void {
  stageAll(run);
  try {
    run.fault("staged");
  } catch (error) {
    throw ioError("staging failed", "", error);
  }
  run.journal.records = recordsOf(run.request);
  writeJournal(run.request.stateDir, run.journal);
  run.fault("journal");
}

function makeStaging(request: ApplyRequest, root: Dir): Dir {
  try {
    const all = makeDirs(root, `${runtimeDir}/staging`);
    try {
      all.mkdir(request.run, 0o700);
      return all.openDir(request.run);
    } finally {
      all.close();
    }
  } catch (error) {
    throw ioError("the staging folder can't be made", runtimeDir, error);
  }
}

/**
 * Makes the changes: deletes deepest first, writes in path order, then the rest. It goes on after a failure, which
 * concerns one path.
 */
function changeAll(run: Run): void {
  const { decisions, stop, progress } = run.request;
  let count = 0;
  const change = (i: number, how: (run: Run, i: number) => Result) => {
    if (run.results[i]) return; // could not be staged
    if (stop.stopped) {
      run.results[i] = { status: "failed", code: "write_failed", detail: "not reached: the run was stopped" };
      return;
    }
    try {
      run.results[i] = how(run, i);
      run.fault(`after ${i}`);
    } catch (error) {
      run.results[i] = failure(error);
    }
    progress?.(++count);
  };
  for (let i = decisions.length - 1; i >= 0; i--) if (decisions[i]!.action === "delete") change(i, remove);
  for (let i = 0; i < decisions.length; i++) {
    if (decisions[i]!.action !== "write") continue;
    const below = fill(run, i, (j) => change(j, write));
    change(i, write);
    i += settleBelow(run, i, below);
  }
  const others = { chmod, copy, aside: keepAside, keep: () => done };
  decisions.forEach((d, i) => d.action !== "delete" && d.action !== "write" && change(i, others[d.action]));
}

/**
 * Looks at every displaced version once more, because a program may have held it
 * open (promise D12), and flushes the directories that changed.
 */
function settle(run: Run): void {
  const keepEdited = (i: number, name: string) => {
    try {
      run.results[i] = { status: "edited_meanwhile", copy: run.displace(i, name) };
    } catch {
      // run.stuck says so, and the others are looked at.
    }
  };
  for (const { decision, name } of run.olds) if (!stillHolds(run, decision, name)) keepEdited(decision, name);
  settleCarried(run, keepEdited);
  if (run.stuck) throw run.stuck;
  try {
    run.fault("settled");
  } catch (error) {
    throw ioError("the run can't be completed", "", error);
  }
  run.leave();
  if (run.touched.size > maxSingleSyncs && run.stagings().every((dir) => dir.syncFileSystem())) return;
  for (const path of run.touched) flush(run.root, path);
}

function stillHolds(run: Run, i: number, name: string): boolean {
  try {
    return holds(run.staging(i), name, run.decision(i).expect!);
  } catch {
    return false; // what can't be read is kept
  }
}

function flush(root: Dir, path: string): void {
  let dir: Dir;
  try {
    dir = root.walk(path);
  } catch {
    return; // it was removed since
  }
  try {
    dir.sync();
  } catch (error) {
    throw ioError("a directory can't be flushed", path, error);
  } finally {
    dir.close();
  }
}

/** Removes the run's staging and its journal. */
export function drop(run: Run): void {
  dropVolumes(run);
  dropHome(run.request, run.root);
}

function dropHome(request: ApplyRequest, root: Dir): void {
  dropStaging(root, request.run);
  removeJournal(request.stateDir);
}
