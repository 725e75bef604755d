import fs from "node:fs";
import path from "node:path";

import type { Decision, Result } from "../types.js";
import { carry, isSame, type Carried } from "./applyCarry.js";
import { closeVolume, goBack, type Level, type Volume } from "./applyVolume.js";
import { codeOf, ioError, reason } from "./errors.js";
import type { Journal } from "./journal.js";
import type { Stop } from "./stop.js";
import { join, nameOf, parentOf } from "./paths.js";
import type { Dir, Name } from "./tree.js";

/** The folder at the root of a workspace that belongs to syncplan. */
export const runtimeDir = ".paperclip-runtime";

/** What one run changes in the workspace. */
export interface ApplyRequest {
  /** Real path of the workspace. */
  root: string;
  /** Names the run's folders. */
  run: string;
  /** Where the journal lies. */
  stateDir: string;
  decisions: readonly Decision[];
  /** Opens the content with a digest, which is checked as it is copied. The callee closes it. */
  open(digest: string): number;
  /** The name of a conflict copy, passing over so many that are taken. */
  copyName(path: string, digest: string, skip: number): string;
  stop: Stop;
  /** Told how many decisions are done. */
  progress?(done: number): void;
  /**
   * Called at each point at which a run may be killed or fail, for tests: what it throws is taken for a failure of
   * the file system.
   */
  fault?(point: string): void;
  /** Asked whether a rename leads to another file system, for tests. */
  crosses?(from: Dir, to: Dir): boolean;
}

/**
 * A version that was taken from its path and is dropped when the run ends, unless
 * somebody still wrote to it.
 */
export interface Old {
  decision: number;
  /** In staging. */
  name: string;
}

/** Something unlisted is in a directory that should go. */
export class NotEmpty extends Error {
  constructor() {
    super("something that does not travel is in it");
  }
}

/**
 * One request being carried out. Staged entries are called n<i> after the index of their decision, versions moved out
 * of the way o<i>.
 */
export class Run {
  readonly results: (Result | undefined)[];
  readonly olds: Old[] = [];
  readonly carried: Carried[] = [];
  /** While staging goes on. */
  readonly way: Level[] = [];
  /** A version in staging that could not be moved to where it belongs. */
  stuck: unknown;
  readonly touched = new Set<string>();
  /** A directory in staging that is filled before it comes to a path, see fill. */
  filled: { dir: Dir; path: string } | undefined;
  private parent: Dir | undefined; // of the last path
  private at = "";

  constructor(
    readonly request: ApplyRequest,
    readonly root: Dir,
    readonly journal: Journal,
    /** Staging of the workspace's own file system. */
    readonly home: Dir,
    /** The file systems beside that, by their paths. */
    readonly volumes = new Map<string, Volume>(),
  ) {
    this.results = new Array<Result | undefined>(request.decisions.length);
  }

  decision(i: number): Decision {
    return this.request.decisions[i]!;
  }

  dest(i: number): string {
    return this.decision(i).dest ?? this.decision(i).path;
  }

  fault(point: string): void {
    this.request.fault?.(point);
  }

  /** The folder in which the entries of a decision lie. */
  staging(i: number): Dir {
    const { action, path, dest = path } = this.decision(i);
    if (this.volumes.size === 0 || action === "aside") return this.home;
    for (let dir = parentOf(dest); ; dir = parentOf(dir)) {
      const volume = this.volumes.get(dir);
      if (volume || dir === "") return volume?.dir ?? this.home;
    }
  }

  /** All folders of the run. */
  stagings(): Dir[] {
    return [this.home, ...[...this.volumes.values()].map((v) => v.dir)];
  }

  /** Moves name to a name in another directory where nothing can stand. */
  rename(from: Dir, name: Name, to: Dir, newName: Name): void {
    this.assertPasses(from, to);
    from.rename(name, to, newName);
  }

  /** Moves name to a name in another directory. One that exists there is EEXIST. */
  renameNoReplace(from: Dir, name: Name, to: Dir, newName: Name): void {
    this.assertPasses(from, to);
    from.renameNoReplace(name, to, newName);
  }

  private assertPasses(from: Dir, to: Dir): void {
    if (this.request.crosses?.(from, to)) throw Object.assign(new Error("cross-device link"), { code: "EXDEV" });
  }

  /** Closes what the run holds open below the workspace. */
  close(): void {
    this.leave();
    goBack(this);
    for (const volume of this.volumes.values()) closeVolume(volume);
    this.home.close();
  }

  /** Opens the directory that holds a path, component by component, until the next one is asked for. */
  enter(path: string): { dir: Dir; name: string } {
    const parent = parentOf(path);
    if (!this.parent || this.at !== parent) {
      this.leave();
      const { filled } = this;
      this.parent = filled && `${parent}/`.startsWith(`${filled.path}/`) ? filled.dir.walk(parent.slice(filled.path.length + 1)) : this.root.walk(parent);
      this.at = parent;
    }
    this.touched.add(parent);
    return { dir: this.parent, name: nameOf(path) };
  }

  leave(): void {
    this.parent?.close();
    this.parent = undefined;
  }

  /** Where displaced versions of this run lie, relative to the workspace. */
  displacedPath(path: string): string {
    return `${runtimeDir}/displaced/${this.request.run}/${path}`;
  }

  /**
   * Moves a version from staging to where displaced versions go, and returns where it
   * is. One that can't be moved is the only copy of it, so staging is not removed then.
   */
  displace(i: number, staged: string): string {
    try {
      return this.displaceTo(i, staged);
    } catch (error) {
      this.stuck = ioError("a displaced version can't be kept; it lies in the staging folder", this.dest(i), error);
      throw error;
    }
  }

  /**
   * Moves a version of a decision from staging to where displaced versions go, or copies it out of a volume, and
   * returns where it is.
   */
  displaceTo(i: number, staged: string): string {
    const { dir, dest } = this.displacedDir(this.dest(i));
    try {
      const far = this.staging(i) !== this.home;
      const name = far ? carriedName(staged) : staged;
      if (far) carry(this, this.staging(i), staged, name);
      // Nobody else makes names in there, so one that is free stays free.
      let to = dest;
      const copied = () => far && isSame(this.home, name, dir, nameOf(to)); // by a killed run
      for (let n = 2; dir.look(nameOf(to)) && !copied(); n++) to = `${dest}.${n}`;
      if (!dir.look(nameOf(to))) this.rename(this.home, name, dir, nameOf(to));
      const copy = this.displacedPath(to);
      if (far) this.carried.push({ decision: i, name: staged, copy });
      return copy;
    } finally {
      dir.close();
    }
  }

  /**
   * Opens the folder in which a displaced path lies. Where an ancestor was displaced itself, as a file, the path goes
   * beside it.
   */
  displacedDir(path: string): { dir: Dir; dest: string } {
    let dir = makeDirs(this.root, parentOf(this.displacedPath("x")));
    let dest = "";
    for (const name of parentOf(path).split("/").filter(Boolean)) {
      const below = makeBeside(dir, name);
      dir = below.dir;
      dest = join(dest, below.name);
    }
    return { dir, dest: join(dest, nameOf(path)) };
  }
}

/** Where the displaced versions of a run lie, relative to the workspace; "" where there are none. */
export function displacedBy(run: string, root: string): string {
  const name = `${runtimeDir}/displaced/${run}`;
  return fs.lstatSync(path.join(root, name), { throwIfNoEntry: false }) ? name : "";
}

/** The result of most decisions. */
export const done: Result = { status: "done" };

/** The names in staging of what decision i brings, and of what it moves aside. */
export const stagedName = (i: number) => `n${i}`;
export const movedName = (i: number) => `o${i}`;
/** That of a copy in the making. */
const carriedName = (name: string) => `c${name}`;

/** Opens a directory below another, making what is missing, for the owner alone. */
export function makeDirs(top: Dir, path: string): Dir {
  let dir = top.walk("");
  for (const name of path.split("/")) {
    let next: Dir;
    try {
      try {
        dir.mkdir(name, 0o700);
      } catch (error) {
        if (codeOf(error) !== "EEXIST") throw error;
      }
      next = dir.openDir(name);
    } finally {
      dir.close();
    }
    dir = next;
  }
  return dir;
}

/** Opens a directory of a name, or with more at its end where that is a file, and closes the one that it is in. */
function makeBeside(top: Dir, name: string): { dir: Dir; name: string } {
  try {
    for (let free = name; ; free += ".d") { // ends where a name gets too long
      try {
        return { dir: makeDirs(top, free), name: free };
      } catch (error) {
        if (codeOf(error) !== "ENOTDIR") throw error;
      }
    }
  } finally {
    top.close();
  }
}

/** The result of a decision that could not be carried out. */
export function failure(error: unknown): Result {
  if (error instanceof NotEmpty) return { status: "failed", code: "not_empty", detail: error.message };
  return { status: "failed", code: "write_failed", detail: failures.get(codeOf(error)) ?? reason(error) };
}

const failures = new Map([
  ["ENOTDIR", "the directory that holds it is a link or a file"],
  ["EBUSY", "another file system is mounted there, so it can be neither removed nor replaced"],
  ["EXDEV", "the system moves nothing there from elsewhere, as into an encrypted directory; exclude it, or sync it as a workspace of its own"],
]);

/** Removes a run's staging folder, and the folders around it where that leaves them empty. */
export function dropStaging(root: Dir, run: string): void {
  const opened: Dir[] = [];
  try {
    const rt = openIfThere(root, runtimeDir, opened);
    const staging = rt && openIfThere(rt, "staging", opened);
    if (!rt || !staging) return;
    staging.removeAll(run);
    if (removedEmpty(rt, "staging")) removedEmpty(root, runtimeDir);
  } catch (error) {
    throw ioError("the staging folder can't be removed", runtimeDir, error);
  } finally {
    for (const dir of opened) dir.close();
  }
}

function openIfThere(dir: Dir, name: string, opened: Dir[]): Dir | undefined {
  if (!dir.look(name)) return undefined;
  const found = dir.openDir(name);
  opened.push(found);
  return found;
}

/** Removes a directory unless something is in it, which then stays. */
function removedEmpty(dir: Dir, name: string): boolean {
  try {
    dir.rmdir(name);
    return true;
  } catch {
    return false;
  }
}
