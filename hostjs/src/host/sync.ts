import { AsyncResource } from "node:async_hooks";

import { PlannerError } from "../errors.js";
import { compiledModule } from "../planner.js";
import { onAbort } from "./abort.js";
import { clientError, type ClientCall, type ReportList } from "./bridge.js";
import { copyOf } from "./copy.js";
import { codeOf, hostError } from "./errors.js";
import type { FromWorker, Outcome, Start, Task, ToWorker, WireError } from "./messages.js";
import type { ProgressEvent, SyncOptions } from "./options.js";
import type { SyncReport } from "./syncReport.js";
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
  const { signal } = control;
  if (signal?.aborted) {
    const error = hostError("cancelled", "stopped before anything was done", { cause: signal.reason });
    return Promise.resolve({ entries: new Map(), error });
  }
  return new Promise((resolve) => new Running(callee, control, resolve).start(task));
}

/** A task in another thread, on the side of whoever asked for it. */
class Running {
  private readonly stop = new Stop();
  private readonly held: Held = { report: {}, entries: new Map(), streams: new Streams() };
  /** What the callee threw, by the number of the call. */
  private readonly failures = new Map<number, unknown>();
  /** What the caller threw or rejected with on progress. In an event of the thread it would end the server; so it ends the task. */
  private failed: PlannerError | undefined;
  private thread: Thread | undefined;
  private deaf: (() => void) | undefined;
  private over = false;

  constructor(
    private readonly callee: Callee,
    private readonly control: SyncControl,
    private readonly resolve: (ended: Ended) => void,
  ) {}

  start(task: Task): void {
    const { signal, onProgress } = this.control;
    const start = (): Start => ({ task, stop: this.stop.memory, module: compiledModule(), watched: onProgress !== undefined });
    const died = (cause: unknown) => this.end({ entries: this.held.entries, error: deathOf(cause) }, false);
    try {
      // A thread is shared, and its events belong to whoever started it. What the caller is asked for runs as a part of
      // the caller's request.
      this.thread = Thread.start(start, { message: AsyncResource.bind((m: FromWorker) => this.hear(m)), died });
    } catch (cause) {
      const error = cause instanceof PlannerError ? cause : hostError("io_failed", "no thread for the sync can be started", { cause });
      return this.resolve({ entries: this.held.entries, error });
    }
    this.deaf = signal && onAbort(signal, () => this.abort());
  }

  private hear(message: FromWorker): void {
    switch (message.kind) {
      case "call":
        return void this.answer(message.id, message.call);
      case "progress":
        return void this.show(message.event);
      case "end": {
        const outcome = ended(message.outcome, this.held, this.failures, this.control.signal);
        return this.end(this.failed ? { ...outcome, error: this.failed } : outcome, message.fit);
      }
    }
  }

  private async show(event: ProgressEvent): Promise<void> {
    if (this.failed) return;
    try {
      await this.control.onProgress?.(event);
    } catch (cause) {
      this.failed = hostError("client_failed", "what the caller does on progress failed", { cause });
      this.abort();
    }
  }

  /** Makes one call of the client and tells how it went. */
  private async answer(id: number, call: ClientCall): Promise<void> {
    try {
      const data = await make(this.callee, call, this.held);
      this.tell(data ? { kind: "answer", id, data } : { kind: "answer", id }, data instanceof ArrayBuffer ? [data] : []);
    } catch (cause) {
      this.failures.set(id, cause);
      const { code, message, path, hint, field } = clientError(call, cause);
      this.tell({ kind: "failure", id, error: { code, message, path, hint, field } });
    }
  }

  /** A client's answer that comes after the end is nobody's. */
  private tell(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    if (!this.over) this.thread?.tell(message, transfer);
  }

  private abort(): void {
    this.stop.stop();
    this.tell({ kind: "abort" });
  }

  private end(outcome: Ended, fit: boolean): void {
    this.over = true;
    this.held.streams.abort();
    this.deaf?.();
    this.thread?.end(fit);
    this.resolve(outcome);
  }
}

/** The error of a thread that ended before its task did. */
function deathOf(cause: unknown): PlannerError {
  if (codeOf(cause) !== "ERR_WORKER_OUT_OF_MEMORY") return hostError("io_failed", "the thread of the sync ended early", { cause });
  const hint = "give the server more memory (node --max-old-space-size), or exclude what need not travel";
  return hostError("limit_exceeded", "the thread of the sync ran out of memory", { cause, hint });
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

/**
 * What an entry of the caller's says. It may be a Proxy, or hold more, neither of which can be sent to a thread, or
 * be none at all.
 */
function plain(entry: SnapshotEntry | null | undefined): SnapshotEntry {
  const { kind, mode, hash, target } = (entry ?? {}) as Record<string, unknown>;
  return { kind, mode, hash, target } as SnapshotEntry;
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
