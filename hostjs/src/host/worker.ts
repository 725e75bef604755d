// The thread that does the work of tasks, one after another: files are read and written without a
// pause, and only the calls of the client, which the other thread makes, are waited
// for.
import { parentPort, type MessagePort } from "node:worker_threads";

import { RemoteSandbox, reportLists, sliceLength } from "./bridge.js";
import { Calls } from "./calls.js";
import { Core } from "./core.js";
import type { FromWorker, Outcome, Start, ToWorker } from "./messages.js";
import type { ProgressEvent, SyncOptions } from "./options.js";
import { plannerForTask } from "./shared.js";
import { preview } from "./preview.js";
import { pull } from "./pull.js";
import { push } from "./push.js";
import { Session, type Surroundings, type Synced } from "./session.js";
import { Stop } from "./stop.js";
import { capture, merge, type SnapshotEntry } from "./tasks.js";

async function sync(options: SyncOptions, around: Surroundings, calls: Calls): Promise<Outcome> {
  return outcomeOf(await Session.run(options, around, syncs[options.op]), calls);
}

const syncs = { push, pull, status: preview };

function outcomeOf({ error, ...reports }: Synced, calls: Calls): Outcome {
  return { ...reports, ...(error !== undefined && { error: calls.wire(error) }) };
}

async function run({ task, stop: memory, module }: Start, calls: Calls, progress: Surroundings["progress"]): Promise<Outcome> {
  const planner = plannerForTask(module);
  const stop = new Stop(memory);
  switch (task.task) {
    case "sync": {
      const sandbox = new RemoteSandbox((call) => calls.make(call));
      const around = { core: new Core(planner), sandbox, stop, signal: calls.aborted.signal, progress };
      return sync(task.options, around, calls);
    }
    case "capture": {
      const entries = capture(task.capture, new Core(planner), stop);
      await inSlices(entries.length, (from, to) => calls.make({ name: "takeEntries", list: entries.slice(from, to) }));
      return {};
    }
    case "merge": {
      const baseline: [string, SnapshotEntry][] = [];
      const take = (list: unknown) => baseline.push(...(list as [string, SnapshotEntry][]));
      await inSlices(task.merge.count, async (from, to) => take(await calls.make({ name: "giveEntries", from, to })));
      const beforeApply = async () => void (await calls.make({ name: "beforeApply" }));
      return outcomeOf(await merge(task.merge, baseline, planner, stop, beforeApply), calls);
    }
  }
}

async function inSlices(length: number, each: (from: number, to: number) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < length; from += sliceLength) await each(from, from + sliceLength);
}

/** Sends the lists of a report ahead of it. */
async function withoutLists(outcome: Outcome, calls: Calls): Promise<Outcome> {
  if (!outcome.report) return outcome;
  const report = { ...outcome.report };
  for (const list of reportLists) {
    const items = report[list] ?? [];
    delete report[list];
    await inSlices(items.length, (from, to) => calls.make({ name: "takeReport", list, items: items.slice(from, to) }));
  }
  return { ...outcome, report };
}

/** Does one task and tells how it ended. */
async function work(start: Start, calls: Calls, send: (message: FromWorker) => void): Promise<void> {
  let outcome: Outcome;
  try {
    const progress = (event: ProgressEvent) => {
      if (start.watched) send({ kind: "progress", event });
    };
    outcome = await withoutLists(await run(start, calls, progress), calls);
  } catch (error) {
    outcome = { error: calls.wire(error) };
  }
  send({ kind: "end", outcome, fit: !outcome.error && process.memoryUsage().external < maxHeld });
}

/**
 * What a thread may hold outside of its heap while it waits for another task, in bytes: the memory of its module, and
 * parts of archives.
 */
const maxHeld = 64 << 20;

function main(port: MessagePort): void {
  let calls: Calls | undefined;
  port.on("message", (message: ToWorker) => {
    if (message.kind !== "start") return calls?.receive(message);
    calls = new Calls(port);
    void work(message.start, calls, (answer) => port.postMessage(answer));
  });
}

if (parentPort) main(parentPort);
