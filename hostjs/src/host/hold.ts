// The lock of a directory as the code of one server holds it: whoever asks for it again
// under it has it already.
import { AsyncLocalStorage } from "node:async_hooks";
import fs from "node:fs/promises";

import { assertKind } from "./checked.js";
import { hostError } from "./errors.js";
import { acquireLock } from "./lock.js";

/** The locks that the code which runs now is under, by the directory's real path. */
const held = new AsyncLocalStorage<ReadonlyMap<string, Hold>>();

/** Runs a function under the lock of a directory. Where the code has that already, those that ask for it take turns. */
export async function underLock<T>(dir: string, fn: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  assertKind(dir, "targetDir", "a string");
  assertKind(fn, "fn", "a function");
  const real = await realPath(dir);
  const holds = held.getStore() ?? new Map<string, Hold>();
  const outer = holds.get(real)?.lasting;
  const run = async () => {
    const hold = new Hold(outer);
    try {
      return await held.run(new Map([...holds, [real, hold]]), fn);
    } finally {
      await hold.end();
    }
  };
  if (outer) return outer.turn(run);
  const release = await acquireLock(real, { signal });
  try {
    return await run();
  } finally {
    await release();
  }
}

/**
 * A lock while a function runs under it. Code that the function started may outlast it, and then has the lock no
 * more.
 */
class Hold {
  private over = false;
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly outer: Hold | undefined) {}

  /** The innermost one that is not over. */
  get lasting(): Hold | undefined {
    return this.over ? this.outer?.lasting : this;
  }

  /** Runs a function after those that came before. */
  turn<T>(fn: () => Promise<T>): Promise<T> {
    const done = this.last.then(fn);
    this.last = done.catch(() => undefined); // is told whoever asked for that turn
    return done;
  }

  /** Lets nobody in any more, and waits for those who are. */
  async end(): Promise<void> {
    this.over = true;
    await this.last;
  }
}

/**
 * Runs a sync of a directory, which is told whether the code that asked for it holds the lock: a sync that took it
 * again would wait for its own caller.
 */
export async function whereLocked<T>(dir: string, sync: (locked: boolean) => Promise<T>): Promise<T> {
  const holds = held.getStore();
  // The sync itself says why a directory can't be reached.
  const real = holds && (await fs.realpath(dir).catch(() => undefined));
  return real !== undefined && holds?.get(real)?.lasting ? underLock(dir, () => sync(true)) : sync(false);
}

/** The path of a directory without links; an error of code unsafe_root where there is none. */
export async function realPath(dir: string): Promise<string> {
  try {
    return await fs.realpath(dir);
  } catch (cause) {
    throw hostError("unsafe_root", "the directory does not exist or can't be reached", { path: dir, cause, hint: "name an existing folder" });
  }
}
