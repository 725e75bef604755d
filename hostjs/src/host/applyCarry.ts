import fs from "node:fs";

import { contentOf, holds } from "./applyHolds.js";
import type { Run } from "./applyRun.js";
import { nameOf, parentOf } from "./paths.js";
import { writeAll } from "./stage.js";
import type { Dir, Name } from "./tree.js";

/**
 * A displaced version that was copied out of a volume. What it was copied from stays in staging until the run ends,
 * because a program may still write to it.
 */
export interface Carried {
  decision: number;
  /** In staging. */
  name: string;
  /** Below the workspace. */
  copy: string;
}

/** Copies a version from a volume to a name in the run's first folder, whole and flushed. */
export function carry(run: Run, from: Dir, name: string, as: string): void {
  run.home.removeAll(as); // what a killed run left
  try {
    copyEntry(from, name, run.home, as);
  } catch (error) {
    run.home.removeAll(as);
    throw error;
  }
  run.fault("carried " + name);
}

/** Copies a name with all below it. A socket, FIFO or device holds nothing that could be copied, and is left out. */
function copyEntry(from: Dir, name: Name, to: Dir, as: Name): void {
  const { kind, mode } = from.lstat(name);
  switch (kind) {
    case "file":
      return copyFile(from, name, to, as, mode);
    case "link":
      return to.symlink(from.readlink(name), as);
    case "dir":
      to.mkdir(as, mode | 0o700);
      return both(from, name, to, as, (source, target) => {
        for (const n of source.names()) copyEntry(source, n, target, n);
        target.sync();
      });
  }
}

const buffer = Buffer.allocUnsafe(128 << 10);

function copyFile(from: Dir, name: Name, to: Dir, as: Name, mode: number): void {
  const source = from.openFile(name);
  try {
    const target = to.create(as, mode | 0o600);
    try {
      for (let n; (n = fs.readSync(source, buffer, 0, buffer.length, null)) > 0; ) writeAll(target, buffer.subarray(0, n));
      fs.fchmodSync(target, mode);
      fs.fsyncSync(target);
    } finally {
      fs.closeSync(target);
    }
  } finally {
    fs.closeSync(source);
  }
}

/** Opens a directory of each of two, for as long as a call takes. */
function both<T>(a: Dir, name: Name, b: Dir, as: Name, call: (a: Dir, b: Dir) => T): T {
  const x = a.openDir(name);
  try {
    const y = b.openDir(as);
    try {
      return call(x, y);
    } finally {
      y.close();
    }
  } finally {
    x.close();
  }
}

/** Whether a copy is what it was copied from. */
export function isSame(from: Dir, name: Name, to: Dir, as: Name): boolean {
  const { kind, size } = from.lstat(name);
  const copied = to.lstat(as);
  if (kind !== copied.kind) return false;
  switch (kind) {
    case "file":
      return holds(to, as, { kind, size, digest: contentOf(from, name) });
    case "link":
      return to.readlink(as).equals(from.readlink(name));
    case "dir":
      return both(from, name, to, as, haveSame);
  }
  return true;
}

function haveSame(source: Dir, target: Dir): boolean {
  const names = source.names().filter((n) => source.lstat(n).kind !== null);
  return names.length === target.names().length && names.every((n) => target.look(n) && isSame(source, n, target, n));
}

/** Keeps once more what was written to after it was copied, unless it went back. */
export function settleCarried(run: Run, keepEdited: (i: number, name: string) => void): void {
  for (const { decision, name, copy } of [...run.carried]) {
    if (run.staging(decision).look(name) && !stayed(run, decision, name, copy)) keepEdited(decision, name);
  }
}

function stayed(run: Run, decision: number, name: string, copy: string): boolean {
  try {
    const dir = run.root.walk(parentOf(copy));
    try {
      return isSame(run.staging(decision), name, dir, nameOf(copy));
    } finally {
      dir.close();
    }
  } catch {
    return false; // what can't be read is kept
  }
}
