import fs from "node:fs";

import { sha256 } from "./digest.js";
import { codeOf, ioError } from "./errors.js";

// Bounds of the store. What does not fit is not kept, and a text merge that would
// need it becomes a conflict.

/** Bytes of one file. */
export const maxContent = 256 << 10;
const maxContents = 256 << 20;
const recordHead = 40; // digest and length
const flushSize = 256 << 10;
const pieceSize = 256 << 10;

/**
 * The start of a digest as a number, exact in a double: what an index keeps of each. Two contents that share it count
 * as one, and a merge that would need the second is a conflict.
 */
function keyOf(low: number, high: number): number {
  return low + (high & 0xfffff) * 2 ** 32;
}

function keyAt(bytes: Buffer, at: number): number {
  return keyOf(bytes.readUInt32LE(at), bytes.readUInt32LE(at + 4));
}

function keyOfText(digest: string): number {
  return keyAt(Buffer.from(digest.slice(0, 16), "hex"), 0);
}

/** Where a content stands, as one number: an offset below 2^32 and a size below 2^20. */
function placeOf(offset: number, size: number): number {
  return offset * sizeUnit + size;
}

const sizeUnit = 2 ** 20;

/**
 * Keeps the small text files of base for text merges: one file of records, each a
 * digest, a length and the bytes, that only ever grows until it is rewritten. One
 * file, because a push of a large tree would otherwise make as many files here as
 * in the sandbox.
 */
export class Contents {
  private index: Map<number, number> | undefined; // places by keys; only a merge or a change needs it
  private size = 0;
  private found = 0; // of it, what was there before
  private waiting: Buffer | undefined; // records that are not written yet
  private waitingSize = 0;

  constructor(private readonly path: string) {}

  /**
   * Reads the index. A damaged tail is cut off when something is added, since every content is checked when it is
   * read.
   */
  private load(): Map<number, number> {
    if (this.index) return this.index;
    const index = new Map<number, number>();
    const fd = this.open();
    if (fd !== undefined) {
      try {
        this.readIndex(fd, index);
      } catch (error) {
        throw ioError("the stored contents can't be read", this.path, error);
      } finally {
        fs.closeSync(fd);
      }
    }
    this.found = this.size;
    return (this.index = index);
  }

  private open(): number | undefined {
    try {
      return fs.openSync(this.path, "r");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return undefined;
      throw ioError("the stored contents can't be read", this.path, error);
    }
  }

  /** Reads large pieces, though the heads are a small part of them: a call of its own for each takes twice as long. */
  private readIndex(fd: number, index: Map<number, number>): void {
    const end = fs.fstatSync(fd).size;
    const piece = Buffer.allocUnsafe(pieceSize);
    const view = new DataView(piece.buffer, piece.byteOffset, pieceSize);
    let [from, to] = [0, 0]; // of the file, what the piece holds
    for (;;) {
      if (this.size + recordHead > to) {
        from = this.size;
        to = from + fs.readSync(fd, piece, 0, pieceSize, from);
        if (this.size + recordHead > to) return;
      }
      const at = this.size - from;
      const n = view.getUint32(at + 32, true);
      if (view.getUint32(at + 36, true) !== 0 || n > maxContent || this.size + recordHead + n > end) return;
      index.set(keyOf(view.getUint32(at, true), view.getUint32(at + 4, true)), placeOf(this.size + recordHead, n));
      this.size += recordHead + n;
    }
  }

  /** A content, or undefined if it is not kept or not what it should be; the merge then becomes a conflict. */
  get(digest: string): Buffer | undefined {
    try {
      const place = this.load().get(keyOfText(digest));
      const data = place === undefined ? undefined : this.read(place);
      return data && sha256(data) === digest ? data : undefined;
    } catch {
      return undefined;
    }
  }

  /** The bytes at a place, or fewer where the file was cut. */
  private read(place: number): Buffer {
    const fd = fs.openSync(this.path, "r");
    try {
      const data = Buffer.alloc(place % sizeUnit);
      return data.subarray(0, fs.readSync(fd, data, 0, data.length, Math.floor(place / sizeUnit)));
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Whether a content is kept. */
  has(digest: string): boolean {
    return this.load().has(keyOfText(digest));
  }

  /** Keeps a content of the given digest if it is a small text and there is room. */
  add(digest: string, data: Buffer): void {
    const index = this.load();
    const waiting = (this.waiting ??= Buffer.allocUnsafe(flushSize + recordHead + maxContent));
    const at = this.waitingSize;
    waiting.write(digest, at, "hex");
    const key = keyAt(waiting, at);
    if (index.has(key) || !worthKeeping(data) || this.size + data.length > maxContents) return;
    waiting.writeBigUInt64LE(BigInt(data.length), at + 32);
    data.copy(waiting, at + recordHead);
    index.set(key, placeOf(this.size + recordHead, data.length));
    this.waitingSize += recordHead + data.length;
    this.size += recordHead + data.length;
    if (this.waitingSize > flushSize) this.flush();
  }

  private flush(): void {
    if (!this.waiting || this.waitingSize === 0) return;
    const data = this.waiting.subarray(0, this.waitingSize);
    const from = this.size - data.length;
    try {
      const fd = fs.openSync(this.path, fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o600);
      try {
        fs.ftruncateSync(fd, from);
        for (let at = 0; at < data.length; ) at += fs.writeSync(fd, data, at, data.length - at, from + at);
      } finally {
        fs.closeSync(fd);
      }
    } catch (error) {
      throw ioError("contents can't be kept", this.path, error);
    }
    this.waitingSize = 0;
  }

  /**
   * Writes out what was added, and drops what base does not refer to once that is
   * more than half. base is the document of a new one, if there is one, and refers to
   * what was added.
   */
  close(base: Uint8Array | undefined): void {
    this.flush();
    if (!base || !this.index || this.found < 1 << 20) return;
    const used = spokenOf(base, this.index);
    let bytes = 0;
    for (const place of used) bytes += recordHead + (place % sizeUnit);
    if (bytes * 2 <= this.size) this.compact(used);
  }

  /** Rewrites the store with what is used. */
  private compact(used: Iterable<number>): void {
    const next = new Contents(this.path + ".new");
    try {
      fs.rmSync(next.path, { force: true });
      for (const place of used) {
        const data = this.read(place);
        next.add(sha256(data), data);
      }
      next.close(undefined);
      if (fs.existsSync(next.path)) fs.renameSync(next.path, this.path);
      else fs.rmSync(this.path, { force: true });
    } catch (error) {
      throw ioError("contents can't be compacted", this.path, error);
    }
  }
}

/** A NUL in the first 8000 bytes means that no text merge will ever ask for it. */
function worthKeeping(data: Buffer): boolean {
  if (data.length > maxContent) return false;
  return !data.subarray(0, 8000).includes(0);
}

/**
 * Which contents a stored base speaks of. Their digests stand in its document as bytes,
 * each at a multiple of 8. One that stands there by chance is kept too long, which
 * harms nobody.
 */
function spokenOf(document: Uint8Array, index: ReadonlyMap<number, number>): Set<number> {
  const { buffer } = Uint8Array.from(document); // which begins at a multiple of 8
  const words = new Uint32Array(buffer, 0, Math.floor(document.length / 8) * 2);
  const found = new Set<number>();
  for (let i = 0; i < words.length; i += 2) {
    const place = index.get(keyOf(words[i]!, words[i + 1]!));
    if (place !== undefined) found.add(place);
  }
  return found;
}
