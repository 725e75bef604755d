// Headers in the GNU form of tar, byte for byte as Go's archive/tar writes them.
// No tar library for Node makes these bytes, and two hosts that send other bytes
// for one tree could not be held to each other by a test.

/** What an archive is made of, in bytes. */
export const block = 512;
const nameSize = 100;

/** One member, as a header tells it. */
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

const typeFlags = { file: 0x30, dir: 0x35, link: 0x32 } as const;

/** The bytes of a header: one block, and two or more before it for each text that does not fit. */
export function headerSize(h: Header): number {
  return block + longSize(Buffer.byteLength(h.name) + (h.kind === "dir" ? 1 : 0)) + longSize(Buffer.byteLength(h.target));
}

function longSize(length: number): number {
  return length > nameSize ? block + padded(length + 1) : 0;
}

/** The bytes of a header, with those of a long name before it. */
export function encodeHeader(h: Header): Buffer {
  const out = Buffer.allocUnsafe(headerSize(h));
  writeHeader(out, 0, h);
  return out;
}

/** Writes the headerSize(h) bytes of a header at an offset. */
export function writeHeader(out: Buffer, at: number, h: Header): void {
  const name = h.kind === "dir" ? h.name + "/" : h.name;
  // A character has at most three bytes a unit.
  if (name.length > nameSize / 3 && Buffer.byteLength(name) > nameSize) at = writeLongText(out, at, name, 0x4c);
  if (h.target.length > nameSize / 3 && Buffer.byteLength(h.target) > nameSize) at = writeLongText(out, at, h.target, 0x4b);
  empty.copy(out, at);
  text(out, at, name);
  numeric(out, at + 100, 8, h.mode);
  numeric(out, at + 124, 12, h.size);
  numeric(out, at + 136, 12, h.mtime);
  out[at + 156] = typeFlags[h.kind];
  if (h.target !== "") text(out, at + 157, h.target);
  numeric(out, at + 329, 8, 0);
  numeric(out, at + 337, 8, 0);
  seal(out, at);
}

/**
 * Writes the member that carries a long name ("L") or a long link text ("K") before the header it belongs to, and
 * returns where it ends.
 */
function writeLongText(out: Buffer, at: number, value: string, flag: number): number {
  const size = Buffer.byteLength(value) + 1; // a NUL ends it
  empty.copy(out, at);
  out.write("././@LongLink", at, "latin1");
  numeric(out, at + 100, 8, 0);
  numeric(out, at + 124, 12, size);
  numeric(out, at + 136, 12, 0);
  out[at + 156] = flag;
  seal(out, at);
  out.fill(0, at + block, at + block + padded(size));
  out.write(value, at + block);
  return at + block + padded(size);
}

/** Writes the first bytes of a text into a field of nameSize. */
function text(out: Buffer, at: number, value: string): void {
  if (3 * value.length <= nameSize) {
    out.write(value, at);
    return;
  }
  const bytes = Buffer.from(value);
  bytes.copy(out, at, 0, nameSize);
  if (bytes.length <= nameSize || bytes[nameSize - 1] !== 0x2f) return;
  // Some readers take a file for a directory whose cut name ends in a slash.
  let end = nameSize;
  while (end > 0 && bytes[end - 1] === 0x2f) end--;
  out[at + end] = 0;
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

/** A block with what all headers have: owner and group 0, the magic words, and spaces in place of the checksum. */
const empty = Buffer.alloc(block);
numeric(empty, 108, 8, 0);
numeric(empty, 116, 8, 0);
empty.write("ustar  \0", 257, "latin1");
empty.fill(0x20, 148, 156);

/** The checksum, which is taken with eight spaces in its place. */
function seal(b: Buffer, at: number): void {
  let sum = 0;
  for (let i = at; i < at + block; i++) sum += b[i]!;
  for (let i = at + 153; i >= at + 148; i--, sum >>= 3) b[i] = 0x30 + (sum & 7);
  b[at + 154] = 0;
}

/** A size in bytes with what fills its last block. */
export function padded(size: number): number {
  return Math.ceil(size / block) * block;
}
