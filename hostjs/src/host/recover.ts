import fs from "node:fs";

import { PlannerError } from "../errors.js";
import type { Decision, EntryState, Problem } from "../types.js";
import { drop } from "./apply.js";
import { makeDirs, movedName, Run, runtimeDir, stagedName, type ApplyRequest } from "./applyRun.js";
import { holds } from "./applyHolds.js";
import { closeVolume, openVolume, staleDetail, type Volume } from "./applyVolume.js";
import { codeOf, hostError, ioError } from "./errors.js";
import { journalPath, readJournal, removeJournal, type Journal, type JournalRecord } from "./journal.js";
import type { Stop } from "./stop.js";
import { Dir, type Name } from "./tree.js";

/** What recovery needs from the core. */
export interface RecoverRules {
  validPath(path: string): boolean;
  display(name: Name): string;
}

/**
 * Finishes what a killed run left: puts back what lies under a journalled name
 * while its path is absent, keeps edits that were displaced, and removes the rest
 * of the run's staging. It may be interrupted itself and run again. A staging
 * folder that no journal here speaks of is left and reported. The caller holds the
 * workspace's lock.
 */
export function recover(root: string, stateDir: string, rules: RecoverRules, stop: Stop, tests: Pick<ApplyRequest, "crosses"> = {}): Problem[] {
  let top: Dir;
  try {
    top = Dir.open(root);
  } catch (error) {
    throw ioError("the workspace can't be opened", root, error);
  }
  try {
    const journal = readOrPutAside(stateDir, rules);
    if (journal === "damaged") {
      // Nothing in staging is touched: it may hold the only copy of something.
      return [stale(runtimeDir + "/staging", "the journal of an interrupted run is damaged; versions of your files may lie here")];
    }
    const problems = journal ? recoverRun(top, journal, { ...nothing, ...tests, stateDir, stop, run: journal.run, decisions: journal.records.map(decisionOf) }) : [];
    return [...problems, ...staleFolders(top, rules)];
  } finally {
    top.close();
  }
}

const stale = (path: string, detail: string): Problem => ({ path, code: "stale_staging", detail });

function readOrPutAside(stateDir: string, rules: RecoverRules): Journal | "damaged" | undefined {
  try {
    return readJournal(stateDir, (path) => rules.validPath(path));
  } catch (error) {
    if (!(error instanceof PlannerError) || error.code !== "corrupt") throw error;
  }
  try {
    fs.renameSync(journalPath(stateDir), journalPath(stateDir) + ".damaged");
  } catch (error) {
    throw ioError("the damaged journal can't be put aside", stateDir, error);
  }
  return "damaged";
}

/** Staging folders of other state folders. */
function staleFolders(top: Dir, rules: RecoverRules): Problem[] {
  let dir: Dir;
  try {
    dir = top.walk(runtimeDir + "/staging");
  } catch (error) {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return [];
    throw ioError("the staging folder can't be read", runtimeDir, error);
  }
  try {
    const shown = dir.names().map((name) => rules.display(name));
    return shown.sort().map((name) => stale(`${runtimeDir}/staging/${name}`, staleDetail));
  } catch (error) {
    throw ioError("the staging folder can't be read", runtimeDir, error);
  } finally {
    dir.close();
  }
}

const nothing = { root: "", open: notHere, copyName: notHere } satisfies Partial<ApplyRequest>;

const decisionOf = ({ path }: JournalRecord): Decision => ({ path, row: "", action: "write" });

function recoverRun(top: Dir, journal: Journal, request: ApplyRequest): Problem[] {
  const run = reopen(top, journal, request);
  if (!run) {
    removeJournal(request.stateDir);
    return [];
  }
  const problems: Problem[] = [];
  try {
    for (const [i, record] of journal.records.entries()) {
      request.stop.throwIfStopped("stopped while an interrupted run was recovered");
      try {
        problems.push(...recoverOne(run, i, record));
      } catch (error) {
        throw ioError("an interrupted run can't be recovered", record.path, error);
      }
    }
    run.leave();
    drop(run);
  } finally {
    run.close();
  }
  return problems;
}

/**
 * Opens the staging folders of a killed run. Where the first one was removed by hand while others are there it is made
 * again; where there is none nothing was begun.
 */
function reopen(top: Dir, journal: Journal, request: ApplyRequest): Run | undefined {
  const volumes = new Map<string, Volume>();
  try {
    for (const path of journal.volumes) {
      const volume = unlessGone(path, ["ENOENT", "ENOTDIR"], () => openVolume(top, path, journal.run));
      if (volume) volumes.set(path, volume);
    }
    const staging = `${runtimeDir}/staging/${journal.run}`;
    const home = unlessGone(runtimeDir, ["ENOENT"], () => top.walk(staging)) ?? (volumes.size > 0 ? makeDirs(top, staging) : undefined);
    return home && new Run(request, top, journal, home, volumes);
  } catch (error) {
    for (const volume of volumes.values()) closeVolume(volume);
    throw error;
  }
}

function unlessGone<T>(path: string, gone: string[], open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (gone.includes(codeOf(error))) return undefined;
    throw ioError("the staging folder can't be opened", path, error);
  }
}

function notHere(): never {
  throw hostError("io_failed", "recovery copies nothing");
}

/** Decides by what lies in staging: under n<i> the new entry; under o<i> an old one that was moved. */
function recoverOne(run: Run, i: number, record: JournalRecord): Problem[] {
  const moved = movedName(record.index);
  const staging = run.staging(i);
  if (staging.look(moved)) {
    if (record.new === null && isExactly(staging, moved, record.old)) return keep(run, i, record, moved);
    return wentBack(run, i, record, moved) ? [] : keep(run, i, record, moved);
  }
  const staged = stagedName(record.index);
  if (!staging.look(staged)) return [];
  if (record.new && isExactly(staging, staged, record.new)) return []; // never put in place
  if (record.new?.kind === "dir" && isDir(staging, staged) && !standsDir(run, record.path)) return []; // the same, filled already
  return keep(run, i, record, staged); // the Go host exchanges: then the old version has the staged name
}

function wentBack(run: Run, i: number, record: JournalRecord, moved: string): boolean {
  let place: { dir: Dir; name: string };
  try {
    place = run.enter(record.path);
  } catch {
    return false; // the directory that held it is gone; it is kept aside
  }
  try {
    run.renameNoReplace(run.staging(i), moved, place.dir, place.name);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST" || codeOf(error) === "EPERM") return false;
    throw error;
  }
}

function isDir(dir: Dir, name: string): boolean {
  return dir.look(name)?.kind === "dir";
}

function standsDir(run: Run, path: string): boolean {
  try {
    const { dir, name } = run.enter(path);
    return isDir(dir, name);
  } catch {
    return false;
  }
}

function isExactly(dir: Dir, name: string, e: EntryState): boolean {
  try {
    return holds(dir, name, e);
  } catch {
    return false;
  }
}

/** Moves an old version to where displaced ones go, unless it is the one that the plan meant to drop. */
function keep(run: Run, i: number, record: JournalRecord, name: string): Problem[] {
  if (!record.displace && isExactly(run.staging(i), name, record.old)) return [];
  const copy = run.displace(i, name);
  return [{ path: record.path, code: "stale_staging", detail: `an interrupted run had replaced a version of it, which is kept as ${copy}` }];
}
