import type { PlannerError } from "../errors.js";
import type { ClientCall } from "./bridge.js";
import type { ProgressEvent, SyncOptions } from "./options.js";
import type { SyncReport } from "./syncReport.js";
import type { Capture, Merge, SnapshotEntry } from "./tasks.js";

// What the thread that owns the client and the thread that does the work tell each other.

/** What a worker does. */
export type Task =
  | { task: "sync"; options: SyncOptions }
  | { task: "capture"; capture: Capture }
  | { task: "merge"; merge: Merge };

/** Given to a worker for each task. */
export interface Start {
  task: Task;
  /** Of a Stop. */
  stop: SharedArrayBuffer;
  module: WebAssembly.Module;
  /** Whether anybody wants to hear of progress. */
  watched: boolean;
}

/** An error on its way to another thread. */
export interface WireError {
  code: PlannerError["code"];
  message: string;
  path?: string | undefined;
  hint?: string | undefined;
  field?: string | undefined;
  /** The client call that failed, whose own error stays where the client is. */
  call?: number | undefined;
}

/** What the thread of the server tells the worker. */
export type ToWorker =
  | { kind: "start"; start: Start }
  | { kind: "answer"; id: number; data?: ArrayBuffer | [string, SnapshotEntry][] }
  | { kind: "failure"; id: number; error: WireError }
  | { kind: "abort" };

/**
 * How a task ended. A push, a pull or a merge has a report, a status two. The lists of the report, and the entries of
 * a capture, went before in slices.
 */
export interface Outcome {
  report?: SyncReport;
  push?: SyncReport;
  error?: WireError;
}

/** What a worker says. At the end it tells whether it is fit for another task. */
export type FromWorker =
  | { kind: "call"; id: number; call: ClientCall }
  | { kind: "progress"; event: ProgressEvent }
  | { kind: "end"; outcome: Outcome; fit: boolean };
