// The few WASI functions that the module imports. None opens, reads or lists a
// file: what it writes, a Go panic, is kept for the error.

const success = 0;

/**
 * Settings of the Go runtime in the module. Garbage is first collected at some 80 MB, which most instances never
 * reach, since one that grew is replaced.
 */
const generous = ["GOGC=2000", "GOMEMLIMIT=1GiB"];

/**
 * Collects early. Past 64 MB each step by which memory grows makes V8 collect the garbage of the whole thread, which
 * a host has much of.
 */
const frugal = ["GOGC=100", "GOMEMLIMIT=1GiB"];

/** The functions that one instance of the module imports, most of them stubs that succeed. */
export class Wasi {
  /** Set once the instance exists. */
  memory: WebAssembly.Memory | undefined;
  /** The end of what the module wrote before it died. */
  written = "";

  private clock = 0; // in milliseconds

  private readonly environment: readonly string[];

  constructor(isFrugal: boolean) {
    this.environment = isFrugal ? frugal : generous;
  }

  private get view(): DataView {
    return new DataView(this.memory!.buffer);
  }

  private zeros(...at: number[]): number {
    for (const p of at) this.view.setUint32(p, 0, true);
    return success;
  }

  readonly imports: Record<string, (...args: never[]) => number> = {
    args_sizes_get: (count: number, size: number) => this.zeros(count, size),
    args_get: () => success,
    environ_sizes_get: (count: number, size: number) => {
      this.view.setUint32(count, this.environment.length, true);
      this.view.setUint32(size, this.environment.reduce((n, s) => n + s.length + 1, 0), true);
      return success;
    },
    environ_get: (list: number, at: number) => {
      for (const s of this.environment) {
        this.view.setUint32(list, at, true);
        new TextEncoder().encodeInto(`${s}\0`, new Uint8Array(this.memory!.buffer, at, s.length + 1));
        list += 4;
        at += s.length + 1;
      }
      return success;
    },
    // No decision depends on a clock or on chance. Go's scheduler asks for the time, which may stand still but not go
    // back. Chance spreads the keys of Go's maps, which nobody sees. In Node the finer clock and better chance cost
    // the first instance of a process some 7 ms to load.
    clock_time_get: (_id: number, _precision: bigint, at: number) => {
      this.clock = Math.max(this.clock, Date.now());
      this.view.setBigUint64(at, BigInt(this.clock) * 1_000_000n, true);
      return success;
    },
    random_get: (at: number, length: number) => {
      const bytes = new Uint8Array(this.memory!.buffer, at, length);
      for (let i = 0; i < length; i++) bytes[i] = Math.random() * 256;
      return success;
    },
    sched_yield: () => success,
    poll_oneoff: (_in: number, _out: number, _count: number, events: number) => this.zeros(events),
    fd_write: (_fd: number, vectors: number, count: number, size: number) => {
      let total = 0;
      for (let i = 0; i < count; i++) {
        const at = this.view.getUint32(vectors + 8 * i, true);
        const length = this.view.getUint32(vectors + 8 * i + 4, true);
        const text = new TextDecoder().decode(new Uint8Array(this.memory!.buffer, at, length));
        this.written = (this.written + text).slice(0, 2000);
        total += length;
      }
      this.view.setUint32(size, total, true);
      return success;
    },
    proc_exit: (code: number) => {
      throw new WebAssembly.RuntimeError(`exit status ${code}`);
    },
  };
}
