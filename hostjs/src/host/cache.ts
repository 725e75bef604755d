import fs from "node:fs";

import { nameOf, parentOf } from "./paths.js";
import { sealed, writeSealed } from "./state.js";
import type { Info } from "./tree.js";

// The margins of the racily-clean rule, in nanoseconds: a tick of a kernel is at
// most 10 ms, but some file systems keep times of one or two seconds.
const fineMargin = 100_000_000n;
const coarseMargin = 2_000_000_000n;
const second = 1_000_000_000n;

const head = "syncplan-scan 2 ";
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
 * and device are the same, and both times were older than the clock of the scan
 * that read it by a margin: what is younger may have changed again in the same tick
 * of the clock.
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
    /** Of the host, in nanoseconds, when the earlier scan began. */
    readonly clock: bigint,
    /** The number of files. */
    readonly size: number,
    private readonly body: Buffer,
    private readonly folders: ReadonlyMap<string, Records[]>,
  ) {
    this.view = viewOf(body);
  }

  /** The stored cache of a tree. One that is missing, damaged, newer or about another tree is empty: it is never trusted and soon replaced. */
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

  /** What is known of the files of one folder. now is when this scan began: a clock that was set back proves nothing. */
  folder(path: string, now: bigint): CachedFolder | undefined {
    const list = this.folders.get(path);
    return list && now >= this.clock ? new CachedFolder(this.body, this.view, this.clock, list) : undefined;
  }
}

/** A file as the cache has it: its record goes from and to an offset of the body, its stamp begins at one. */
interface Known {
  from: number;
  at: number;
  dev: bigint;
}

/** The files of one folder by their names. */
export class CachedFolder {
  private readonly files = new Map<string, Known>();

  constructor(
    private readonly body: Buffer,
    private readonly view: DataView,
    private readonly clock: bigint,
    list: readonly Records[],
  ) {
    for (const { dev, from, to } of list) {
      for (let start = from; start < to; ) {
        const at = start + 2 + view.getUint16(start, true);
        this.files.set(body.toString("utf8", start + 2, at), { from: start, at, dev });
        start = at + stampSize + 32;
      }
    }
  }

  /** What is known of an unchanged file. */
  find(name: string, info: Info): Known | undefined {
    const known = this.files.get(name);
    return known && known.dev === info.dev && this.isSame(known.at, info) && this.settled(info) ? known : undefined;
  }

  digest({ at }: Known): Uint8Array {
    return new Uint8Array(this.body.buffer, this.body.byteOffset + at + stampSize, 32);
  }

  /** Copies the record of a file to an offset, and returns how many bytes it has. */
  copy({ from, at }: Known, into: Buffer, offset: number): number {
    return this.body.copy(into, offset, from, at + stampSize + 32);
  }

  static size({ from, at }: Known): number {
    return at + stampSize + 32 - from;
  }

  private isSame(at: number, info: Info): boolean {
    const { view } = this;
    return (
      view.getBigInt64(at + 8, true) === info.mtimeNs && view.getBigInt64(at + 16, true) === info.ctimeNs &&
      view.getBigUint64(at + 24, true) === info.ino && view.getBigInt64(at, true) === BigInt(info.size)
    );
  }

  private settled(info: Info): boolean {
    const coarse = info.mtimeNs % second === 0n && info.ctimeNs % second === 0n;
    const youngest = info.mtimeNs > info.ctimeNs ? info.mtimeNs : info.ctimeNs;
    return youngest < this.clock - (coarse ? coarseMargin : fineMargin);
  }
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

/** Collects what the next scan may rely on. Files come in path order. */
export class CacheBuilder {
  private bytes = Buffer.allocUnsafeSlow(64 << 10);
  private view = viewOf(this.bytes);
  private length = 0;
  private folder: { path: string; dev: bigint; sizeAt: number } | undefined; // the last one

  constructor(root: string, clock: bigint) {
    this.text(root, 4);
    this.room(8);
    this.view.setBigInt64(this.length, clock, true);
    this.length += 8;
  }

  add(path: string, info: Info, digest: Uint8Array): void {
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

  /** Adds a file of which an earlier cache is still true. */
  reuse(path: string, folder: CachedFolder, known: Known): void {
    const from = this.enter(parentOf(path), known.dev);
    this.room(CachedFolder.size(known));
    this.length += folder.copy(known, this.bytes, this.length);
    this.leave(from);
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
