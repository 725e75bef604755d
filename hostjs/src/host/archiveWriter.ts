import { createHash } from "node:crypto";
import fs from "node:fs";

import type { Entry } from "../types.js";
import { codeOf, hostError, ioError, reason } from "./errors.js";
import type { PartWriter } from "./parts.js";
import type { Stop } from "./stop.js";
import { encodeHeader, padded, type Header } from "./tarHeader.js";
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
  /** The file as it was read. */
  info?: Info;
}

/** Bounds what is read into memory whole, in bytes. */
export const smallFile = 256 << 10;

/** Bounds how often a file that changes while it is read is read again. */
export const maxReads = 3;

/**
 * Writes a tar archive of exactly the members it is told: no "." member, no
 * owners, no extended attributes, whole seconds.
 */
export class ArchiveWriter {
  private tries = 0;
  private readonly buffer = Buffer.allocUnsafe(smallFile + 1);

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
      throw ioError("the workspace can't be read", root, error);
    }
    const reader = new SmallReader(top, this.buffer);
    try {
      for (const member of members) {
        this.stop.throwIfStopped("stopped while the archive was made");
        const { entry } = member;
        const small = entry.kind === "file" && (entry.size ?? 0) <= smallFile ? reader.read(entry.path) : undefined;
        const sent = small ? this.addSmall(member, small, keep) : await this.add(member, () => openBelow(top, entry.path));
        if (this.out.waiting) await this.out.drain();
        done(member, sent);
      }
    } finally {
      reader.close();
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
    this.out.write(encodeHeader(h));
  }

  private body(data: Uint8Array): void {
    this.out.write(data);
  }

  private pad(size: number): void {
    const fill = padded(size) - size;
    if (fill > 0) this.out.write(zeros.subarray(0, fill));
  }

  private addSmall(member: Member, small: SmallFile, keep: (digest: string, data: Buffer) => void): Sent {
    if ("failed" in small) return failedRead(small.failed);
    const { data, info } = small;
    this.header({ name: member.name, kind: "file", mode: member.entry.mode ?? 0, size: data.length, target: "", mtime: seconds(info.mtimeNs) });
    this.body(data);
    this.pad(data.length);
    const digest = createHash("sha256").update(data).digest("hex");
    keep(digest, data);
    return { digest, size: data.length, info };
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
      const { sent, steady } = await this.stream(name, entry.mode ?? 0, open);
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
  private async stream(name: string, mode: number, open: () => number): Promise<{ sent: Sent; steady: boolean }> {
    let fd: number;
    try {
      fd = open();
    } catch (error) {
      return { sent: failedRead(error), steady: false };
    }
    try {
      const before = fstat(fd);
      if (before.kind !== "file") return { sent: failedRead(new TreeError("ENOTFILE")), steady: false };
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
      return { sent: { digest: hash.digest("hex"), size: before.size, info: before }, steady };
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

function failedRead(error: unknown): Sent {
  if (error === changing || ["ENOENT", "ENOTFILE", "ENOTDIR"].includes(codeOf(error))) {
    return { problem: "changing", detail: "it changed while it was sent; the next push sends it" };
  }
  return { problem: "unreadable", detail: reason(error) };
}

const changing = new Error("it changed each time it was read");

/** A small file that was read whole, or why it could not be. */
type SmallFile = { data: Buffer; info: Info } | { failed: unknown };

/** Reads small files, and keeps the directory of the last one open. */
class SmallReader {
  private dir: Dir | undefined;
  private at = "";

  constructor(
    private readonly top: Dir,
    private readonly buffer: Buffer,
  ) {}

  close(): void {
    this.dir?.close();
    this.dir = undefined;
  }

  /** The file at a path; undefined for one that grew too large, which is streamed. What it holds is valid until the next call. */
  read(path: string): SmallFile | undefined {
    try {
      const dir = this.enter(parentOf(path));
      for (let n = 0; n < maxReads; n++) {
        const file = this.once(dir, nameOf(path));
        if (file !== "changed") return file;
      }
      return { failed: changing };
    } catch (failed) {
      return { failed };
    }
  }

  private enter(parent: string): Dir {
    if (this.dir && this.at === parent) return this.dir;
    this.close();
    this.dir = this.top.walk(parent);
    this.at = parent;
    return this.dir;
  }

  private once(dir: Dir, name: string): SmallFile | "changed" | undefined {
    const fd = dir.openFile(name);
    try {
      const info = fstat(fd);
      if (info.size > smallFile) return undefined;
      const n = readWhole(fd, this.buffer, info.size);
      if (n !== info.size || !same(info, fstat(fd))) return "changed";
      return { data: this.buffer.subarray(0, n), info };
    } finally {
      fs.closeSync(fd);
    }
  }
}

/** Reads a file until its size, its end or the buffer's. Whether it grew meanwhile its times tell. */
function readWhole(fd: number, buffer: Buffer, size: number): number {
  let have = 0;
  do {
    const n = fs.readSync(fd, buffer, have, buffer.length - have, null);
    if (n === 0) break;
    have += n;
  } while (have < size);
  return have;
}
