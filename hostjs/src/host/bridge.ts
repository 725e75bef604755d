import { hostError } from "./errors.js";
import type { PlannerError } from "../errors.js";
import type { PlanReport } from "../types.js";
import type { SnapshotEntry } from "./tasks.js";

/** A client call that a worker asks for. */
export type ClientCall =
  | { name: "makeDir" | "readFile" | "remove"; path: string }
  | { name: "writeFile"; path: string; bytes: ArrayBuffer }
  | { name: "run"; command: string; timeoutMs: number }
  | { name: "beforeApply" }
  | Slice;

/** A part of a long list on its way between the threads: a whole one would take the other thread too long to unpack. */
export type Slice =
  | { name: "takeLines"; list: ReportLine[] }
  | { name: "takeEntries"; list: [string, SnapshotEntry][] }
  | { name: "giveEntries"; from: number; to: number };

/** The most items of a slice. */
export const sliceLength = 4096;

/** What happened to one path. */
export type ReportLine = NonNullable<PlanReport["lines"]>[number];

/** The sandbox as a sync sees it, with what went through it. */
export interface Sandbox {
  makeDir(path: string): Promise<void>;
  writeFile(path: string, bytes: Buffer): Promise<void>;
  readFile(path: string): Promise<Buffer>;
  remove(path: string): Promise<void>;
  run(command: string, timeoutMs: number): Promise<void>;
}

/** What went through a client. */
export interface Counts {
  /** Failed ones included. */
  calls: number;
  /** Bytes of bodies written and of command lines. */
  sent: number;
  /** Bytes of bodies read. */
  received: number;
}

/** Turns the calls of a sync into messages, and counts them. */
export class RemoteSandbox implements Sandbox {
  readonly counts: Counts = { calls: 0, sent: 0, received: 0 };

  constructor(private readonly ask: (call: ClientCall) => Promise<unknown>) {}

  private call(call: ClientCall, sent = 0): Promise<unknown> {
    this.counts.calls++;
    this.counts.sent += sent;
    return this.ask(call);
  }

  async makeDir(path: string): Promise<void> {
    await this.call({ name: "makeDir", path });
  }

  async writeFile(path: string, data: Buffer): Promise<void> {
    const whole = data.byteOffset === 0 && data.byteLength === data.buffer.byteLength;
    const bytes = whole ? data.buffer : data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
    await this.call({ name: "writeFile", path, bytes: bytes as ArrayBuffer }, data.length);
  }

  async readFile(path: string): Promise<Buffer> {
    const data = Buffer.from((await this.call({ name: "readFile", path })) as ArrayBuffer);
    this.counts.received += data.length;
    return data;
  }

  async remove(path: string): Promise<void> {
    await this.call({ name: "remove", path });
  }

  async run(command: string, timeoutMs: number): Promise<void> {
    await this.call({ name: "run", command, timeoutMs }, Buffer.byteLength(command));
  }
}

const whats = { makeDir: "making the folder", writeFile: "writing", readFile: "reading", remove: "removing", run: "a command in the sandbox", beforeApply: "what the caller does before a merge", takeLines: "a report", takeEntries: "a snapshot", giveEntries: "a snapshot" } as const;

/** The error of one call of a client. It never carries a payload or the text of a command (promise S6). */
export function clientError(call: ClientCall, cause: unknown): PlannerError {
  const at = "path" in call ? ` ${call.path}` : "";
  return hostError("client_failed", `${whats[call.name]}${at} failed`, { cause });
}

/** The error of a call that the caller no longer waits for. */
export function stoppedCall(call: ClientCall): PlannerError {
  return hostError("cancelled", `${whats[call.name]} was stopped`);
}
