import type { Run } from "./applyRun.js";
import { codeOf, ioError } from "./errors.js";
import { writeJournal } from "./journal.js";
import { join } from "./paths.js";
import type { Dir } from "./tree.js";

/**
 * A file system that is mounted inside the workspace, with a staging folder of the run on it. Nothing can be renamed
 * from one into another, so what comes there is staged there, and what was taken from there lies there: each change
 * stays one rename (promise D11).
 */
export interface Volume {
  /** Its top directory. */
  top: Dir;
  /** The staging folder in it. */
  dir: Dir;
}

/** Begins the name of a staging folder, which no scan lists, as it lists no AppleDouble file (promise D2). */
export const volumeStaging = "._paperclip-runtime.";

/** What is said of a staging folder that no journal here speaks of. */
export const staleDetail = "left by a run with another state folder; versions of your files may lie here";

/** A directory on the way to a path, while that is staged. */
export interface Level {
  path: string;
  /** Missing where there is none yet. */
  dir: Dir | undefined;
  /** From where a rename reaches it. */
  staging: Dir;
  /** Why there is no staging. */
  error?: unknown;
}

/** The directory at a path, with those above it kept open for the next one. */
export function reach(run: Run, path: string): Level {
  const { way } = run;
  while (way.length > 0 && !isAtOrBelow(path, way.at(-1)!.path)) stepBack(run);
  if (way.length === 0) step(run, { path: "", dir: run.root.walk(""), staging: run.home });
  for (const name of path.slice(way.at(-1)!.path.length).split("/").filter(Boolean)) {
    const last = way.at(-1)!;
    step(run, { ...last, path: join(last.path, name), dir: openIfDir(last.dir, name) });
  }
  return way.at(-1)!;
}

const isAtOrBelow = (path: string, top: string) => top === "" || path === top || path.startsWith(top + "/");

function openIfDir(dir: Dir | undefined, name: string): Dir | undefined {
  try {
    return dir?.openDir(name);
  } catch {
    return undefined; // the change itself reports what can't be opened
  }
}

/** Goes on to a directory. One that no rename reaches from above is a volume of its own. */
function step(run: Run, level: Level): void {
  run.way.push(level);
  const known = run.volumes.get(level.path);
  if (known) {
    level.staging = known.dir;
    delete level.error;
  } else if (level.dir && (level.error !== undefined || apart(run, level.staging, level.dir))) {
    delete level.error;
    try {
      level.staging = makeVolume(run, level.path, level.dir);
    } catch (error) {
      level.error = error;
    }
  }
}

/**
 * Whether a directory lies on a file system that is mounted below the top of the workspace, whether staging could be
 * made there or not.
 */
export function isMounted(run: Run, level: Level): boolean {
  const top = run.way[0]!;
  return level.staging !== top.staging || (level.error !== undefined && top.error === undefined);
}

function stepBack(run: Run): void {
  run.way.pop()!.dir?.close();
}

/** Closes what {@link reach} keeps open. */
export function goBack(run: Run): void {
  while (run.way.length > 0) stepBack(run);
}

/**
 * Whether no rename leads from one directory to another. The kernel is asked by a rename of nothing, because one file
 * system that is mounted twice is two for it; a volume inside a volume, as of btrfs, is only told by its number.
 */
function apart(run: Run, from: Dir, to: Dir): boolean {
  try {
    run.rename(from, "none", to, "none");
  } catch (error) {
    if (codeOf(error) === "EXDEV") return true;
  }
  return from.device() !== to.device();
}

/** Makes a staging folder in a directory. The journal names it before it is there. */
function makeVolume(run: Run, path: string, dir: Dir): Dir {
  const { stateDir, run: id } = run.request;
  dir.assertWritable();
  run.journal.volumes.push(path);
  writeJournal(stateDir, run.journal);
  run.fault("volume " + path);
  try {
    dir.mkdir(volumeStaging + id, 0o700);
  } catch (error) {
    run.journal.volumes.pop(); // each directory below tries again
    throw error;
  }
  const volume = openVolume(run.root, path, id);
  run.volumes.set(path, volume);
  return volume.dir;
}

/** Opens the staging folder of a run in a directory. */
export function openVolume(root: Dir, path: string, run: string): Volume {
  const top = root.walk(path);
  try {
    return { top, dir: top.openDir(volumeStaging + run) };
  } catch (error) {
    top.close();
    throw error;
  }
}

export function closeVolume({ top, dir }: Volume): void {
  top.close();
  dir.close();
}

/** Removes the staging folders of all volumes. */
export function dropVolumes(run: Run): void {
  for (const [path, { top }] of run.volumes) {
    try {
      top.removeAll(volumeStaging + run.request.run);
    } catch (error) {
      throw ioError("the staging folder can't be removed", path, error);
    }
  }
}
