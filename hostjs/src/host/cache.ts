import fs, { type Stats } from "node:fs";

import { nameOf, parentOf } from "./paths.js";
import { sealed, writeSealed } from "./state.js";
import type { Info } from "./tree.js";

// The margins of the racily-clean rule, in nanoseconds: a tick of a kernel is at
// most 10 ms, but some file systems keep times of one or two seconds.
const fineMargin = 20_000_000n;
const coarseMargin = 2_000_000_000n;
const second = 1_000_000_000n;

/** Whether a file that was not read before a clock gets other times with its next change. */
export function isSettled({ mtimeNs, ctimeNs }: Info, clock: bigint): boolean {
  const margin = mtimeNs % second === 0n && ctimeNs % second === 0n ? coarseMargin : fineMargin;
  return mtimeNs < clock - margin && ctimeNs < clock - margin;
}

const head = "syncplan-scan 3 ";
const stampSize = 4 * 8; // size, mtime, ctime and inode
const latest = 2n ** 63n - 1n;

/** The files of one folder, from and to an offset of the body. */
interface Records {
  dev: bigint;
  from: number;
  to: number;
}

/**
 * Remembers the digests of an earlier scan of one tree, so that a file that did not
 * change since need not be read. One is trusted only if size, mtime, ctime, inode
 * and device are the same. It holds only files that were settled when they were read:
 * what is younger may have changed again in the same tick of the clock.
 *
 * It is stored as the Go host stores it. All numbers are little-endian:
 *
 *     root (4 bytes of length, then text), clock (8)
 *     for each folder, once or more: path (as root), device (8), bytes of records (4)
 *     for each file in it, by name: name (2 bytes of length, then text), size, mtime, ctime, inode (8 each), digest (32)
 */
export class ScanCache {
  private readonly view: DataView;

  private constructor(
    readonly root: string,
    /** Of the host, in nanoseconds, when the last scan began. */
    readonly clock: bigint,
    /** The number of files. */
    readonly size: number,
    private readonly body: Buffer,
    private readonly folders: ReadonlyMap<string, Records[]>,
  ) {
    this.view = viewOf(body);
  }

  /**
   * The stored cache of a tree. One that is missing, damaged, newer or about another tree is empty: it is never
   * trusted and soon replaced.
   */
  static load(file: string, root: string): ScanCache {
    let data: Buffer;
    try {
      data = fs.readFileSync(file);
    } catch {
      return ScanCache.empty(root);
    }
    const cache = ScanCache.decode(data);
    return cache?.root === root ? cache : ScanCache.empty(root);
  }

  static empty(root: string): ScanCache {
    return new ScanCache(root, latest, 0, Buffer.alloc(0), new Map());
  }

  /** The cache in a document, or undefined for anything but a whole one of this version. */
  static decode(data: Buffer): ScanCache | undefined {
    const body = sealed(data, head);
    if (!body) return undefined;
    try {
      return ScanCache.read(body);
    } catch (error) {
      if (error instanceof RangeError) return undefined; // it ends too early
      throw error;
    }
  }

  private static read(body: Buffer): ScanCache | undefined {
    const r = new Cursor(body);
    const root = r.text(4);
    const clock = body.readBigInt64LE(r.skip(8));
    const folders = new Map<string, Records[]>();
    let files = 0;
    while (r.at < body.length) {
      const path = r.text(4);
      const dev = body.readBigUInt64LE(r.skip(8));
      const size = body.readUInt32LE(r.skip(4));
      const from = r.at;
      for (; r.at < from + size; files++) r.skip(body.readUInt16LE(r.skip(2)) + stampSize + 32);
      if (r.at !== from + size) return undefined;
      const list = folders.get(path) ?? [];
      list.push({ dev, from, to: r.at });
      folders.set(path, list);
    }
    return new ScanCache(root, clock, files, body, folders);
  }

  /**
   * What is known of the files of one folder. now is when this scan began: a clock that was set back proves nothing.
   */
  folder(path: string, now: bigint): CachedFolder | undefined {
    const list = this.folders.get(path);
    return list && now >= this.clock ? new CachedFolder(path, this.body, this.view, list) : undefined;
  }
}

/**
 * The files of one folder. Its records are read where they lie, since nearly all of
 * them are found to be true. A record is named by the offset at which it begins.
 *
 * Numbers as JavaScript has them hold a time to half a microsecond. That is enough:
 * who changes a file that was settled leaves a ctime that is later by the margin.
 */
export class CachedFolder {
  private next = 0; // the records that were not passed begin with this one of the list,
  private from: number; // and here in it

  constructor(
    readonly path: string,
    private readonly body: Buffer,
    private readonly view: DataView,
    private readonly list: readonly Records[],
  ) {
    this.from = list[0]!.from;
  }

  /** The record of a file, -1 where there is none. Names are asked for in their order, as they were recorded. */
  find(name: string): number {
    for (; this.next < this.list.length; this.from = this.list[++this.next]?.from ?? 0) {
      const { to } = this.list[this.next]!;
      while (this.from < to) {
        const record = this.from;
        const order = compareName(name, this.body, record + 2, this.stamp(record));
        if (order < 0) return -1;
        this.from = this.end(record);
        if (order === 0) return record;
      }
    }
    return -1;
  }

  digest(record: number): Uint8Array {
    return new Uint8Array(this.body.buffer, this.body.byteOffset + this.stamp(record) + stampSize, 32);
  }

  dev(record: number): bigint {
    return this.list.find(({ from, to }) => record >= from && record < to)!.dev;
  }

  end(record: number): number {
    return this.stamp(record) + stampSize + 32;
  }

  copy(from: number, to: number, into: Buffer, offset: number): void {
    this.body.copy(into, offset, from, to);
  }

  private stamp(record: number): number {
    return record + 2 + this.view.getUint16(record, true);
  }

  /** Whether something is the file of the record that was found last, unchanged. */
  isTrue(record: number, info: Stats): boolean {
    const at = this.stamp(record);
    const [mtime, ctime] = [this.time(at + 8), this.time(at + 16)];
    const isFile = this.number(at + 24) === info.ino && Number(this.list[this.next]!.dev) === info.dev;
    return isFile && this.number(at) === info.size && isTime(mtime, info.mtimeMs) && isTime(ctime, info.ctimeMs);
  }

  /** A number of 64 bits, rounded as Stats rounds it. */
  private number(at: number): number {
    return this.view.getUint32(at, true) + this.view.getUint32(at + 4, true) * 2 ** 32;
  }

  /** Nanoseconds, which are negative before 1970. */
  private time(at: number): number {
    return this.view.getUint32(at, true) + this.view.getInt32(at + 4, true) * 2 ** 32;
  }
}

/** Whether nanoseconds are the same time as milliseconds, but for the rounding of both. */
function isTime(ns: number, ms: number): boolean {
  return Math.abs(ns / 1e6 - ms) < 0.001;
}

/** The order of a name and the bytes of another. */
function compareName(name: string, bytes: Buffer, from: number, to: number): number {
  const n = Math.min(name.length, to - from);
  for (let i = 0; i < n; i++) {
    const unit = name.charCodeAt(i);
    const byte = bytes[from + i]!;
    if (unit > 0x7f || byte > 0x7f) return Buffer.compare(Buffer.from(name), bytes.subarray(from, to));
    if (unit !== byte) return unit - byte;
  }
  return name.length - (to - from);
}

/** A place in bytes. To go past their end is a RangeError. */
class Cursor {
  at = 0;

  constructor(private readonly bytes: Buffer) {}

  /** Goes on by n bytes and returns where they begin. */
  skip(n: number): number {
    const from = this.at;
    this.at += n;
    if (this.at > this.bytes.length) throw new RangeError("the cache ends too early");
    return from;
  }

  /** The text behind its length, a number of so many bytes. */
  text(width: number): string {
    const size = this.bytes.readUIntLE(this.skip(width), width);
    const from = this.skip(size);
    return this.bytes.toString("utf8", from, this.at);
  }
}

/** Collects what the next scan may rely on: files that were settled when they were read, in path order. */
export class CacheBuilder {
  private bytes = Buffer.allocUnsafeSlow(64 << 10);
  private view = viewOf(this.bytes);
  private length = 0;
  private folder: { path: string; dev: bigint; sizeAt: number } | undefined; // the last one
  private copied: { folder: CachedFolder; from: number; to: number } | undefined; // what is still to be copied

  constructor(root: string, clock: bigint) {
    this.text(root, 4);
    this.room(8);
    this.view.setBigInt64(this.length, clock, true);
    this.length += 8;
  }

  add(path: string, info: Info, digest: Uint8Array): void {
    this.copy();
    const from = this.enter(parentOf(path), info.dev);
    this.text(nameOf(path), 2);
    this.room(stampSize + 32);
    const { view, length: at } = this;
    view.setBigInt64(at, BigInt(info.size), true);
    view.setBigInt64(at + 8, info.mtimeNs, true);
    view.setBigInt64(at + 16, info.ctimeNs, true);
    view.setBigUint64(at + 24, info.ino, true);
    this.bytes.set(digest, at + stampSize);
    this.length += stampSize + 32;
    this.leave(from);
  }

  /** Adds a file of which an earlier cache is still true. Records that lie in a row are copied at once. */
  reuse(folder: CachedFolder, record: number): void {
    if (this.copied?.folder !== folder || this.copied.to !== record) {
      this.copy();
      this.copied = { folder, from: record, to: record };
    }
    this.copied.to = folder.end(record);
  }

  private copy(): void {
    if (!this.copied) return;
    const { folder, from, to } = this.copied;
    this.copied = undefined;
    const at = this.enter(folder.path, folder.dev(from));
    this.room(to - from);
    folder.copy(from, to, this.bytes, at);
    this.length += to - from;
    this.leave(at);
  }

  /** Begins a record, where its folder is another than the last one's with a head of that. */
  private enter(path: string, dev: bigint): number {
    if (path !== this.folder?.path || dev !== this.folder.dev) {
      this.text(path, 4);
      this.room(12);
      this.view.setBigUint64(this.length, dev, true);
      this.folder = { path, dev, sizeAt: this.length + 8 };
      this.view.setUint32(this.folder.sizeAt, 0, true);
      this.length += 12;
    }
    return this.length;
  }

  /** Ends the record that began at an offset. */
  private leave(from: number): void {
    const { sizeAt } = this.folder!;
    this.view.setUint32(sizeAt, this.view.getUint32(sizeAt, true) + this.length - from, true);
  }

  /** A text behind its length, a number of so many bytes. */
  private text(value: string, width: 2 | 4): void {
    this.room(width + 3 * value.length);
    const size = this.bytes.write(value, this.length + width);
    this.bytes.writeUIntLE(size, this.length, width);
    this.length += width + size;
  }

  private room(more: number): void {
    if (this.length + more <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(2 * this.bytes.length + more);
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
    this.view = viewOf(grown);
  }

  /** Replaces the stored cache. */
  save(file: string): void {
    this.copy();
    writeSealed(file, head, this.bytes.subarray(0, this.length));
  }
}

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** The host's clock, in nanoseconds. */
export function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
