import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import { isUtf8 } from "node:buffer";

import type { Kind } from "../types.js";
import { codeOf } from "./errors.js";
import { nameOf, parentOf } from "./paths.js";

// Open directories, in which one name at a time is looked at or changed.
//
// No method takes a path, and none follows a symbolic link, so that nothing the
// sandbox plants can lead a write, a delete or a chmod anywhere else (promise S1).
// Node has no openat; on Linux /proc/self/fd/<n>/<name> is one: the kernel takes
// the open directory itself, wherever it was moved to, and not its path. Elsewhere
// the path is used, and each directory on it is checked to be the one that was
// opened, before and after.

/** A name in a directory: text, or the raw bytes of one that is not UTF-8. */
export type Name = string | Buffer;

/** What is known of one name. */
export interface Info {
  /** null is special: FIFO, socket, device. */
  kind: Kind | null;
  /** Permission bits, 0 to 0o777. */
  mode: number;
  /** Bytes. */
  size: number;
  dev: bigint;
  ino: bigint;
  mtimeNs: bigint;
  ctimeNs: bigint;
  nlink: bigint;
}

/**
 * A failure that is not the system's: "ENOTDIR" for a link or file where a directory is needed, "ENOTFILE" for no
 * regular file.
 */
export class TreeError extends Error {
  constructor(readonly code: "ENOTDIR" | "ENOTFILE") {
    super(code === "ENOTDIR" ? "not a directory" : "not a regular file");
  }
}

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_DIRECTORY = 0, O_NONBLOCK = 0, S_IFMT, S_IFREG, S_IFDIR, S_IFLNK } = fs.constants;

/** Linux's O_PATH, which node:fs does not name: a handle that needs no permission to read. */
const O_PATH = 0o10000000;

const byHandle = process.platform === "linux";

/** An open directory, whose names are reached without following any link on the way (promise S1). */
export class Dir {
  private constructor(
    private readonly fd: number,
    private readonly prefix: string,
    private readonly chain: readonly Link[],
  ) {}

  /** Opens the directory at a path, links in it followed: the caller has resolved and chosen it. */
  static open(root: string, handles = byHandle): Dir {
    const fd = fs.openSync(root, O_RDONLY | O_DIRECTORY);
    return Dir.of(fd, root, [], handles);
  }

  private static of(fd: number, path: string, chain: readonly Link[], handles: boolean): Dir {
    if (handles) return new Dir(fd, `/proc/self/fd/${fd}/`, chain);
    const { dev, ino } = fs.fstatSync(fd, { bigint: true });
    return new Dir(fd, path + "/", [...chain, { path, dev, ino }]);
  }

  close(): void {
    fs.closeSync(this.fd);
  }

  private at(name: Name): string | Buffer {
    return typeof name === "string" ? this.prefix + name : Buffer.concat([Buffer.from(this.prefix), name]);
  }

  /** Runs one call on a name, between two looks at the way to it where there are no handles. */
  private on<T>(name: Name, call: (path: string | Buffer) => T): T {
    if (this.chain.length === 0) return call(typeof name === "string" ? this.prefix + name : this.at(name));
    this.verify();
    const result = call(this.at(name));
    this.verify();
    return result;
  }

  private verify(): void {
    for (const link of this.chain) {
      const info = fs.lstatSync(link.path, { bigint: true });
      if (info.dev !== link.dev || info.ino !== link.ino) throw new TreeError("ENOTDIR");
    }
  }

  /** Opens a directory in this one. A link or file is ENOTDIR. */
  openDir(name: Name): Dir {
    return this.on(name, (path) => {
      let fd: number;
      try {
        fd = fs.openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
      } catch (error) {
        if (codeOf(error) === "ELOOP" || codeOf(error) === "ENOTDIR") throw new TreeError("ENOTDIR");
        throw error;
      }
      return Dir.of(fd, String(path), this.chain, this.chain.length === 0);
    });
  }

  /** Opens the directory at a relative path, component by component; "" opens this one again. The caller closes it. */
  walk(path: string): Dir {
    let dir: Dir = this.openDir(".");
    if (path === "") return dir;
    for (const name of path.split("/")) {
      let next: Dir;
      try {
        next = dir.openDir(name);
      } finally {
        dir.close();
      }
      dir = next;
    }
    return dir;
  }

  lstat(name: Name): Info {
    return this.on(name, (path) => infoOf(fs.lstatSync(path, { bigint: true })));
  }

  /** What name is, or undefined where there is nothing. */
  look(name: Name): Info | undefined {
    return this.on(name, (path) => {
      const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
      return stat && infoOf(stat);
    });
  }

  /**
   * What name is, with the numbers that JavaScript has, or undefined where there is nothing. It costs less than look.
   */
  glance(name: Name): fs.Stats | undefined {
    return this.on(name, (path) => fs.lstatSync(path, { throwIfNoEntry: false }));
  }

  /** The names in this directory, unsorted; those that are not UTF-8 as bytes. */
  names(): Name[] {
    return this.on("", readNames);
  }

  /**
   * Opens a regular file for reading. Anything else is ENOTFILE, without waiting for a FIFO's other end. The caller
   * closes it.
   */
  openFile(name: Name): number {
    return this.openKnown(name).fd;
  }

  /** Opens a regular file as openFile does, and tells what it is. */
  openKnown(name: Name): { fd: number; info: Info } {
    return this.on(name, (path) => {
      let fd: number;
      try {
        fd = fs.openSync(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
      } catch (error) {
        if (codeOf(error) === "ELOOP" || codeOf(error) === "ENXIO") throw new TreeError("ENOTFILE");
        throw error;
      }
      const info = fstat(fd);
      if (info.kind === "file") return { fd, info };
      fs.closeSync(fd);
      throw new TreeError("ENOTFILE");
    });
  }

  /** Makes a new file and opens it for writing. The process's umask applies to mode. */
  create(name: Name, mode: number): number {
    return this.on(name, (path) => fs.openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode));
  }

  readlink(name: Name): Buffer {
    return this.on(name, (path) => fs.readlinkSync(path, { encoding: "buffer" }));
  }

  symlink(target: string | Buffer, name: Name): void {
    this.on(name, (path) => fs.symlinkSync(target, path));
  }

  /** Makes a directory. The process's umask applies to mode. */
  mkdir(name: Name, mode: number): void {
    this.on(name, (path) => fs.mkdirSync(path, mode));
  }

  /** Removes a file or link. */
  remove(name: Name): void {
    this.on(name, (path) => fs.unlinkSync(path));
  }

  /** Removes an empty directory. */
  rmdir(name: Name): void {
    this.on(name, (path) => fs.rmdirSync(path));
  }

  /** Sets the permission bits of a file or directory. A link is ENOTFILE. */
  chmod(name: Name, mode: number): void {
    this.on(name, (path) => {
      // chmod follows links, and fchmod needs a file that may be read.
      const fd = fs.openSync(path, (byHandle ? O_PATH : O_RDONLY | O_NONBLOCK) | O_NOFOLLOW);
      try {
        if (fs.fstatSync(fd).isSymbolicLink()) throw new TreeError("ENOTFILE");
        if (byHandle) fs.chmodSync(`/proc/self/fd/${fd}`, mode);
        else fs.fchmodSync(fd, mode);
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  /** Moves name to a name in another directory where nothing can stand, because nobody else makes names there. */
  rename(name: Name, to: Dir, newName: Name): void {
    this.on(name, (path) => to.on(newName, (target) => fs.renameSync(path, target)));
  }

  /**
   * Moves name to newName in another directory. One that exists there is EEXIST,
   * and nothing changes. Node has no renameat2: link refuses a name that exists. A
   * directory can't be linked, and a plain rename replaces at most an empty one.
   */
  renameNoReplace(name: Name, to: Dir, newName: Name): void {
    if (this.lstat(name).kind === "dir") {
      if (to.look(newName)) throw exists();
      try {
        return this.rename(name, to, newName);
      } catch (error) {
        throw codeOf(error) === "ENOTDIR" || codeOf(error) === "ENOTEMPTY" ? exists() : error;
      }
    }
    this.on(name, (path) => to.on(newName, (target) => fs.linkSync(path, target)));
    this.remove(name);
  }

  /** Removes a name with all below it. One that does not exist is no error. */
  removeAll(name: Name): void {
    const info = this.look(name);
    if (!info) return;
    if (info.kind !== "dir") return this.remove(name);
    if ((info.mode & 0o700) !== 0o700) this.chmod(name, 0o700);
    const below = this.openDir(name);
    try {
      for (const n of below.names()) below.removeAll(n);
    } finally {
      below.close();
    }
    this.rmdir(name);
  }

  /** The number of the file system that this directory lies on. */
  device(): number {
    return fs.fstatSync(this.fd).dev;
  }

  /** Fails where no name can be made in this directory, as far as permissions tell. */
  assertWritable(): void {
    this.on(".", (path) => fs.accessSync(path, fs.constants.W_OK | fs.constants.X_OK));
  }

  /** Flushes what was created, renamed and removed in this directory to disk. */
  sync(): void {
    try {
      fs.fsyncSync(this.fd);
    } catch (error) {
      // A file system that keeps no directories on disk.
      if (codeOf(error) !== "EINVAL" && codeOf(error) !== "ENOTSUP") throw error;
    }
  }

  /**
   * Flushes the whole file system that this directory lies on, for which Node has
   * no call; false where no program here can.
   */
  syncFileSystem(): boolean {
    if (!byHandle) return false;
    return spawnSync("sync", ["-f", `/proc/${process.pid}/fd/${this.fd}`], { stdio: "ignore" }).status === 0;
  }
}

/** The directory on the way to an open one, as it was when it was opened. */
interface Link {
  path: string;
  dev: bigint;
  ino: bigint;
}

function exists(): Error {
  return Object.assign(new Error("file already exists"), { code: "EEXIST", errno: -17 });
}

/** What an open file is. */
export function fstat(fd: number): Info {
  return infoOf(fs.fstatSync(fd, { bigint: true }));
}

function infoOf(s: fs.BigIntStats): Info {
  const mode = Number(s.mode);
  return { kind: kindOf(mode), mode: mode & 0o777, size: Number(s.size), dev: s.dev, ino: s.ino, mtimeNs: s.mtimeNs, ctimeNs: s.ctimeNs, nlink: s.nlink };
}

/** The kind in a mode; null is special: FIFO, socket, device. */
export function kindOf(mode: number): Kind | null {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "dir";
    case S_IFLNK:
      return "link";
  }
  return null;
}

/** Whether b is the file that a was, and unchanged as far as its times tell. */
export function same(a: Info, b: Info): boolean {
  return (
    a.kind === b.kind && a.mode === b.mode && a.size === b.size && a.dev === b.dev && a.ino === b.ino &&
    a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.nlink === b.nlink
  );
}

/** Opens the file at a path below a directory, following no link. The caller closes it. */
export function openBelow(top: Dir, path: string): number {
  const dir = top.walk(parentOf(path));
  try {
    return dir.openFile(nameOf(path));
  } finally {
    dir.close();
  }
}

/** The names in a directory, unsorted; those that are not UTF-8 as bytes. */
export function readNames(path: string | Buffer): Name[] {
  const names = fs.readdirSync(path);
  if (!names.some((name) => name.includes("\ufffd"))) return names;
  return fs.readdirSync(path, { encoding: "buffer" }).map((raw) => (isUtf8(raw) ? raw.toString() : raw));
}

/** Digest of the rest of an open file, in hexadecimal. */
export function digestOf(fd: number, buffer: Buffer = Buffer.allocUnsafe(128 << 10)): string {
  const hash = createHash("sha256");
  for (;;) {
    const n = fs.readSync(fd, buffer, 0, buffer.length, null);
    if (n === 0) return hash.digest("hex");
    hash.update(n === buffer.length ? buffer : buffer.subarray(0, n));
  }
}
