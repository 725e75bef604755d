// Headers in the GNU form of tar, byte for byte as Go's archive/tar writes them.
// No tar library for Node makes these bytes, and two hosts that send other bytes
// for one tree could not be held to each other by a test.

export const block = 512;
const nameSize = 100;

export interface Header {
  /** Without the trailing slash of a directory. */
  name: string;
  kind: "file" | "dir" | "link";
  mode: number;
  /** Bytes, of a file. */
  size: number;
  /** Of a link. */
  target: string;
  /** Whole seconds since 1970, not negative. */
  mtime: number;
}

const typeFlags = { file: "0", dir: "5", link: "2" } as const;

/** The blocks of a header: one, and two or more before it for each text that does not fit. */
export function encodeHeader(h: Header): Buffer {
  const name = Buffer.from(h.kind === "dir" ? h.name + "/" : h.name);
  const target = Buffer.from(h.target);
  const blocks: Buffer[] = [];
  if (name.length > nameSize) blocks.push(longText(name, "L"));
  if (target.length > nameSize) blocks.push(longText(target, "K"));
  const b = Buffer.alloc(block);
  text(b, 0, nameSize, name);
  numeric(b, 100, 8, h.mode);
  numeric(b, 108, 8, 0);
  numeric(b, 116, 8, 0);
  numeric(b, 124, 12, h.size);
  numeric(b, 136, 12, h.mtime);
  b.write(typeFlags[h.kind], 156, "latin1");
  text(b, 157, nameSize, target);
  numeric(b, 329, 8, 0);
  numeric(b, 337, 8, 0);
  seal(b);
  blocks.push(b);
  return blocks.length === 1 ? b : Buffer.concat(blocks);
}

/** The member that carries a long name ("L") or a long link text ("K") before the header it belongs to. */
function longText(value: Buffer, flag: string): Buffer {
  const size = value.length + 1; // a NUL ends it
  const out = Buffer.alloc(block + padded(size));
  const b = out.subarray(0, block);
  b.write("././@LongLink", 0, "latin1");
  for (const [at, width, n] of [[100, 8, 0], [108, 8, 0], [116, 8, 0], [124, 12, size], [136, 12, 0]] as const) numeric(b, at, width, n);
  b.write(flag, 156, "latin1");
  seal(b);
  value.copy(out, block);
  return out;
}

function text(b: Buffer, at: number, width: number, value: Buffer): void {
  value.copy(b, at, 0, width);
  if (value.length <= width || b[at + width - 1] !== 0x2f) return;
  // Some readers take a file for a directory whose cut name ends in a slash.
  let end = width;
  while (end > 0 && b[at + end - 1] === 0x2f) end--;
  b[at + end] = 0;
}

/** A number in octal with a NUL after it, or in binary where that is too short. */
function numeric(b: Buffer, at: number, width: number, n: number): void {
  if (n < 8 ** (width - 1)) {
    for (let i = at + width - 2; i >= at; i--, n = Math.floor(n / 8)) b[i] = 0x30 + (n % 8);
    return;
  }
  let rest = BigInt(n);
  for (let i = width - 1; i >= 0; i--, rest >>= 8n) b[at + i] = Number(rest & 0xffn);
  b[at]! |= 0x80;
}

/** The magic words and the checksum, which is taken with eight spaces in its place. */
function seal(b: Buffer): void {
  b.write("ustar  \0", 257, "latin1");
  let sum = 8 * 0x20;
  for (let i = 0; i < b.length; i++) sum += b[i]!;
  b.write(sum.toString(8).padStart(6, "0") + "\0 ", 148, "latin1");
}

/** A size in bytes with what fills its last block. */
export function padded(size: number): number {
  return Math.ceil(size / block) * block;
}
