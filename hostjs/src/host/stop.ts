import { hostError } from "./errors.js";

/**
 * Tells work on files that the caller wants it to end. The flag is shared memory,
 * because that work makes no pause in which a message could arrive.
 */
export class Stop {
  private readonly flag: Int32Array;

  constructor(readonly memory = new SharedArrayBuffer(4)) {
    this.flag = new Int32Array(memory);
  }

  /** Asks everybody who holds the same memory to stop. */
  stop(): void {
    Atomics.store(this.flag, 0, 1);
  }

  get stopped(): boolean {
    return Atomics.load(this.flag, 0) !== 0;
  }

  /** Throws a PlannerError of code cancelled once the caller wants an end. */
  throwIfStopped(what: string): void {
    if (this.stopped) throw hostError("cancelled", what);
  }
}
