import { isUtf8 } from "node:buffer";

import headers, { type Decoded } from "tar-stream/headers.js";

import { hostError } from "./errors.js";
import type { PlannerError } from "../errors.js";
import type { Source } from "./source.js";
import type { Stop } from "./stop.js";
import { block, padded } from "./tarHeader.js";

/**
 * One member of an archive that a sandbox made. Nothing in it is to be trusted;
 * it names where a body belongs, never where it is put.
 */
export interface RawMember {
  /** Without a leading "./" and a trailing "/"; any bytes. */
  name: Buffer;
  kind: "file" | "dir" | "link" | "hardlink" | null;
  /** Permission bits alone: set-user-id and the like are dropped (promise S7). */
  mode: number;
  /** Bytes, of a file. */
  size: number;
  /** Of a link; of a hard link the name of the first one. */
  target: Buffer;
  /** Why it is refused; "" is good. */
  fault: string;
}

/** Takes the body of one member. */
export interface BodySink {
  write(bytes: Buffer): void;
  /** Called once the body is whole. */
  end(): void;
  /** Called instead where the archive ends early. */
  abort(): void;
}

/** Bounds of an archive from a sandbox. */
export interface ArchiveLimits {
  members?: number;
  /** Of all bodies. */
  bytes?: number;
  /** Of a name. */
  path?: number;
  /** Of all names and link texts together, which are kept in memory. */
  names?: number;
  /** What begins the text after the archives, where there may be one. */
  text?: string;
  /** One archive with its end record and nothing after it but zeros. */
  single?: boolean;
}

const defaults = { members: 10_000_064, bytes: 16 * 2 ** 40, path: 32 << 10, names: 2 ** 30, text: "", single: false };

/**
 * Calls onMember for each member of one or more tar archives, one after another,
 * as find makes them with "-exec tar -cf - {} +". What follows the archives stays
 * in the source, and is nothing unless the limits allow a text.
 */
export async function readArchives(
  source: Source,
  limits: ArchiveLimits,
  onMember: (member: RawMember) => BodySink | undefined,
  stop: Stop,
): Promise<void> {
  const reader = new Reader(source, { ...defaults, ...limits }, stop);
  for (;;) {
    const member = await reader.next();
    if (!member) return;
    await reader.body(member, onMember(member));
  }
}

/** More than any record, in blocks; what has no end is no padding. */
const maxPadding = 2 ** 24 / block;

class Reader {
  private members: number;
  private bytes: number;
  private names: number;
  private padding = 0; // blocks since the last member
  private readonly text: Buffer;

  constructor(
    private readonly source: Source,
    private readonly limits: Required<ArchiveLimits>,
    private readonly stop: Stop,
  ) {
    this.members = limits.members;
    this.bytes = limits.bytes;
    this.names = limits.names;
    this.text = Buffer.from(limits.text);
  }

  /** The next member, or undefined at the end of the archives. */
  async next(): Promise<RawMember | undefined> {
    this.stop.throwIfStopped("stopped while an archive was read");
    const first = await this.skipPadding();
    if (!first) return undefined;
    const { header, long } = await this.header(first);
    const member = rawMember(header, long);
    this.members--;
    this.bytes -= header.size;
    this.names -= member.name.length + member.target.length;
    if (this.members < 0) throw tooMuch("the sandbox's archive has too many members");
    if (this.bytes < 0) throw tooMuch("the sandbox's archive is too large");
    if (this.names < 0) throw tooMuch("the sandbox's archive has too many long names");
    if (member.name.length > this.limits.path || member.target.length > this.limits.path) throw this.longName();
    return member;
  }

  private longName(): PlannerError {
    return tooMuch(`the sandbox's archive has a name of more than ${this.limits.path} bytes`);
  }

  /**
   * Skips what pads an archive to a whole record and returns the block after it; undefined at the end or before a
   * text.
   */
  private async skipPadding(): Promise<Buffer | undefined> {
    for (;;) {
      await this.source.fill(block);
      const head = this.source.peek(block);
      if (head.length === 0 || (this.text.length > 0 && head.indexOf(this.text) === 0)) return this.end();
      if (head.length < block) throw damaged();
      this.source.take(block);
      if (!isPadding(head)) return this.begin(head);
      if (++this.padding > maxPadding) throw damaged(new Error("its padding has no end"));
    }
  }

  private begin(head: Buffer): Buffer {
    const first = this.members === this.limits.members;
    if (this.limits.single && !first && this.padding > 0) throw damaged(new Error("something follows its end"));
    this.padding = 0;
    return head;
  }

  /** A single archive that lacks its end record, which is two blocks, was cut. */
  private end(): undefined {
    const none = this.members === this.limits.members;
    if (this.limits.single && (none || this.padding < 2)) throw damaged();
  }

  /** The header that begins with a block, with the long texts that belong to it. */
  private async header(first: Buffer): Promise<{ header: Decoded; long: LongTexts }> {
    const long: LongTexts = {};
    for (let head = first; ; head = await this.block()) {
      const header = decode(head);
      switch (header.type) {
        case "gnu-long-path":
          long.path = untilNul(await this.longText(header));
          break;
        case "gnu-long-link-path":
          long.target = untilNul(await this.longText(header));
          break;
        case "pax-header":
          addPax(long, await this.longText(header));
          break;
        default:
          if (long.size !== undefined) header.size = long.size;
          if (headerOnly.has(header.type ?? "")) header.size = 0;
          return { header, long };
      }
    }
  }

  private async block(): Promise<Buffer> {
    await this.source.fill(block);
    const head = this.source.take(block);
    if (head.length < block) throw damaged();
    return head;
  }

  private async longText(header: Decoded): Promise<Buffer> {
    // A pax header may hold a name, a link's text and some more.
    if (header.size > 4 * this.limits.path) throw this.longName();
    await this.source.fill(padded(header.size));
    const bytes = this.source.take(padded(header.size));
    if (bytes.length < padded(header.size)) throw damaged();
    return Buffer.from(bytes.subarray(0, header.size)); // a name outlives the piece of the download that it came in
  }

  /** Hands the body of a member to a sink, or passes over it. */
  async body(member: RawMember, sink: BodySink | undefined): Promise<void> {
    try {
      for (let left = member.size; left > 0; ) {
        if (this.source.available === 0) await this.source.fill(1);
        const bytes = this.source.take(left);
        if (bytes.length === 0) throw damaged();
        sink?.write(bytes);
        left -= bytes.length;
        if (left > 0) this.stop.throwIfStopped("stopped while an archive was read");
      }
      const fill = padded(member.size) - member.size;
      if (this.source.available < fill) await this.source.fill(fill);
      if (this.source.take(fill).length < fill) throw damaged();
    } catch (error) {
      sink?.abort();
      throw error;
    }
    sink?.end();
  }
}

/** Types that have no body, whatever their size says. */
const headerOnly = new Set(["link", "symlink", "character-device", "block-device", "directory", "fifo"]);

/** What stands before a header because it does not fit in there. */
interface LongTexts {
  path?: Buffer;
  target?: Buffer;
  size?: number;
  fault?: string;
}

function addPax(long: LongTexts, bytes: Buffer): void {
  if (!isUtf8(bytes)) {
    long.fault = "its name is not valid UTF-8";
    return;
  }
  const pax = headers.decodePax(bytes);
  if (pax.path) long.path = Buffer.from(pax.path);
  if (pax.linkpath) long.target = Buffer.from(pax.linkpath);
  if (pax.size) long.size = size(Number(pax.size));
  if (Object.keys(pax).some((key) => key.startsWith("GNU.sparse"))) long.fault = "a device, FIFO or something unknown";
}

function untilNul(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

/**
 * A block of zeros ends an archive or pads it. One without a checksum and without
 * a magic number is no header either: toybox leaves bytes of the last body in the
 * block that ends an archive.
 */
function isPadding(b: Buffer): boolean {
  return allZero(b, 148, 156) && allZero(b, 257, 263);
}

function allZero(b: Buffer, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (b[i] !== 0) return false;
  return true;
}

function decode(b: Buffer): Decoded {
  let header: Decoded | null;
  try {
    // Latin-1 keeps the bytes of names that are not UTF-8.
    header = headers.decode(b, "latin1", true);
  } catch (cause) {
    throw damaged(cause);
  }
  if (!header) throw damaged();
  header.size = size(header.size);
  return header;
}

function size(n: number | null): number {
  if (n === null || !Number.isSafeInteger(n) || n < 0) throw damaged();
  return n;
}

export function damaged(cause?: unknown): PlannerError {
  return hostError("corrupt", "the sandbox's archive is damaged or incomplete", { hint: "nothing was written; run it again", cause });
}

function tooMuch(message: string): PlannerError {
  return hostError("limit_exceeded", message);
}

const kinds: Readonly<Record<string, RawMember["kind"]>> = { file: "file", directory: "dir", symlink: "link", link: "hardlink" };

function rawMember(header: Decoded, long: LongTexts): RawMember {
  const full = long.path ?? Buffer.from(header.name, "latin1");
  const target = long.target ?? Buffer.from(header.linkname ?? "", "latin1");
  const isFolder = header.type === "file" && full[full.length - 1] === 0x2f;
  const kind = isFolder ? "dir" : (kinds[header.type ?? ""] ?? null);
  const name = cleanName(full);
  let fault = long.fault ?? (kind ? "" : "a device, FIFO or something unknown");
  if (leadsOut(name.toString("latin1"))) fault = "its name leads out of the archive";
  return { name, kind, mode: header.mode & 0o777, size: header.size, target: kind === "hardlink" ? cleanName(target) : target, fault };
}

function leadsOut(name: string): boolean {
  return name.startsWith("/") || name.split("/").includes("..");
}

function cleanName(name: Buffer): Buffer {
  const from = name.indexOf("./") === 0 ? 2 : 0;
  const to = name.length > from && name[name.length - 1] === 0x2f ? name.length - 1 : name.length;
  return name.subarray(from, to);
}
