import fs from "node:fs";

import { ioError } from "./errors.js";
import { join, sorted } from "./paths.js";
import type { Stop } from "./stop.js";
import { Dir, type Name } from "./tree.js";

/** The .gitignore files of a tree, in path order. Those that can't be read are left out, as git does; a link counts as absent, as for git. */
export function gitignoreFiles(root: string, runtimeDir: string, stop: Stop): { dir: string; text: string }[] {
  const list: { dir: string; text: string }[] = [];
  const below = (dir: Dir, path: string) => {
    stop.throwIfStopped("stopped while .gitignore files were read");
    let names: Name[];
    try {
      names = sorted(dir.names());
    } catch {
      return; // the scan reports it as incomplete
    }
    if (names.includes(".gitignore")) {
      const text = readIgnore(dir);
      if (text !== undefined) list.push(path === "" ? { dir: "", text } : { dir: path, text });
    }
    for (const name of names) {
      const full = typeof name === "string" ? join(path, name) : undefined;
      if (full === undefined || name === ".git" || full === runtimeDir) continue;
      const next = openIfDir(dir, name);
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

function openIfDir(dir: Dir, name: Name): Dir | undefined {
  try {
    return dir.look(name)?.kind === "dir" ? dir.openDir(name) : undefined;
  } catch {
    return undefined; // the scan reports it
  }
}

const maxIgnore = 1 << 20; // bytes

function readIgnore(dir: Dir): string | undefined {
  let fd: number;
  try {
    fd = dir.openFile(".gitignore");
  } catch {
    return undefined; // git names those that it can't read
  }
  try {
    const buffer = Buffer.alloc(Math.min(fs.fstatSync(fd).size, maxIgnore));
    const data = buffer.subarray(0, fs.readSync(fd, buffer, 0, buffer.length, 0));
    const text = data.toString();
    return Buffer.from(text).equals(data) ? text : undefined;
  } finally {
    fs.closeSync(fd);
  }
}
