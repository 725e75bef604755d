import { createHash } from "node:crypto";
import fs from "node:fs";

import { maxSingleSyncs } from "./apply.js";
import { failure, stagedName, type Run } from "./applyRun.js";
import type { Decision } from "../types.js";
import { executable } from "./applyHolds.js";
import { goBack, isMounted, reach, type Level } from "./applyVolume.js";
import { codeOf, ioError } from "./errors.js";
import { writeAll } from "./stage.js";
import { nameOf, parentOf } from "./paths.js";
import type { Dir } from "./tree.js";

/**
 * Makes the new entries beside the workspace's own, each on the file system that it
 * comes to. A full disk stops the run before anything changed; any other failure
 * concerns one decision, as does a file system that is mounted there and full.
 */
export function stageAll(run: Run): void {
  const { decisions, stop } = run.request;
  const files = decisions.filter((d) => isStaged(d) && d.want!.kind === "file").length;
  const flush = files <= maxSingleSyncs;
  decisions.forEach((d, i) => {
    if (!moves(d)) return;
    stop.throwIfStopped("stopped before anything was changed");
    let level: Level | undefined;
    try {
      if (d.action !== "aside") level = reach(run, parentOf(run.dest(i)));
      if (level?.error !== undefined) throw level.error;
      if (isStaged(d)) stageWhole(run, i, flush);
    } catch (error) {
      if (codeOf(error) === "ENOSPC" && !(level && isMounted(run, level))) {
        throw ioError("the workspace's disk is full; nothing was changed", d.path, error);
      }
      run.results[i] = failure(error);
    }
  });
  goBack(run);
  if (!flush) flushStaged(run);
}

/** Flushes all that was staged. What can't be flushed where something is mounted does not come. */
function flushStaged(run: Run): void {
  const parts: [string, Dir][] = [["", run.home]];
  for (const [path, { dir }] of run.volumes) parts.push([path, dir]);
  for (const [path, staging] of parts) {
    try {
      run.fault(`flush ${path}`);
      if (!staging.syncFileSystem()) syncEach(staging);
    } catch (error) {
      if (path === "") throw ioError("the staged files can't be flushed", "", error);
      failIn(run, staging, error);
    }
  }
}

/** Gives up all that was made in a staging folder. */
function failIn(run: Run, staging: Dir, error: unknown): void {
  run.request.decisions.forEach((d, i) => {
    if (isStaged(d) && !run.results[i] && run.staging(i) === staging) run.results[i] = failure(error);
  });
}

/** Whether a decision moves something from or into staging. */
function moves(d: Decision): boolean {
  return isStaged(d) || (d.action === "delete" && d.expect!.kind !== "dir");
}

/** Whether a decision needs an entry in staging. A new directory is made in place, in one step. */
export function isStaged(d: Decision): boolean {
  switch (d.action) {
    case "write":
      return d.want!.kind !== "dir" || (d.expect !== undefined && d.expect.kind !== "dir");
    case "copy":
    case "aside":
      return d.want!.kind !== "dir";
  }
  return false;
}

/** Makes one new entry in staging, or nothing: half a file would take the room of others. */
function stageWhole(run: Run, i: number, flush: boolean): void {
  try {
    stageOne(run, i, flush);
  } catch (error) {
    try {
      run.staging(i).removeAll(stagedName(i));
    } catch {
      // It goes with the run's staging.
    }
    throw error;
  }
}

/** Makes one new entry in staging. */
function stageOne(run: Run, i: number, flush: boolean): void {
  const d = run.decision(i);
  const want = d.want!;
  run.fault("stage " + d.path);
  switch (want.kind) {
    case "dir":
      return run.staging(i).mkdir(stagedName(i), (want.mode ?? 0) | 0o700);
    case "link":
      return run.staging(i).symlink(want.target ?? "", stagedName(i));
    case "file":
      return stageFile(run, i, flush);
  }
}

/**
 * Copies a body. A new file gets the sandbox's permissions, less what this
 * process's umask takes away; one that replaces a file keeps that one's, but for
 * the executable bit.
 */
function stageFile(run: Run, i: number, flush: boolean): void {
  const d = run.decision(i);
  const want = d.want!;
  const mode = ((want.mode ?? 0) & 0o777) | 0o600;
  const fd = run.staging(i).create(stagedName(i), executable(want) ? mode : mode & ~0o111);
  try {
    if (d.merged !== undefined) writeAll(fd, Buffer.from(d.merged, "base64"));
    else copyBody(run, fd, want.digest ?? "");
    const kept = keptMode(run, d);
    if (kept !== undefined) fs.fchmodSync(fd, kept);
    if (flush) fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const buffer = Buffer.allocUnsafe(128 << 10);

function copyBody(run: Run, fd: number, digest: string): void {
  const source = run.request.open(digest);
  const hash = createHash("sha256");
  try {
    for (;;) {
      const n = fs.readSync(source, buffer, 0, buffer.length, null);
      if (n === 0) break;
      hash.update(buffer.subarray(0, n));
      writeAll(fd, buffer.subarray(0, n));
    }
  } finally {
    fs.closeSync(source);
  }
  if (hash.digest("hex") !== digest) throw new Error("the content is not what was planned any more");
}

/**
 * The permissions of the file that a write replaces; undefined where there is none, or the write itself will report
 * why.
 */
function keptMode(run: Run, d: Decision): number | undefined {
  if (d.action !== "write" || d.expect?.kind !== "file") return undefined;
  const path = d.dest ?? d.path;
  const info = reach(run, parentOf(path)).dir?.look(nameOf(path));
  return info?.kind === "file" ? withExecutable(info.mode, executable(d.want!)) : undefined;
}

/** Sets the executable bit for all who may read, or clears it. */
export function withExecutable(mode: number, on: boolean): number {
  if (on === ((mode & 0o100) !== 0)) return mode;
  return on ? mode | 0o100 | ((mode & 0o444) >> 2) : mode & ~0o111;
}

function syncEach(staging: Dir): void {
  for (const name of staging.names()) {
    if (staging.lstat(name).kind !== "file") continue;
    const fd = staging.openFile(name);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  }
}
