import type { Decision, Result } from "../types.js";
import { executable, holds } from "./applyHolds.js";
import { moveAside } from "./applyMove.js";
import { done, movedName, NotEmpty, stagedName, type Run } from "./applyRun.js";
import { isStaged, withExecutable } from "./applyStage.js";
import { sha256 } from "./digest.js";
import { codeOf } from "./errors.js";
import { join, parentOf } from "./paths.js";
import { type Dir, TreeError } from "./tree.js";

const slipped = (copy?: string): Result => ({ status: "edited_meanwhile", ...(copy && { copy }) });

/** Takes a path out of the tree, and puts it back if it is not what the plan saw. */
export function remove(run: Run, i: number): Result {
  const d = run.decision(i);
  const place = unless("ENOENT", () => run.enter(d.path));
  if (!place) return done;
  if (d.expect!.kind === "dir") return removeEmpty(place.dir, place.name);
  const moved = movedName(i);
  if (!moveAside(run, i, place, moved)) return done;
  run.fault("moved " + d.path);
  if (!heldOrBack(run, i, moved)) return slipped(putBack(run, i, moved));
  run.olds.push({ decision: i, name: moved });
  return done;
}

function removeEmpty(dir: Dir, name: string): Result {
  try {
    dir.rmdir(name);
  } catch (error) {
    switch (codeOf(error)) {
      case "ENOENT":
        return done;
      case "ENOTEMPTY":
      case "EEXIST":
        throw new NotEmpty();
      case "ENOTDIR":
        return slipped(); // it became something else: that stays
    }
    throw error;
  }
  return done;
}

/** Whether a version that was moved aside is what the plan saw. Where that can't be told it goes back. */
function heldOrBack(run: Run, i: number, moved: string): boolean {
  try {
    return holds(run.staging(i), moved, run.decision(i).expect!);
  } catch (error) {
    putBack(run, i, moved);
    throw error;
  }
}

/** Returns a version to its path. Where that is taken again it is kept aside, and the result says where. */
function putBack(run: Run, i: number, moved: string): string | undefined {
  try {
    const { dir, name } = run.enter(run.dest(i));
    run.renameNoReplace(run.staging(i), moved, dir, name);
    return undefined;
  } catch {
    return run.displace(i, moved);
  }
}

/** Makes dest be want. */
export function write(run: Run, i: number): Result {
  const d = run.decision(i);
  const place = run.enter(run.dest(i));
  if (d.want!.kind === "dir" && !isStaged(d)) return makeDir(place, d);
  return d.expect ? replace(run, i, place) : create(run, i, place);
}

function makeDir({ dir, name }: { dir: Dir; name: string }, d: Decision): Result {
  try {
    dir.mkdir(name, ((d.want!.mode ?? 0) & 0o777) | 0o700);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    if (dir.lstat(name).kind !== "dir") throw new Error("something else was made there meanwhile");
  }
  return done;
}

/** Moves a staged entry to where nothing stands. */
function create(run: Run, i: number, { dir, name }: { dir: Dir; name: string }): Result {
  try {
    run.renameNoReplace(run.staging(i), stagedName(i), dir, name);
    return done;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
    return holds(dir, name, run.decision(i).want!) ? done : copyBeside(run, i);
  }
}

/**
 * Moves the old entry aside and the new one in, never over anything. Between the
 * two calls the path is absent; the journal tells the next run where the old one
 * lies.
 */
function replace(run: Run, i: number, place: { dir: Dir; name: string }): Result {
  const d = run.decision(i);
  const moved = movedName(i);
  if (!moveAside(run, i, place, moved)) return create(run, i, place); // deleted meanwhile: the newer version comes back
  run.fault("moved " + d.path);
  if (!d.displace && !heldOrBack(run, i, moved)) return editedMeanwhile(run, i, moved);
  const far = d.displace && run.staging(i) !== run.home;
  let result: Result;
  let copy: string | undefined;
  try {
    if (far) copy = run.displaceTo(i, moved); // what can't be copied goes back
    result = create(run, i, run.enter(run.dest(i)));
  } catch (error) {
    putBack(run, i, moved);
    throw error;
  }
  if (d.displace) return { ...result, copy: copy ?? run.displace(i, moved) };
  run.olds.push({ decision: i, name: moved });
  return result;
}

/** An edit slipped in before the old version was moved: it goes back to its path, and the new one beside it. */
function editedMeanwhile(run: Run, i: number, moved: string): Result {
  putBack(run, i, moved);
  if (run.decision(i).expect!.kind === "dir") throw new NotEmpty();
  return copyBeside(run, i);
}

/** Gives a file the executable bit of want. */
export function chmod(run: Run, i: number): Result {
  const d = run.decision(i);
  const { dir, name } = run.enter(run.dest(i));
  const info = dir.lstat(name);
  if (info.kind !== "file") throw new TreeError("ENOTFILE");
  const mode = withExecutable(info.mode, executable(d.want!));
  if (mode !== info.mode) dir.chmod(name, mode);
  return done;
}

/** Writes want at dest, beside what stays at path. */
export function copy(run: Run, i: number): Result {
  const d = run.decision(i);
  const place = run.enter(run.dest(i));
  if (d.want!.kind === "dir") return makeDir(place, d);
  const result = create(run, i, place);
  return { ...result, status: "done" };
}

/** Writes the staged version of a decision beside its path, because an edit stands there that the plan did not know. */
function copyBeside(run: Run, i: number): Result {
  const d = run.decision(i);
  const want = d.want!;
  const digest = want.kind === "link" ? sha256(want.target ?? "") : (want.digest ?? "");
  for (let skip = 0; skip < maxCopies; skip++) {
    const path = run.request.copyName(d.path, digest, skip);
    const { dir, name } = run.enter(path);
    try {
      run.renameNoReplace(run.staging(i), stagedName(i), dir, name);
      return slipped(path);
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error;
      if (holds(dir, name, want)) return slipped(path);
    }
  }
  throw new Error(`no free name for a conflict copy after ${maxCopies} tries`);
}

const maxCopies = 1000;

/** Keeps want where displaced versions go and leaves path alone. */
export function keepAside(run: Run, i: number): Result {
  const d = run.decision(i);
  const dest = run.dest(i);
  if (d.want!.kind !== "dir") return { status: "done", copy: run.displaceTo(i, stagedName(i)) };
  const below = run.displacedDir(join(dest, "x"));
  below.dir.close();
  return { status: "done", copy: run.displacedPath(parentOf(below.dest)) };
}

/** The outcome of a call, or undefined where the system says that word. */
function unless<T>(code: string, call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (codeOf(error) === code) return undefined;
    throw error;
  }
}
