// One measured process, started by host.ts: a sync of the seed or of this package,
// and a line of JSON that says what it cost.
import fs from "node:fs";
import path from "node:path";
import { setTimeout } from "node:timers/promises";

import { prepareSandboxManagedRuntime } from "../src/sandbox-managed-runtime.js";
import { DirectoryClient, StreamingDirectoryClient } from "../test/host/directory.js";
import { Seed } from "./seed.js";

/** What one step cost. */
export interface Cost {
  /** Wall time, in milliseconds. */
  wall: number;
  /** CPU of the process and of the programs it ran, in milliseconds. */
  cpu: number;
  /** The most memory that the process had until then, in bytes. */
  peak: number;
}

/** What a process is told: who syncs what into where, and the edits to make in the sandbox after the push, which are then pulled. */
export interface Job {
  system: "seed" | "syncplan" | "streams" | "nothing";
  local: string;
  remote: string;
  /** A folder of this job alone. */
  scratch: string;
  stateDir: string;
  edits: string[];
  /** A folder, a copy of which makes the way into a sandbox of its own and home some times before anything is measured, as in a server that runs for long. */
  before?: string;
}

/** The CPU of this process and of those that it waited for, in milliseconds; a clock tick is 10. */
function cpuTime(): number {
  const fields = fs.readFileSync("/proc/self/stat", "latin1").split(") ")[1]!.split(" ");
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

async function cost(step: () => Promise<unknown>): Promise<Cost> {
  const [from, cpu] = [performance.now(), cpuTime()];
  await step();
  return { wall: performance.now() - from, cpu: cpuTime() - cpu, peak: process.resourceUsage().maxRSS * 1024 };
}

/** The push and the pull of a job. */
function stepsOf(job: Job): { push(): Promise<unknown>; pull(): Promise<unknown> } {
  const { local, remote, scratch, stateDir } = job;
  const client = job.system === "streams" ? new StreamingDirectoryClient() : new DirectoryClient();
  switch (job.system) {
    case "nothing":
      return { push: async () => undefined, pull: async () => undefined };
    case "seed": {
      const seed = new Seed(client, local, remote, scratch);
      return { push: () => seed.push(), pull: () => seed.pull() };
    }
    case "syncplan":
    case "streams": {
      const spec = { transport: "sandbox", provider: "directory", sandboxId: "bench", remoteCwd: remote, timeoutMs: 600_000, apiKey: null } as const;
      let prepared: Awaited<ReturnType<typeof prepareSandboxManagedRuntime>>;
      return {
        push: async () => (prepared = await prepareSandboxManagedRuntime({ spec, adapterKey: "bench", client, workspaceLocalDir: local, stateDir })),
        pull: () => prepared.restoreWorkspace(),
      };
    }
  }
}

/** How long a process rests after its first syncs, in milliseconds: V8 is done with what they made it compile, and a thread still waits. */
const rest = 2000;

/** How often a process syncs before it is measured, out and home: V8 compiles what was run often. */
const times = 8;

/** Syncs a copy of a folder out and home, time and again. */
async function warmUp(job: Job, folder: string): Promise<void> {
  const top = path.join(job.scratch, `before-${process.pid}`);
  const [local, remote, scratch] = ["local", "box", "scratch"].map((name) => path.join(top, name)) as [string, string, string];
  for (const dir of [remote, scratch]) fs.mkdirSync(dir, { recursive: true });
  fs.cpSync(folder, local, { recursive: true });
  const { push, pull } = stepsOf({ ...job, local, remote, scratch });
  for (let i = 0; i < times; i++) {
    await push();
    await pull();
  }
  await setTimeout(rest);
}

const job = JSON.parse(process.argv[2]!) as Job;
if (job.before !== undefined) await warmUp(job, job.before);
const { push, pull } = stepsOf(job);
const costs = [await cost(push)];
if (job.edits.length > 0) {
  for (const name of job.edits) fs.appendFileSync(path.join(job.remote, name), "// edited in the sandbox\n");
  costs.push(await cost(pull));
  for (const name of job.edits) {
    if (!fs.readFileSync(path.join(job.local, name), "utf8").endsWith("// edited in the sandbox\n")) throw new Error(`${name} did not come home`);
  }
}
console.log(JSON.stringify(costs));
