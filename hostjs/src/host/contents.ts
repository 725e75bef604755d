import { createHash } from "node:crypto";
import fs from "node:fs";

import { codeOf, ioError } from "./errors.js";

// Bounds of the store. What does not fit is not kept, and a text merge that would
// need it becomes a conflict.

/** Bytes of one file. */
export const maxContent = 256 << 10;
const maxContents = 256 << 20;
const recordHead = 40; // digest and length
const flushSize = 256 << 10;

interface Place {
  offset: number;
  size: number;
}

/**
 * Keeps the small text files of base for text merges: one file of records, each a
 * digest, a length and the bytes, that only ever grows until it is rewritten. One
 * file, because a push of a large tree would otherwise make as many files here as
 * in the sandbox.
 */
export class Contents {
  private index: Map<string, Place> | undefined; // only a merge or a change needs it
  private size = 0;
  private added: number | undefined; // open while contents are added
  private waiting: Buffer | undefined; // records that are not written yet
  private waitingSize = 0;
  private position = 0; // in the file, of what comes next

  constructor(private readonly path: string) {}

  /** Reads the index. A damaged tail is cut off when something is added, since every content is checked when it is read. */
  private load(): Map<string, Place> {
    if (this.index) return this.index;
    const index = new Map<string, Place>();
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

  private readIndex(fd: number, index: Map<string, Place>): void {
    const end = fs.fstatSync(fd).size;
    const head = Buffer.alloc(recordHead);
    while (fs.readSync(fd, head, 0, recordHead, this.size) === recordHead) {
      const n = head.readBigUInt64LE(32);
      if (n > maxContent || this.size + recordHead + Number(n) > end) return;
      index.set(head.toString("hex", 0, 32), { offset: this.size + recordHead, size: Number(n) });
      this.size += recordHead + Number(n);
    }
  }

  /** A content, or undefined if it is not kept or not what it should be; the merge then becomes a conflict. */
  get(digest: string): Buffer | undefined {
    try {
      const place = this.load().get(digest);
      return place && this.read(digest, place);
    } catch {
      return undefined;
    }
  }

  private read(digest: string, place: Place): Buffer | undefined {
    const fd = fs.openSync(this.path, "r");
    try {
      const data = Buffer.alloc(place.size);
      const n = fs.readSync(fd, data, 0, place.size, place.offset);
      return n === place.size && createHash("sha256").update(data).digest("hex") === digest ? data : undefined;
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Whether a content is kept. */
  has(digest: string): boolean {
    return this.load().has(digest);
  }

  /** Keeps a content of the given digest if it is a small text and there is room. */
  add(digest: string, data: Buffer): void {
    const index = this.load();
    if (index.has(digest) || !worthKeeping(data) || this.size + data.length > maxContents) return;
    const waiting = (this.waiting ??= Buffer.allocUnsafe(flushSize + recordHead + maxContent));
    waiting.write(digest, this.waitingSize, "hex");
    waiting.writeBigUInt64LE(BigInt(data.length), this.waitingSize + 32);
    data.copy(waiting, this.waitingSize + recordHead);
    index.set(digest, { offset: this.size + recordHead, size: data.length });
    this.waitingSize += recordHead + data.length;
    this.size += recordHead + data.length;
    if (this.waitingSize > flushSize) this.flush();
  }

  private flush(): void {
    if (!this.waiting || this.waitingSize === 0) return;
    try {
      if (this.added === undefined) {
        this.added = fs.openSync(this.path, fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o600);
        fs.ftruncateSync(this.added, this.size - this.waitingSize);
        this.position = this.size - this.waitingSize;
      }
      const data = this.waiting.subarray(0, this.waitingSize);
      for (let at = 0; at < data.length; ) at += fs.writeSync(this.added, data, at, data.length - at, this.position + at);
      this.position += data.length;
    } catch (error) {
      throw ioError("contents can't be kept", this.path, error);
    }
    this.waitingSize = 0;
  }

  /**
   * Writes out what was added, and drops what base does not refer to once that is
   * more than half. base is the document of a new one, if there is one.
   */
  close(base: Uint8Array | undefined): void {
    this.flush();
    if (this.added !== undefined) fs.closeSync(this.added);
    this.added = undefined;
    if (!base || !this.index || this.size < 1 << 20) return;
    const used = spokenOf(base, this.index.keys());
    let bytes = 0;
    for (const digest of used) bytes += recordHead + this.index.get(digest)!.size;
    if (bytes * 2 <= this.size) this.compact(used);
  }

  /** Rewrites the store with what is used. */
  private compact(used: Iterable<string>): void {
    const next = new Contents(this.path + ".new");
    try {
      fs.rmSync(next.path, { force: true });
      for (const digest of used) {
        const data = this.get(digest);
        if (data) next.add(digest, data);
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
 * Which of some digests a stored base speaks of. They stand in its document as bytes,
 * each at a multiple of 8. One that stands there by chance is kept too long, which
 * harms nobody.
 */
function spokenOf(document: Uint8Array, digests: Iterable<string>): Set<string> {
  const { buffer } = Uint8Array.from(document); // which begins at a multiple of 8
  const words = new Uint32Array(buffer, 0, Math.floor(document.length / 8) * 2);
  const bytes = Buffer.from(buffer);
  const wanted = new Map<number, Set<string>>(); // by their first four bytes
  for (const digest of digests) {
    const first = Buffer.from(digest.slice(0, 8), "hex").readUInt32LE();
    const same = wanted.get(first) ?? new Set();
    wanted.set(first, same.add(digest));
  }
  const found = new Set<string>();
  for (let i = 0; i + 8 <= words.length; i += 2) {
    const same = wanted.get(words[i]!);
    const digest = same && bytes.toString("hex", 4 * i, 4 * i + 32);
    if (digest && same.has(digest)) found.add(digest);
  }
  return found;
}
