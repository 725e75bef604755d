import { AsyncResource } from "node:async_hooks";
import { types } from "node:util";

import { PlannerError } from "../errors.js";
import { compiledModule } from "../planner.js";
import { onAbort } from "./abort.js";
import { clientError, type ClientCall, type ReportList } from "./bridge.js";
import { codeOf, hostError } from "./errors.js";
import type { FromWorker, Outcome, Start, Task, ToWorker, WireError } from "./messages.js";
import type { ProgressEvent, SyncOptions } from "./options.js";
import type { SyncReport } from "./session.js";
import type { SnapshotEntry } from "./tasks.js";
import { Stop } from "./stop.js";
import { Streams, type RunStream } from "./streams.js";
import { Thread } from "./threads.js";

/** The sandbox of a server, with whole buffers in and out. */
export interface SandboxClient {
  makeDir(remotePath: string): Promise<void>;
  writeFile(remotePath: string, bytes: ArrayBuffer): Promise<void>;
  readFile(remotePath: string): Promise<Buffer | Uint8Array | ArrayBuffer>;
  remove(remotePath: string): Promise<void>;
  run(command: string, options: { timeoutMs: number }): Promise<void>;
}

/** What a worker may ask the thread that started it for. */
export interface Callee extends Partial<SandboxClient> {
  runStream?: RunStream;
  beforeApply?: (() => void | Promise<void>) | undefined;
  baseline?: [string, SnapshotEntry][];
}

/** What a task has on this side: what came in slices, ahead of the outcome, and open streams. */
interface Held {
  report: Partial<Record<ReportList, unknown[]>>;
  entries: Map<string, SnapshotEntry>;
  streams: Streams;
}

/** How a sync is watched and stopped. */
export interface SyncControl {
  signal?: AbortSignal | undefined;
  onProgress?: ((event: ProgressEvent) => void) | undefined;
}

/** What a sync that ended found; an error may come with the report of what was done before. */
export interface Ended {
  report?: SyncReport;
  /** Of a capture. */
  entries: Map<string, SnapshotEntry>;
  /** Of a status: what a push would do. */
  push?: SyncReport;
  error?: PlannerError;
}

/** Runs one sync in a thread of its own and makes the client's calls in this one, which nothing blocks. */
export function sync(client: SandboxClient & { runStream?: RunStream }, options: SyncOptions, control: SyncControl = {}): Promise<Ended> {
  return inWorker({ task: "sync", options }, client, control);
}

/** Runs one task in a thread of its own. */
export function inWorker(task: Task, callee: Callee = {}, control: SyncControl = {}): Promise<Ended> {
  const { signal, onProgress } = control;
  if (signal?.aborted) return Promise.resolve({ entries: new Map(), error: hostError("cancelled", "stopped before anything was done", { cause: signal.reason }) });
  const stop = new Stop();
  const start = (): Start => ({ task, stop: stop.memory, module: compiledModule(), watched: onProgress !== undefined });
  const failures = new Map<number, unknown>();
  const held: Held = { report: {}, entries: new Map(), streams: new Streams() };
  return new Promise<Ended>((resolve) => {
    const message = (message: FromWorker) => {
      switch (message.kind) {
        case "call":
          void answer(message.id, message.call, () => make(callee, message.call, held), failures, tell);
          break;
        case "progress":
          void show(message.event);
          break;
        case "end":
          end({ ...ended(message.outcome, held, failures, signal), ...failed }, message.fit);
          break;
      }
    };
    const died = (cause: unknown) => end({ entries: held.entries, error: deathOf(cause) }, false);
    // What it throws, or rejects with, would end the server, in an event of the thread. It ends the sync.
    let failed: { error?: PlannerError } = {};
    const show = async (event: ProgressEvent) => {
      if (failed.error) return;
      try {
        await onProgress?.(event);
      } catch (cause) {
        failed = { error: hostError("client_failed", "what the caller does on progress failed", { cause }) };
        abort();
      }
    };
    // A thread is shared, and its events belong to whoever started it. What the caller is asked for runs as a part of the caller's request.
    let thread: Thread;
    try {
      thread = Thread.start(start, { message: AsyncResource.bind(message), died: AsyncResource.bind(died) });
    } catch (cause) {
      return resolve({ entries: held.entries, error: cause instanceof PlannerError ? cause : hostError("io_failed", "no thread for the sync can be started", { cause }) });
    }
    // A client's answer that comes after the end is nobody's.
    let over = false;
    const tell = (message: ToWorker, transfer: ArrayBuffer[] = []) => over || thread.tell(message, transfer);
    const abort = () => {
      stop.stop();
      held.streams.abort();
      tell({ kind: "abort" });
    };
    const deaf = signal && onAbort(signal, abort);
    const end = (outcome: Ended, fit: boolean) => {
      over = true;
      held.streams.abort();
      deaf?.();
      thread.end(fit);
      resolve(outcome);
    };
  });
}

/** The error of a thread that ended before its task did. */
function deathOf(cause: unknown): PlannerError {
  if (codeOf(cause) !== "ERR_WORKER_OUT_OF_MEMORY") return hostError("io_failed", "the thread of the sync ended early", { cause });
  const hint = "give the server more memory (node --max-old-space-size), or exclude what need not travel";
  return hostError("limit_exceeded", "the thread of the sync ran out of memory", { cause, hint });
}

/** Makes one call of the client and tells how it went. */
async function answer(
  id: number,
  call: ClientCall,
  make: () => Promise<ArrayBuffer | [string, SnapshotEntry][] | undefined>,
  failures: Map<number, unknown>,
  tell: (message: ToWorker, transfer?: ArrayBuffer[]) => unknown,
): Promise<void> {
  try {
    const data = await make();
    tell(data ? { kind: "answer", id, data } : { kind: "answer", id }, data instanceof ArrayBuffer ? [data] : []);
  } catch (cause) {
    failures.set(id, cause);
    const { code, message, path, hint, field } = clientError(call, cause);
    tell({ kind: "failure", id, error: { code, message, path, hint, field } });
  }
}

async function make(client: Callee, call: ClientCall, held: Held): Promise<ArrayBuffer | [string, SnapshotEntry][] | undefined> {
  switch (call.name) {
    case "makeDir":
      await client.makeDir!(call.path);
      return undefined;
    case "writeFile":
      await client.writeFile!(call.path, call.bytes);
      return undefined;
    case "remove":
      await client.remove!(call.path);
      return undefined;
    case "run":
      await client.run!(call.command, { timeoutMs: call.timeoutMs });
      return undefined;
    case "send":
    case "receive":
      await held.streams.run(client.runStream!.bind(client), call);
      return undefined;
    case "give":
      return held.streams.give(call.stream, call.bytes);
    case "take":
      return held.streams.take(call.stream);
    case "close":
      held.streams.close(call.stream, call.whole);
      return undefined;
    case "takeReport":
      (held.report[call.list] ??= []).push(...call.items);
      return undefined;
    case "takeEntries":
      for (const [name, entry] of call.list) held.entries.set(name, entry);
      return undefined;
    case "giveEntries":
      return client.baseline!.slice(call.from, call.to).map(([name, entry]) => [name, plain(entry)]);
    case "beforeApply":
      await client.beforeApply?.();
      return undefined;
    case "readFile":
      return copyOf(await client.readFile!(call.path));
  }
}

/** What an entry of the caller's says. It may be a Proxy, or hold more, neither of which can be sent to a thread, or be none at all. */
function plain(entry: SnapshotEntry | null | undefined): SnapshotEntry {
  const { kind, mode, hash, target } = (entry ?? {}) as Record<string, unknown>;
  return { kind, mode, hash, target } as SnapshotEntry;
}

/** A copy of what a client returned, whose own buffer stays its own. */
function copyOf(bytes: unknown): ArrayBuffer {
  if (ArrayBuffer.isView(bytes)) return Uint8Array.from(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)).buffer;
  if (types.isAnyArrayBuffer(bytes)) return Uint8Array.from(new Uint8Array(bytes)).buffer;
  throw new TypeError("readFile returned neither a Buffer nor a Uint8Array nor an ArrayBuffer");
}

function ended(outcome: Outcome, held: Held, failures: Map<number, unknown>, signal: AbortSignal | undefined): Ended {
  const { report, push, error } = outcome;
  if (report) Object.assign(report, held.report);
  return { entries: held.entries, ...(report && { report }), ...(push && { push }), ...(error && { error: errorOf(error, failures, signal) }) };
}

function errorOf(wire: WireError, failures: Map<number, unknown>, signal: AbortSignal | undefined): PlannerError {
  const error = new PlannerError(wire.code, wire.message, wire.path, wire.hint, wire.field);
  if (wire.call !== undefined) error.cause = failures.get(wire.call);
  else if (wire.code === "cancelled") error.cause = signal?.reason;
  return error;
}
