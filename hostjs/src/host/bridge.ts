import { hostError, reason } from "./errors.js";
import type { PlannerError } from "../errors.js";
import type { PlanReport } from "../types.js";
import type { StreamCall } from "./streams.js";
import type { SnapshotEntry } from "./tasks.js";

/** A client call that a worker asks for. */
export type ClientCall =
  | { name: "makeDir" | "readFile" | "remove"; path: string }
  | { name: "writeFile"; path: string; bytes: ArrayBuffer }
  | { name: "run"; command: string; timeoutMs: number }
  | StreamCall
  | { name: "give"; stream: number; bytes: ArrayBuffer }
  | { name: "take"; stream: number }
  | { name: "close"; stream: number; whole: boolean }
  | { name: "beforeApply" }
  | Slice;

/** A part of a long list on its way between the threads: a whole one would take the other thread too long to unpack. */
export type Slice =
  | { name: "takeReport"; list: ReportList; items: unknown[] }
  | { name: "takeEntries"; list: [string, SnapshotEntry][] }
  | { name: "giveEntries"; from: number; to: number };

/** The most items of a slice. */
export const sliceLength = 4096;

/** The lists of a report that may be as long as a tree. */
export const reportLists = ["lines", "conflicts", "problems", "flagged", "kept"] as const satisfies readonly (keyof PlanReport)[];
export type ReportList = (typeof reportLists)[number];

/** What went through a client. */
export interface Counts {
  /** Failed ones included. */
  calls: number;
  /** Bytes of bodies written and of command lines. */
  sent: number;
  /** Bytes of bodies read. */
  received: number;
}

/** The sandbox as a sync sees it: turns its calls into messages, and counts them. */
export class RemoteSandbox {
  readonly counts: Counts = { calls: 0, sent: 0, received: 0 };

  private streams = 0;

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
    await this.call({ name: "writeFile", path, bytes: bufferOf(data) }, data.length);
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

  /** Runs a command whose stdin is given to the result. */
  send(command: string, timeoutMs: number): StreamedCommand {
    return this.stream({ name: "send", stream: ++this.streams, command, timeoutMs });
  }

  /** Runs a command whose stdout is taken from the result; data is its whole stdin. */
  receive(command: string, data: string | undefined, timeoutMs: number): StreamedCommand {
    return this.stream({ name: "receive", stream: ++this.streams, command, timeoutMs, data });
  }

  private stream(call: StreamCall): StreamedCommand {
    const ended = this.call(call, Buffer.byteLength(call.command) + Buffer.byteLength(call.data ?? ""));
    return new StreamedCommand(call.stream, ended, this.counts, this.ask);
  }
}

/** The memory of some bytes, or a copy where they do not fill theirs. */
function bufferOf(data: Buffer): ArrayBuffer {
  const { buffer, byteOffset: from, byteLength: length } = data;
  return (length === buffer.byteLength ? buffer : buffer.slice(from, from + length)) as ArrayBuffer;
}

/** A command that runs in the sandbox, and one of its streams. */
export class StreamedCommand {
  /** Whether the stream failed on the other side. */
  private closed = false;

  constructor(
    private readonly stream: number,
    /** Settles when the command ended. */
    readonly ended: Promise<unknown>,
    private readonly counts: Counts,
    private readonly ask: (call: ClientCall) => Promise<unknown>,
  ) {
    ended.catch(() => undefined); // whoever uses the stream waits for the end as well
  }

  /** Gives a piece of stdin away, and returns its memory once the client has all of it. */
  async give(data: Buffer): Promise<Buffer> {
    const { length } = data;
    const used = (await this.use({ name: "give", stream: this.stream, bytes: bufferOf(data) })) as ArrayBuffer;
    this.counts.sent += length;
    return Buffer.from(used);
  }

  /** The next piece of stdout, or undefined at its end. */
  async take(): Promise<Buffer | undefined> {
    const data = (await this.use({ name: "take", stream: this.stream })) as ArrayBuffer | undefined;
    this.counts.received += data?.byteLength ?? 0;
    return data && Buffer.from(data);
  }

  private async use(call: ClientCall): Promise<unknown> {
    try {
      return await this.ask(call);
    } catch (error) {
      this.closed = true;
      throw error;
    }
  }

  /** Says that stdin is complete. */
  async close(): Promise<void> {
    await this.ask({ name: "close", stream: this.stream, whole: true });
  }

  /** Waits for the end of a command whose stream failed on either side, and throws the error that came first. */
  async fail(error: unknown): Promise<never> {
    const { closed } = this;
    if (!closed) await this.ask({ name: "close", stream: this.stream, whole: false });
    try {
      await this.ended;
    } catch (cause) {
      if (closed) throw cause;
    }
    throw error;
  }
}

/** What each call does, for people. */
const whats = {
  makeDir: "making the folder",
  writeFile: "writing",
  readFile: "reading",
  remove: "removing",
  run: "a command in the sandbox",
  send: "a command in the sandbox",
  receive: "a command in the sandbox",
  give: "a stream",
  take: "a stream",
  close: "a stream",
  beforeApply: "what the caller does before a merge",
  takeReport: "a report",
  takeEntries: "a snapshot",
  giveEntries: "a snapshot",
} as const;

/** The error of one call of a client. It never carries a payload or the text of a command (promise S6). */
export function clientError(call: ClientCall, cause: unknown): PlannerError {
  const at = "path" in call ? ` ${call.path}` : "";
  const secret = "command" in call ? call.command : undefined;
  return hostError("client_failed", `${whats[call.name]}${at} failed`, { cause, secret, ...(call.name !== "beforeApply" && hintFor(cause)) });
}

/** What helps against what a system refuses, by the words of its tools. */
const hints: [RegExp, string][] = [
  [/no space left on device/i, "the disk of the sandbox is full: make room there and run it again"],
  // The words of dash's own commands, for whatever keeps them from writing.
  [/(echo|printf): I\/O error/i, "a file in the sandbox could not be written, most likely because its disk is full: make room there and run it again"],
  [/read-only file system/i, "a file system of the sandbox is read-only: change that there, or exclude what lies on it, and run it again"],
  [/too many open files/i, "raise the limit of open files (ulimit -n) and run it again"],
  [/: not found|command not found|executable file not found/i,
    "a tool is missing in the sandbox: a sync needs sh, find, tar, cat, rm, rmdir, mv, cp, mkdir, chmod, ln and sort there"],
  [/permission denied|operation not permitted/i, "something in the sandbox may not be changed: give the permission there and run it again"],
];

function hintFor(cause: unknown): { hint?: string } {
  const text = reason(cause);
  const hint = hints.find(([words]) => words.test(text))?.[1];
  return hint === undefined ? {} : { hint };
}

/** The error of a call that the caller no longer waits for. */
export function stoppedCall(call: ClientCall): PlannerError {
  return hostError("cancelled", `${whats[call.name]} was stopped`);
}
