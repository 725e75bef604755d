import type { MessagePort } from "node:worker_threads";

import { PlannerError } from "../errors.js";
import { stoppedCall, type ClientCall } from "./bridge.js";
import { hostError } from "./errors.js";
import type { FromWorker, ToWorker, WireError } from "./messages.js";

/** Waits for the other thread to make the calls of a client. */
export class Calls {
  readonly aborted = new AbortController();
  private readonly waiting = new Map<number, { call: ClientCall; resolve(data: unknown): void; reject(error: Error): void }>();
  private readonly failed = new WeakMap<Error, number>();
  private last = 0;

  constructor(private readonly port: Pick<MessagePort, "postMessage">) {}

  make(call: ClientCall): Promise<unknown> {
    if (this.aborted.signal.aborted && !outlastsStop(call)) return Promise.reject(stoppedCall(call));
    const id = ++this.last;
    const message: FromWorker = { kind: "call", id, call };
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { call, resolve, reject });
      this.port.postMessage(message, "bytes" in call ? [call.bytes] : []);
    });
  }

  receive(message: Exclude<ToWorker, { kind: "start" }>): void {
    if (message.kind === "abort") {
      this.aborted.abort();
      for (const [id, { call, reject }] of this.waiting) {
        if (outlastsStop(call)) continue;
        this.waiting.delete(id);
        reject(stoppedCall(call));
      }
      return;
    }
    const waiter = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.kind === "answer") return waiter?.resolve(message.data);
    const { code, message: text, path, hint, field } = message.error;
    const error = new PlannerError(code, text, path, hint, field);
    this.failed.set(error, message.id);
    waiter?.reject(error);
  }

  /** The form of an error that travels to the other thread. */
  wire(error: unknown): WireError {
    const known = error instanceof PlannerError ? error : hostError("io_failed", "the sync failed", { cause: error });
    const { code, message, path, hint, field } = known;
    return { code, message, path, hint, field, call: this.failed.get(known) };
  }
}

/** What was done before a stop is told after it. */
function outlastsStop(call: ClientCall): boolean {
  return call.name === "takeReport";
}
