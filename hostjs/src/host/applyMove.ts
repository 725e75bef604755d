import type { Run } from "./applyRun.js";
import { codeOf } from "./errors.js";
import type { Dir, Name } from "./tree.js";

/**
 * Moves what stands at a path to a name in staging, which is this run's own; false where nothing stands there. Some
 * file systems can't rename a directory, as overlayfs can't one of a lower layer, such as a container's image: then
 * what is in it moves, name by name. Where that fails half way all goes back, or to where displaced versions go.
 */
export function moveAside(run: Run, i: number, { dir, name }: { dir: Dir; name: string }, moved: string): boolean {
  const staging = run.staging(i);
  try {
    take(run, dir, name, staging, moved);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    if (codeOf(error) !== "EXDEV" || dir.lstat(name).kind !== "dir") throw error;
  }
  try {
    moveDir(run, dir, name, staging, moved);
    return true;
  } catch (error) {
    if (staging.look(moved)) giveBack(run, i, { dir, name }, moved);
    throw error;
  }
}

function giveBack(run: Run, i: number, { dir, name }: { dir: Dir; name: string }, moved: string): void {
  try {
    moveDir(run, run.staging(i), moved, dir, name);
  } catch {
    run.displace(i, moved);
  }
}

function take(run: Run, from: Dir, name: Name, to: Dir, as: Name): void {
  run.fault(`rename ${String(name)}`);
  run.rename(from, name, to, as);
}

/** Moves a directory by moving what is in it, into one that may be there already. */
function moveDir(run: Run, from: Dir, name: Name, to: Dir, as: Name): void {
  if (!to.look(as)) to.mkdir(as, from.lstat(name).mode | 0o700);
  const source = from.openDir(name);
  try {
    const target = to.openDir(as);
    try {
      for (const n of source.names()) moveOne(run, source, n, target);
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
  from.rmdir(name);
}

function moveOne(run: Run, source: Dir, name: Name, target: Dir): void {
  try {
    if (target.look(name)) throw Object.assign(new Error("something was made there meanwhile"), { code: "EEXIST" });
    take(run, source, name, target, name);
  } catch (error) {
    if ((codeOf(error) !== "EXDEV" && codeOf(error) !== "EEXIST") || source.lstat(name).kind !== "dir") throw error;
    moveDir(run, source, name, target, name);
  }
}
