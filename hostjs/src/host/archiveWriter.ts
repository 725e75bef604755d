import { createHash } from "node:crypto";
import fs from "node:fs";

import type { Entry } from "../types.js";
import { isSettled, now } from "./cache.js";
import { sha256 } from "./digest.js";
import { codeOf, ioError, isSpent, reason } from "./errors.js";
import type { PartWriter } from "./parts.js";
import type { Stop } from "./stop.js";
import { encodeHeader, headerSize, padded, writeHeader, type Header } from "./tarHeader.js";
import { nameOf, parentOf } from "./paths.js";
import { Dir, fstat, openBelow, same, TreeError, type Info } from "./tree.js";

/** One entry under the name that it has in an archive. */
export interface Member {
  name: string;
  /** Its path is where it is read from, relative to the root. */
  entry: Entry;
}

/** What an archive really holds of a member. */
export interface Sent {
  /** Of the good copy, where that is another than the member's. */
  name?: string;
  /** Of a file. */
  digest?: string;
  /** Of a file, in bytes. */
  size?: number;
  /** Why the archive has no good copy; with a digest it has a torn one. */
  problem?: "changing" | "unreadable";
  detail?: string;
  /** The file as it was read, if a cache may hold it. */
  known?: Info;
}

/** Bounds what is read into memory whole, in bytes. */
export const smallFile = 256 << 10;

/** More than any header has, in bytes: that of the longest path, with its text before it. */
const maxHeader = 16 << 10;

/** Bounds how often a file that changes while it is read is read again. */
export const maxReads = 3;

/**
 * Writes a tar archive of exactly the members it is told: no "." member, no
 * owners, no extended attributes, whole seconds.
 */
export class ArchiveWriter {
  private tries = 0;
  /** For what does not go straight into its part: a small file with its header, or a piece of a large one. */
  private readonly buffer = Buffer.allocUnsafe(smallFile + maxHeader);

  constructor(
    private readonly out: PartWriter,
    private readonly stop: Stop,
    /**
     * Gives a file that is read again, because it changed, the same name again:
     * whoever unpacks the archive as it is keeps the last.
     */
    private readonly overwrite = false,
  ) {}

  /**
   * Adds members of a tree in order. done is told of each; a member that can't be
   * read or keeps changing is reported, not an error. keep is given the content of
   * each small file.
   */
  async addAll(
    root: string,
    members: Iterable<Member>,
    keep: (digest: string, data: Buffer) => void,
    done: (member: Member, sent: Sent) => void,
  ): Promise<void> {
    let top: Dir;
    try {
      top = Dir.open(root);
    } catch (error) {
      throw ioError("the folder can't be read", root, error);
    }
    const folder = new OpenFolder(top);
    try {
      for (const member of members) {
        this.stop.throwIfStopped("stopped while the archive was made");
        const { entry } = member;
        const small = entry.kind === "file" && (entry.size ?? 0) <= smallFile ? this.addSmall(member, folder, keep) : undefined;
        const sent = small ?? (await this.add(member, () => openBelow(top, entry.path)));
        if (this.out.waiting) await this.out.drain();
        done(member, sent);
      }
    } finally {
      folder.close();
      top.close();
    }
  }

  /** Adds one member from a path of its own, links in it resolved by the caller. */
  async addFrom(source: string, member: Member): Promise<Sent> {
    this.stop.throwIfStopped("stopped while the archive was made");
    return this.add(member, () => fs.openSync(source, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0)));
  }

  /** Adds a file with the given content. */
  addBytes(name: string, mode: number, data: Uint8Array): void {
    this.header({ name, kind: "file", mode, size: data.length, target: "", mtime: 0 });
    this.body(data);
    this.pad(data.length);
  }

  /** Writes the end of the archive. */
  async close(): Promise<void> {
    this.out.write(Buffer.alloc(1024));
    await this.out.close();
  }

  private header(h: Header): void {
    const size = headerSize(h);
    const place = this.out.place(size);
    if (!place) return this.out.write(encodeHeader(h));
    writeHeader(place.buffer, place.at, h);
    this.out.take(size);
  }

  private body(data: Uint8Array): void {
    this.out.write(data);
  }

  private pad(size: number): void {
    const fill = padded(size) - size;
    if (fill > 0) this.out.write(zeros.subarray(0, fill));
  }

  /** Adds a file that is read whole; undefined for one that grew too large, which is streamed. */
  private addSmall(member: Member, folder: OpenFolder, keep: (digest: string, data: Buffer) => void): Sent | undefined {
    const start = now();
    let read: SmallFile | undefined;
    try {
      read = this.readSmall(member, folder);
    } catch (error) {
      return failedRead(member.entry.path, error);
    }
    if (!read) return undefined;
    const { data, info } = read;
    const digest = sha256(data);
    keep(digest, data);
    return { digest, size: data.length, ...(isSettled(info, start) && { known: info }) };
  }

  private readSmall(member: Member, folder: OpenFolder): SmallFile | undefined {
    const { path } = member.entry;
    const dir = folder.enter(parentOf(path));
    for (let n = 0; n < maxReads; n++) {
      const read = this.readOnce(member, dir, nameOf(path));
      if (read !== "changed") return read;
    }
    throw changing;
  }

  /** Reads a file into its place in the archive, where it stays only if it did not change meanwhile. */
  private readOnce(member: Member, dir: Dir, name: string): SmallFile | "changed" | undefined {
    const { fd, info } = dir.openKnown(name);
    try {
      const { size } = info;
      if (size > smallFile) return undefined;
      const header: Header = { name: member.name, kind: "file", mode: member.entry.mode ?? 0, size, target: "", mtime: seconds(info.mtimeNs) };
      const head = headerSize(header);
      const whole = head + padded(size);
      const place = this.out.place(whole);
      const { buffer, at } = place ?? { buffer: this.buffer, at: 0 };
      const end = at + head + size;
      if (!readWhole(fd, buffer, at + head, end) || !same(info, fstat(fd))) return "changed";
      writeHeader(buffer, at, header);
      buffer.fill(0, end, at + whole);
      if (place) this.out.take(whole);
      else this.out.write(buffer.subarray(0, whole));
      return { data: buffer.subarray(at + head, end), info };
    } finally {
      fs.closeSync(fd);
    }
  }

  private async add(member: Member, open: () => number): Promise<Sent> {
    const { entry } = member;
    if (entry.kind !== "file") {
      this.header({ name: member.name, kind: entry.kind, mode: entry.mode ?? 0, size: 0, target: entry.target ?? "", mtime: 0 });
      return {};
    }
    let name = member.name;
    let last: Sent = {};
    for (let n = 0; n < maxReads; n++) {
      const { sent, steady } = await this.stream(name, entry, open);
      if (steady || sent.problem) return name === member.name ? sent : { ...sent, name };
      if (this.overwrite) last = sent;
      else name = `r${++this.tries}`;
    }
    return { ...last, problem: "changing", detail: "it changed each time it was read" };
  }

  /**
   * Adds one large file. A member has the size that its header gives, so a file
   * that shrank meanwhile is filled up with zeros, and is not steady.
   */
  private async stream(name: string, { path, mode = 0 }: Entry, open: () => number): Promise<{ sent: Sent; steady: boolean }> {
    const start = now();
    let fd: number;
    try {
      fd = open();
    } catch (error) {
      return { sent: failedRead(path, error), steady: false };
    }
    try {
      const before = fstat(fd);
      if (before.kind !== "file") return { sent: failedRead(path, new TreeError("ENOTFILE")), steady: false };
      this.header({ name, kind: "file", mode, size: before.size, target: "", mtime: seconds(before.mtimeNs) });
      const hash = createHash("sha256");
      let torn = false;
      for (let left = before.size; left > 0; ) {
        this.stop.throwIfStopped("stopped while the archive was made");
        const part = this.buffer.subarray(0, Math.min(left, smallFile));
        torn = !fill(fd, part) || torn;
        hash.update(part);
        this.body(part);
        if (this.out.waiting) await this.out.drain();
        left -= part.length;
      }
      this.pad(before.size);
      const steady = !torn && same(before, fstat(fd));
      return { sent: { digest: hash.digest("hex"), size: before.size, ...(isSettled(before, start) && { known: before }) }, steady };
    } finally {
      fs.closeSync(fd);
    }
  }
}

const zeros = Buffer.alloc(512);

/** Fills a buffer from a file; what is missing is zeros, and the result false. */
function fill(fd: number, part: Buffer): boolean {
  let have = 0;
  try {
    while (have < part.length) {
      const n = fs.readSync(fd, part, have, part.length - have, null);
      if (n === 0) break;
      have += n;
    }
  } catch {
    // The file counts as torn and is read again, which reports what is wrong with it.
  }
  part.fill(0, have);
  return have === part.length;
}

function seconds(ns: bigint): number {
  return ns > 0n ? Number(ns / 1_000_000_000n) : 0;
}

/** Why a file was not sent. That no more files can be opened says nothing of it, and ends the archive. */
function failedRead(path: string, error: unknown): Sent {
  if (isSpent(error)) throw ioError("the workspace can't be read", path, error);
  if (error === changing || ["ENOENT", "ENOTFILE", "ENOTDIR"].includes(codeOf(error))) {
    return { problem: "changing", detail: "it changed while it was sent; the next push sends it" };
  }
  return { problem: "unreadable", detail: reason(error) };
}

const changing = new Error("it changed each time it was read");

/** A small file as it stands in the archive; data is valid until the next member. */
interface SmallFile {
  data: Buffer;
  info: Info;
}

/** Keeps the directory of the last file open, with those on the way to it: the next file is near. */
class OpenFolder {
  private readonly way: { path: string; dir: Dir }[] = [];

  constructor(private readonly top: Dir) {}

  /** Closes all but the first directories on the way. */
  close(keep = 0): void {
    for (const { dir } of this.way.splice(keep).reverse()) dir.close();
  }

  enter(path: string): Dir {
    let depth = 0;
    while (depth < this.way.length && isOnTheWay(this.way[depth]!.path, path)) depth++;
    this.close(depth);
    for (let at = this.way.at(-1)?.path ?? ""; at !== path; ) {
      const end = path.indexOf("/", at === "" ? 0 : at.length + 1);
      const next = end < 0 ? path : path.slice(0, end);
      this.way.push({ path: next, dir: this.last.openDir(nameOf(next)) });
      at = next;
    }
    return this.last;
  }

  private get last(): Dir {
    return this.way.at(-1)?.dir ?? this.top;
  }
}

function isOnTheWay(folder: string, path: string): boolean {
  return path === folder || (path.startsWith(folder) && path[folder.length] === "/");
}

/**
 * Fills a buffer from an offset to another; false where the file ends before. Whether it grew meanwhile its times
 * tell.
 */
function readWhole(fd: number, buffer: Buffer, from: number, to: number): boolean {
  while (from < to) {
    const n = fs.readSync(fd, buffer, from, to - from, null);
    if (n === 0) return false;
    from += n;
  }
  return true;
}
