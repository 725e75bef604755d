import fs from "node:fs";

import { PlannerError } from "../errors.js";
import type { Problem } from "../types.js";
import { drop } from "./apply.js";
import { movedName, Run, runtimeDir, stagedName, type ApplyRequest } from "./applyRun.js";
import { holds } from "./applyHolds.js";
import type { EntryState } from "../types.js";
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
export function recover(root: string, stateDir: string, rules: RecoverRules, stop: Stop): Problem[] {
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
    const problems = journal ? recoverRun(top, journal, stateDir, stop) : [];
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
    const detail = "left by a run with another state folder; versions of your files may lie here";
    return shown.sort().map((name) => stale(`${runtimeDir}/staging/${name}`, detail));
  } catch (error) {
    throw ioError("the staging folder can't be read", runtimeDir, error);
  } finally {
    dir.close();
  }
}

function recoverRun(top: Dir, journal: Journal, stateDir: string, stop: Stop): Problem[] {
  let staging: Dir;
  try {
    staging = top.walk(`${runtimeDir}/staging/${journal.run}`);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw ioError("the staging folder can't be opened", runtimeDir, error);
    removeJournal(stateDir);
    return [];
  }
  const request = { root: "", run: journal.run, stateDir, decisions: [], stop, open: notHere, copyName: notHere } satisfies ApplyRequest;
  const run = new Run(request, top, staging);
  const problems: Problem[] = [];
  try {
    for (const record of journal.records) {
      stop.throwIfStopped("stopped while an interrupted run was recovered");
      try {
        problems.push(...recoverOne(run, record));
      } catch (error) {
        throw ioError("an interrupted run can't be recovered", record.path, error);
      }
    }
  } finally {
    run.leave();
    staging.close();
  }
  drop(request, top);
  return problems;
}

function notHere(): never {
  throw hostError("io_failed", "recovery copies nothing");
}

/** Decides by what lies in staging: under n<i> the new entry; under o<i> an old one that was moved. */
function recoverOne(run: Run, record: JournalRecord): Problem[] {
  const moved = movedName(record.index);
  if (run.staging.look(moved)) {
    if (record.new === null && isExactly(run.staging, moved, record.old)) return keep(run, record, moved);
    return wentBack(run, record, moved) ? [] : keep(run, record, moved);
  }
  const staged = stagedName(record.index);
  if (!run.staging.look(staged)) return [];
  if (record.new && isExactly(run.staging, staged, record.new)) return []; // never put in place
  return keep(run, record, staged); // the Go host exchanges: then the old version has the staged name
}

function wentBack(run: Run, record: JournalRecord, moved: string): boolean {
  let place: { dir: Dir; name: string };
  try {
    place = run.enter(record.path);
  } catch {
    return false; // the directory that held it is gone; it is kept aside
  }
  try {
    run.staging.renameNoReplace(moved, place.dir, place.name);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST" || codeOf(error) === "EPERM") return false;
    throw error;
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
function keep(run: Run, record: JournalRecord, name: string): Problem[] {
  if (!record.displace && isExactly(run.staging, name, record.old)) return [];
  const copy = run.displace(name, record.path);
  return [{ path: record.path, code: "stale_staging", detail: `an interrupted run had replaced a version of it, which is kept as ${copy}` }];
}
