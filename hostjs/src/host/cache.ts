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
  private constructor(
    readonly root: string,
    /** Of the host, in nanoseconds, when the earlier scan began. */
    readonly clock: bigint,
    /** The number of files. */
    readonly size: number,
    private readonly body: Buffer,
    private readonly folders: ReadonlyMap<string, Records[]>,
  ) {}

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
    return list && now >= this.clock ? new CachedFolder(this.body, this.clock, list) : undefined;
  }
}

/** The files of one folder by their names. */
export class CachedFolder {
  private readonly files = new Map<string, { at: number; dev: bigint }>();

  constructor(
    private readonly body: Buffer,
    private readonly clock: bigint,
    list: readonly Records[],
  ) {
    for (const { dev, from, to } of list) {
      for (let at = from; at < to; ) {
        const end = at + 2 + body.readUInt16LE(at);
        this.files.set(body.toString("utf8", at + 2, end), { at: end, dev });
        at = end + stampSize + 32;
      }
    }
  }

  /** The digest of an unchanged file, as bytes. */
  find(name: string, info: Info): Buffer | undefined {
    const known = this.files.get(name);
    if (!known || known.dev !== info.dev || !this.isSame(known.at, info) || !this.settled(info)) return undefined;
    return this.body.subarray(known.at + stampSize, known.at + stampSize + 32);
  }

  private isSame(at: number, info: Info): boolean {
    const b = this.body;
    return (
      b.readBigInt64LE(at + 8) === info.mtimeNs && b.readBigInt64LE(at + 16) === info.ctimeNs && b.readBigUInt64LE(at + 24) === info.ino &&
      b.readBigInt64LE(at) === BigInt(info.size)
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
  private readonly parts: Buffer[] = [];
  private records: Buffer[] = []; // of the last folder
  private folder: string | undefined;
  private dev = 0n;

  constructor(
    private readonly root: string,
    private readonly clock: bigint,
  ) {}

  add(path: string, info: Info, digest: Uint8Array): void {
    const folder = parentOf(path);
    if (folder !== this.folder || info.dev !== this.dev) this.flush();
    this.folder = folder;
    this.dev = info.dev;
    const name = Buffer.from(nameOf(path));
    const record = Buffer.allocUnsafe(2 + name.length + stampSize + 32);
    let at = record.writeUInt16LE(name.length, 0);
    at += name.copy(record, at);
    for (const n of [BigInt(info.size), info.mtimeNs, info.ctimeNs]) at = record.writeBigInt64LE(n, at);
    at = record.writeBigUInt64LE(info.ino, at);
    record.set(digest, at);
    this.records.push(record);
  }

  private flush(): void {
    if (this.records.length === 0) return;
    const numbers = Buffer.alloc(12);
    numbers.writeBigUInt64LE(this.dev, 0);
    numbers.writeUInt32LE(this.records.reduce((n, r) => n + r.length, 0), 8);
    this.parts.push(text(this.folder ?? ""), numbers, ...this.records);
    this.records = [];
  }

  /** Replaces the stored cache. */
  save(file: string): void {
    this.flush();
    const clock = Buffer.alloc(8);
    clock.writeBigInt64LE(this.clock);
    writeSealed(file, head, Buffer.concat([text(this.root), clock, ...this.parts]));
  }
}

/** A text behind its length. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The host's clock, in nanoseconds. */
export function now(): bigint {
  return BigInt(Date.now()) * 1_000_000n;
}
