import fs from "node:fs";

import type { EntryState } from "../types.js";
import { digestOf, type Dir, type Name } from "./tree.js";

/**
 * Whether a name is exactly what an entry says: kind, and content of a file, text of a link, or that a directory is
 * empty.
 */
export function holds(dir: Dir, name: Name, e: EntryState): boolean {
  const info = dir.lstat(name);
  if (info.kind !== e.kind) return false;
  switch (e.kind) {
    case "link":
      return dir.readlink(name).equals(Buffer.from(e.target ?? ""));
    case "dir":
      return isEmpty(dir, name);
    case "file":
      return info.size === (e.size ?? 0) && contentOf(dir, name) === e.digest;
  }
}

function isEmpty(dir: Dir, name: Name): boolean {
  const below = dir.openDir(name);
  try {
    return below.names().length === 0;
  } finally {
    below.close();
  }
}

/** The digest of a file. */
export function contentOf(dir: Dir, name: Name): string {
  const fd = dir.openFile(name);
  try {
    return digestOf(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Whether an entry is a file that its owner may execute, the only permission that counts as a change. */
export function executable(e: EntryState): boolean {
  return e.kind === "file" && ((e.mode ?? 0) & 0o100) !== 0;
}
