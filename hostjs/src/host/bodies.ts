import fs from "node:fs";

import { hex } from "./digest.js";
import { hostError } from "./errors.js";
import type { Session } from "./session.js";
import type { Stage } from "./stage.js";
import { digestOf, Dir, openBelow } from "./tree.js";

/** Opens a file of the workspace, following no link. The caller closes it. */
function openLocal(s: Session, path: string): number {
  const top = Dir.open(s.root);
  try {
    return openBelow(top, path);
  } finally {
    top.close();
  }
}

/** The content of a workspace file of at most max bytes, if it still has the digest. */
export function readLocal(s: Session, path: string, digest: string, max: number): Buffer | undefined {
  let fd: number;
  try {
    fd = openLocal(s, path);
  } catch {
    return undefined;
  }
  try {
    if (fs.fstatSync(fd).size > max || digestOf(fd) !== digest) return undefined;
    return readFrom(fd);
  } catch {
    return undefined;
  } finally {
    fs.closeSync(fd);
  }
}

function readFrom(fd: number): Buffer {
  const data = Buffer.alloc(fs.fstatSync(fd).size);
  return data.subarray(0, fs.readSync(fd, data, 0, data.length, 0));
}

/**
 * Finds a content in the stage, or in a workspace file that had it when it was scanned. Apply checks the digest of
 * what it copies.
 */
export function bodiesOf(s: Session, stage: Stage): (digest: string) => number {
  let paths: Map<string, string> | undefined;
  return (digest) => {
    if (stage.has(digest)) return stage.open(digest);
    paths ??= new Map((s.local?.entries ?? []).flatMap((e) => (e.digest ? [[hex(e.digest), e.path]] : [])));
    const path = paths.get(digest);
    if (path === undefined) throw hostError("corrupt", "it changed in the sandbox while the pull fetched it, so it did not come; pull again");
    return openLocal(s, path);
  };
}
