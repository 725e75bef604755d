// webpack takes a worker into its bundle where the module has this name, and makes wrong code where it is
// "node:worker_threads".
import { Worker } from "worker_threads";

import type { FromWorker, Start, ToWorker } from "./messages.js";

/** By default young objects alone may take 48 MB before V8 looks which of them are still needed. */
const resourceLimits = { maxYoungGenerationSizeMb: 4 };

/**
 * How long a thread waits for another task, in milliseconds, and how many do. A new one makes a small sync take half
 * as long again, and between two syncs an agent works for minutes; a thread that waits takes some 30 MB.
 */
const patience = 5 * 60_000;
const maxIdle = 2;

const idle: Thread[] = [];

/** What a task hears of its thread. */
export interface Listener {
  message(message: FromWorker): void;
  /** The thread ended early. */
  died(cause: unknown): void;
}

/** A thread for tasks, one after another. It keeps no process alive that has nothing else to do. */
export class Thread {
  private readonly worker = new Worker(new URL("./worker.cjs", import.meta.url), { resourceLimits });
  private listener: Listener | undefined;
  private timer: NodeJS.Timeout | undefined;

  private constructor() {
    this.worker.on("message", (message: FromWorker) => this.listener?.message(message));
    this.worker.on("error", (cause) => this.die(cause));
    this.worker.on("exit", (code) => this.die(new Error(`exit status ${code}`)));
  }

  /** Starts a task in a thread that waits for one, or in a new one, which comes up while the task is made. */
  static start(task: () => Start, listener: Listener): Thread {
    const thread = idle.pop() ?? new Thread();
    clearTimeout(thread.timer);
    thread.listener = listener;
    thread.worker.ref();
    try {
      thread.tell({ kind: "start", start: task() });
    } catch (error) {
      thread.end(false);
      throw error;
    }
    return thread;
  }

  tell(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  /** Says that the task ended. A thread that is fit for it waits for another one. */
  end(fit: boolean): void {
    this.listener = undefined;
    this.worker.unref();
    if (!fit || idle.length >= maxIdle) return void this.worker.terminate();
    idle.push(this);
    this.timer = setTimeout(() => this.leave(), patience).unref();
  }

  private leave(): void {
    const at = idle.indexOf(this);
    if (at >= 0) idle.splice(at, 1);
    void this.worker.terminate();
  }

  private die(cause: unknown): void {
    this.listener?.died(cause);
    this.listener = undefined;
    this.leave();
  }
}
