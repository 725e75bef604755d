import fs from "node:fs";

import { hostError, ioError, isSpent } from "./errors.js";
import { join, sorted } from "./paths.js";
import type { Stop } from "./stop.js";
import { Dir, type Name } from "./tree.js";

/** Bounds a .gitignore file, in bytes. Of a longer one no part is taken: what the rest leaves out would be sent. */
const maxIgnore = 1 << 20;

/**
 * The .gitignore files of a tree, in path order. Those that can't be read are left out, as git does, and the scan
 * names them; a link counts as absent, as for git. One of over 1 MiB is an error of code limit_exceeded.
 */
export function gitignoreFiles(root: string, runtimeDir: string, stop: Stop): { dir: string; text: string }[] {
  const list: { dir: string; text: string }[] = [];
  const below = (dir: Dir, path: string) => {
    stop.throwIfStopped("stopped while .gitignore files were read");
    let names: Name[];
    try {
      names = sorted(dir.names());
    } catch (error) {
      return leftOut(path, error); // the scan reports it as incomplete
    }
    if (names.includes(".gitignore")) {
      const text = readIgnore(dir, join(path, ".gitignore"));
      if (text !== undefined) list.push(path === "" ? { dir: "", text } : { dir: path, text });
    }
    for (const name of names) {
      const full = typeof name === "string" ? join(path, name) : undefined;
      if (full === undefined || name === ".git" || full === runtimeDir) continue;
      const next = openIfDir(dir, name, full);
      if (!next) continue;
      try {
        below(next, full);
      } finally {
        next.close();
      }
    }
  };
  let top: Dir;
  try {
    top = Dir.open(root);
  } catch (error) {
    throw ioError("the folder can't be read", root, error);
  }
  try {
    below(top, "");
  } finally {
    top.close();
  }
  return list;
}

function openIfDir(dir: Dir, name: Name, path: string): Dir | undefined {
  try {
    return dir.look(name)?.kind === "dir" ? dir.openDir(name) : undefined;
  } catch (error) {
    return leftOut(path, error); // the scan reports it
  }
}

/** Leaves out what can't be read, unless that is for want of open files: what a .gitignore leaves out may be a secret. */
function leftOut(path: string, error: unknown): undefined {
  if (isSpent(error)) throw ioError("the workspace can't be read", path, error);
}

/** The text of a directory's .gitignore. Bytes that are not UTF-8 can't match: no name with such bytes is sent. */
function readIgnore(dir: Dir, name: string): string | undefined {
  let fd: number;
  try {
    fd = dir.openFile(".gitignore");
  } catch (error) {
    return leftOut(name, error);
  }
  try {
    const text = fs.fstatSync(fd).size > maxIgnore ? undefined : fs.readFileSync(fd);
    if (text && text.length <= maxIgnore) return text.toString();
  } catch (error) {
    return leftOut(name, error);
  } finally {
    fs.closeSync(fd);
  }
  throw hostError("limit_exceeded", "a .gitignore of over 1 MiB", { path: name, hint: "make it shorter, or sync without gitignore" });
}
