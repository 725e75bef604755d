import { PlannerError, type ErrorCode } from "./errors.js";
import { Wasi } from "./wasi.js";

/** The ABI that this package speaks; see wasm/ABI.md. A newer minor is accepted. */
const abiMajor = 1;
const abiMinor = 0;

/** An answer: what the JSON says, and the sections that it names. */
export interface Answer {
  result: unknown;
  sections: Uint8Array[];
}

interface Exports {
  memory: WebAssembly.Memory;
  _initialize(): void;
  abi(): number;
  buffer(n: number): number;
  call(n: number): number;
  keeps_data(n: number): number;
  scan_dir(n: number): number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const align = (n: number): number => (n + 7) & ~7;
const header = 16;
const maySections = 1;

/** One instance of the module. A trap leaves it unusable. */
export class Instance {
  private readonly exports: Exports;
  private readonly wasi: Wasi;

  constructor(module: WebAssembly.Module, frugal: boolean) {
    this.wasi = new Wasi(frugal);
    let instance: WebAssembly.Instance;
    try {
      instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: this.wasi.imports });
    } catch (error) {
      if (error instanceof RangeError) throw noMemory(error);
      throw wrongModule("the .wasm file is not a planner of this package", error);
    }
    this.exports = instance.exports as unknown as Exports;
    if (typeof this.exports.abi !== "function" || !this.exports.memory || typeof this.exports._initialize !== "function") {
      throw wrongModule("the .wasm file is not a planner");
    }
    this.wasi.memory = this.exports.memory;
    try {
      this.exports._initialize();
    } catch (error) {
      throw wrongModule("the .wasm file can't be started", error);
    }
    const abi = this.exports.abi();
    if (abi >>> 16 !== abiMajor || (abi & 0xffff) < abiMinor) {
      throw wrongModule(`the .wasm file has ABI ${abi >>> 16}.${abi & 0xffff}; this package needs ${abiMajor}.${abiMinor}`);
    }
  }

  /** Bytes of linear memory, which never shrinks. */
  get size(): number {
    return this.exports.memory.buffer.byteLength;
  }

  /** What the module wrote when it died. */
  get lastWords(): string {
    return this.wasi.written;
  }

  /** The answer to one call, as an object. An error in it is thrown as a PlannerError. */
  call(request: object, sections: readonly Uint8Array[] = []): Answer {
    const at = this.send(jsonOf(request), maySections, sections);
    const answer = this.receive(at);
    const { result, error } = JSON.parse(answer.json) as { result?: unknown; error?: WireError };
    if (error) throw new PlannerError(error.code, error.message, error.path, error.hint, error.field);
    return { result, sections: answer.sections };
  }

  /** The answer to one call, text for text. */
  callText(request: string): string {
    if (typeof request !== "string") throw new PlannerError("invalid_request", "the request is no text");
    return this.receive(this.send(request, 0, [])).json;
  }

  /** Whether a survey wants the bytes of the archive member of this name. */
  keepsData(name: Uint8Array): boolean {
    assertBytes(name);
    const at = this.buffer(name.length); // the memory may grow in this call
    new Uint8Array(this.exports.memory.buffer).set(name, at);
    return this.exports.keeps_data(name.length) !== 0;
  }

  /**
   * A byte for each of some names in a directory; undefined where no rules are kept under the key. wasm/ABI.md tells
   * more.
   */
  scanDir(key: string, path: string, names: readonly string[]): Uint8Array | undefined {
    const text = `${key}\0${path}\0${names.join("\0")}${names.length > 0 ? "\0" : ""}`;
    const size = 3 * text.length;
    const start = this.buffer(size); // the memory may grow in this call
    const { written } = encoder.encodeInto(text, new Uint8Array(this.exports.memory.buffer, start, size));
    const at = this.exports.scan_dir(written) >>> 0;
    if (at === 0) return undefined;
    const count = new DataView(this.exports.memory.buffer, at).getUint32(0, true);
    return count === names.length ? new Uint8Array(this.exports.memory.buffer, at + 4, count).slice() : undefined;
  }

  private buffer(n: number): number {
    return this.exports.buffer(n) >>> 0;
  }

  private send(json: string, flags: number, sections: readonly Uint8Array[]): number {
    sections.forEach(assertBytes);
    const start = align(header + 4 * sections.length);
    // A UTF-16 unit becomes at most 3 bytes.
    let size = align(start + 3 * json.length);
    for (const s of sections) size = align(size + s.length);
    const at = this.buffer(size);
    const bytes = new Uint8Array(this.exports.memory.buffer, at, size);
    const view = new DataView(this.exports.memory.buffer, at, size);
    const { written } = encoder.encodeInto(json, bytes.subarray(start));
    let end = start + written;
    for (let i = 0; i < sections.length; i++) {
      const from = align(end);
      bytes.set(sections[i]!, from);
      end = from + sections[i]!.length;
      view.setUint32(header + 4 * i, sections[i]!.length, true);
    }
    view.setUint32(0, end, true);
    view.setUint32(4, flags, true);
    view.setUint32(8, written, true);
    view.setUint32(12, sections.length, true);
    return this.exports.call(end) >>> 0;
  }

  private receive(at: number): { json: string; sections: Uint8Array[] } {
    const memory = this.exports.memory.buffer;
    const view = new DataView(memory, at);
    const count = view.getUint32(12, true);
    let from = align(header + 4 * count);
    const length = view.getUint32(8, true);
    const json = decoder.decode(new Uint8Array(memory, at + from, length));
    from += length;
    const sections: Uint8Array[] = [];
    for (let i = 0; i < count; i++) {
      const n = view.getUint32(header + 4 * i, true);
      from = align(from);
      sections.push(new Uint8Array(memory, at + from, n).slice());
      from += n;
    }
    return { json, sections };
  }
}

interface WireError {
  code: ErrorCode;
  message: string;
  path?: string;
  field?: string;
  hint?: string;
}

/**
 * What the module can't be told is the caller's error, found before the module is touched: a trap would cost what it
 * keeps.
 */
function jsonOf(request: object): string {
  try {
    return JSON.stringify(request);
  } catch (cause) {
    const error = new PlannerError("invalid_request", `the request can't be written as JSON: ${cause instanceof Error ? cause.message : "it throws"}`);
    error.cause = cause;
    throw error;
  }
}

/** Throws where a value is no Uint8Array: a text would be taken for zeros without a word. */
export function assertBytes(section: Uint8Array): void {
  if (ArrayBuffer.isView(section) && section.BYTES_PER_ELEMENT === 1) return;
  throw new PlannerError("invalid_request", "what should be bytes is no Uint8Array");
}

/** Says that the module is not to blame: its memory needs more address space than it ever uses. */
function noMemory(cause: unknown): PlannerError {
  const hint = "give the process more memory, of which it needs some 10 GB of address space alone (ulimit -v)";
  const error = new PlannerError("limit_exceeded", "there is no memory for the planner", undefined, hint);
  error.cause = cause;
  return error;
}

function wrongModule(why: string, cause?: unknown): PlannerError {
  const error = new PlannerError("unsupported", why, undefined, "use the planner.wasm that this version of the package ships");
  if (cause !== undefined) error.cause = cause;
  return error;
}
