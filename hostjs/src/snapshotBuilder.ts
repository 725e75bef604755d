import { seal } from "./fletcher64.js";
import { comparePaths } from "./order.js";
import type { Kind, Problem } from "./types.js";

// The binary form of a snapshot; wasm/ABI.md describes every byte.
const magic = [0x73, 0x79, 0x6e, 0x63, 0x73, 0x6e, 0x61, 0x70];
const format = 1;
const blockEntries = 4096;
const header = 32;
const blockHeader = 24;
const kinds: Record<Kind, number> = { file: 1, dir: 2, link: 3 };
const align = (n: number): number => (n + 7) & ~7;
const encoder = new TextEncoder();

/** A buffer of text that grows. */
class Text {
  bytes = new Uint8Array(1 << 18);
  length = 0;

  add(s: string): void {
    if (this.length + 3 * s.length > this.bytes.length) this.grow(3 * s.length);
    const { bytes } = this;
    let at = this.length;
    for (let i = 0; i < s.length; i++) {
      const c = s.charCodeAt(i);
      if (c > 0x7f) {
        this.length += encoder.encodeInto(s, bytes.subarray(this.length)).written;
        return;
      }
      bytes[at++] = c;
    }
    this.length = at;
  }

  private grow(more: number): void {
    const old = this.bytes;
    this.bytes = new Uint8Array(2 * old.length + more);
    this.bytes.set(old);
  }
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
  private readonly ends = new Uint32Array(blockEntries);
  private readonly modes = new Uint16Array(blockEntries);
  private readonly kindOf = new Uint8Array(blockEntries);
  private readonly paths = new Text();
  private readonly targets = new Text();
  private readonly targetEnds: number[] = [];

  constructor() {
    if (new Uint8Array(new Uint32Array([1]).buffer)[0] !== 1) throw new Error("this processor is big-endian, which is not supported");
  }

  /** digest is 32 bytes; undefined for what is no file, and for a file that was not read. */
  add(path: string, kind: Kind, mode: number, size = 0, digest?: Uint8Array, target?: string): void {
    const i = this.used++;
    this.count++;
    this.paths.add(path);
    this.ends[i] = this.paths.length;
    this.kindOf[i] = kinds[kind];
    this.modes[i] = mode;
    this.sizes[2 * i] = size;
    this.sizes[2 * i + 1] = size / 0x100000000;
    if (digest) this.digests.set(digest, 32 * i);
    if (target) {
      this.targets.add(target);
      this.targetEnds.push(i, this.targets.length);
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
    const links = this.targetEnds.length / 2;
    const sizes = blockHeader;
    const digests = sizes + 8 * n;
    const ends = digests + 32 * n;
    const modes = ends + align(4 * n);
    const kindsAt = modes + align(2 * n);
    const targetEnds = kindsAt + align(n);
    const paths = targetEnds + 8 * links;
    const targets = paths + align(this.paths.length);
    const end = targets + align(this.targets.length);
    const block = new Uint8Array(end);
    const words = new Uint32Array(block.buffer);
    words.set([n, links, this.paths.length, this.targets.length], 2);
    words.set(this.sizes.subarray(0, 2 * n), sizes / 4);
    block.set(this.digests.subarray(0, 32 * n), digests);
    words.set(this.ends.subarray(0, n), ends / 4);
    new Uint16Array(block.buffer).set(this.modes.subarray(0, n), modes / 2);
    block.set(this.kindOf.subarray(0, n), kindsAt);
    words.set(this.targetEnds, targetEnds / 4);
    block.set(this.paths.bytes.subarray(0, this.paths.length), paths);
    block.set(this.targets.bytes.subarray(0, this.targets.length), targets);
    seal(words);
    this.blocks.push(block);
    this.digests.fill(0);
    this.used = this.paths.length = this.targets.length = this.targetEnds.length = 0;
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
