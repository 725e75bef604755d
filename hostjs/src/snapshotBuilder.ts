import { PlannerError } from "./errors.js";
import { seal } from "./fletcher64.js";
import { comparePaths } from "./order.js";
import type { Kind, Problem } from "./types.js";

// The binary form of a snapshot; wasm/ABI.md describes every byte.
const magic = [0x73, 0x79, 0x6e, 0x63, 0x73, 0x6e, 0x61, 0x70];
const format = 1;
const blockEntries = 4096;
const header = 32;
const blockHeader = 24;
const align = (n: number): number => (n + 7) & ~7;
const encoder = new TextEncoder();

/**
 * Texts one behind the other, and where each ends. They are encoded together, since each call of an encoder costs
 * more than its work.
 */
class Texts {
  private all = "";
  private readonly ends: number[] = [];
  private room = new Uint8Array(1 << 18);

  add(text: string): void {
    this.all += text;
    this.ends.push(this.all.length);
  }

  /** The bytes of all, until the next call, and the end of each in them. Others are collected from now on. */
  take(): { bytes: Uint8Array; ends: Uint32Array } {
    const { all } = this;
    const ends = new Uint32Array(this.ends);
    this.all = "";
    this.ends.length = 0;
    if (this.room.length < 3 * all.length) this.room = new Uint8Array(6 * all.length);
    let length = encoder.encodeInto(all, this.room).written;
    if (length > all.length) length = this.encodeEach(all, ends); // not all is ASCII
    return { bytes: this.room.subarray(0, length), ends };
  }

  /** Brings the ends from characters to bytes. */
  private encodeEach(all: string, ends: Uint32Array): number {
    let start = 0;
    let length = 0;
    ends.forEach((end, i) => {
      const text = all.slice(start, end);
      if (halfCharacter.test(text)) throw new PlannerError("invalid_request", "a path or target holds half a character, which would become another one");
      length += encoder.encodeInto(text, this.room.subarray(length)).written;
      ends[i] = length;
      start = end;
    });
    return length;
  }
}

/** A UTF-16 surrogate without its other half. */
const halfCharacter = /\p{Surrogate}/u;

/**
 * A digest that has its 32 bytes. Of another length it would be that of another content, or run into the next one's.
 */
function whole(digest: Uint8Array, path: string): Uint8Array {
  if (ArrayBuffer.isView(digest) && digest.length === 32 && digest.byteLength === 32) return digest;
  throw new PlannerError("invalid_request", "a digest is 32 bytes", path);
}

/** What a snapshot says beside its entries. */
export interface SnapshotLists {
  /** Files may lack a digest. */
  unread?: boolean;
  problems?: readonly Problem[];
  incomplete?: Iterable<string>;
  occupied?: Iterable<string>;
}

/**
 * Writes the binary form of a snapshot while a tree is scanned, without an object
 * an entry. Entries come in the order of comparePaths; the planner checks that
 * and all else when it reads the bytes.
 */
export class SnapshotBuilder {
  /** Entries added so far. */
  count = 0;
  private readonly blocks: Uint8Array[] = [];
  private used = 0;
  private readonly sizes = new Uint32Array(2 * blockEntries);
  private readonly digests = new Uint8Array(32 * blockEntries);
  private readonly modes = new Uint16Array(blockEntries);
  private readonly kindOf = new Uint8Array(blockEntries);
  private readonly paths = new Texts();
  private readonly links: number[] = [];
  private readonly targets = new Texts();

  constructor() {
    if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) throw new Error("this processor is big-endian, which is not supported");
  }

  /**
   * digest is 32 bytes; undefined for what is no file, and for a file that was not read. Another length is a
   * PlannerError of code invalid_request, and so is half a character in a path or target, here or in finish.
   */
  add(path: string, kind: Kind, mode: number, size = 0, digest?: Uint8Array, target?: string): void {
    const i = this.used++;
    this.count++;
    this.paths.add(path);
    this.kindOf[i] = kind === "file" ? 1 : kind === "dir" ? 2 : kind === "link" ? 3 : 0;
    this.modes[i] = mode;
    this.sizes[2 * i] = size;
    this.sizes[2 * i + 1] = size / 0x100000000;
    if (digest) this.digests.set(whole(digest, path), 32 * i);
    if (target) {
      this.links.push(i);
      this.targets.add(target);
    }
    if (this.used === blockEntries) this.flush();
  }

  /** The whole document. The builder is not used again. */
  finish(lists: SnapshotLists = {}): Uint8Array {
    if (this.used > 0) this.flush();
    const text = encodeLists(lists);
    const start = header + align(text.length);
    const out = new Uint8Array(this.blocks.reduce((n, b) => n + b.length, start));
    const words = new Uint32Array(out.buffer);
    out.set(magic);
    words.set([format, lists.unread ? 1 : 0, this.count, text.length], 4);
    out.set(text, header);
    seal(words.subarray(2, start / 4));
    let at = start;
    for (const block of this.blocks) {
      out.set(block, at);
      at += block.length;
    }
    return out;
  }

  private flush(): void {
    const n = this.used;
    const m = this.links.length;
    const paths = this.paths.take();
    const targets = this.targets.take();
    const sizesAt = blockHeader;
    const digestsAt = sizesAt + 8 * n;
    const endsAt = digestsAt + 32 * n;
    const modesAt = endsAt + align(4 * n);
    const kindsAt = modesAt + align(2 * n);
    const linksAt = kindsAt + align(n);
    const pathsAt = linksAt + 8 * m;
    const targetsAt = pathsAt + align(paths.bytes.length);
    const block = new Uint8Array(targetsAt + align(targets.bytes.length));
    const words = new Uint32Array(block.buffer);
    words.set([n, m, paths.bytes.length, targets.bytes.length], 2);
    words.set(this.sizes.subarray(0, 2 * n), sizesAt / 4);
    block.set(this.digests.subarray(0, 32 * n), digestsAt);
    words.set(paths.ends, endsAt / 4);
    new Uint16Array(block.buffer).set(this.modes.subarray(0, n), modesAt / 2);
    block.set(this.kindOf.subarray(0, n), kindsAt);
    this.links.forEach((entry, k) => words.set([entry, targets.ends[k]!], linksAt / 4 + 2 * k));
    block.set(paths.bytes, pathsAt);
    block.set(targets.bytes, targetsAt);
    seal(words);
    this.blocks.push(block);
    this.digests.fill(0);
    this.used = this.links.length = 0;
  }
}

/** The canonical JSON of what is no entry: sorted, without repetitions, and nothing where all is empty. */
function encodeLists(lists: SnapshotLists): Uint8Array {
  const problems = (lists.problems ?? []).map((p) => ({ path: p.path, code: p.code, ...(p.detail && { detail: p.detail }) }));
  problems.sort((a, b) => comparePaths(a.path, b.path) || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0));
  const once = problems.filter((p, i) => i === 0 || p.path !== problems[i - 1]!.path || p.code !== problems[i - 1]!.code);
  const incomplete = sortedOnce(lists.incomplete);
  const occupied = sortedOnce(lists.occupied);
  const all = { ...(once.length && { problems: once }), ...(incomplete.length && { incomplete }), ...(occupied.length && { occupied }) };
  return Object.keys(all).length === 0 ? new Uint8Array() : encoder.encode(JSON.stringify(all));
}

function sortedOnce(paths: Iterable<string> = []): string[] {
  return [...new Set(paths)].sort(comparePaths);
}
