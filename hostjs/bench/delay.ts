// The longest that a push and a pull of 100,000 small files keep a server's thread
// from its other work: "make bench-js". The CPU that the thread uses meanwhile is what
// counts, since a busy machine does not change it; the clock stands beside it. The
// tree lies in memory where it can, so that no disk counts.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { performance } from "node:perf_hooks";

import { prepareSandboxManagedRuntime } from "../src/sandbox-managed-runtime.js";
import { DirectoryClient } from "../test/host/directory.js";

const files = 100_000;

/** 1,000 folders of 100 files, each with a content of its own. */
function makeTree(root: string): void {
  for (let i = 0; i < files; i++) {
    const dir = path.join(root, `package${Math.floor(i / 100)}`);
    if (i % 100 === 0) fs.mkdirSync(dir, { recursive: true });
    fs.writeFileSync(path.join(dir, `file${i % 100}.txt`), `the content of file ${i}\n`);
  }
}

/** CPU of the main thread, in milliseconds; /proc counts it in nanoseconds. */
function threadTime(): number {
  return Number(fs.readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ")[0]) / 1e6;
}

/** The longest time between two ticks of a timer of 1 ms during a step, in milliseconds of CPU and of the clock. */
async function longestTurn(step: () => Promise<unknown>): Promise<{ cpu: number; wall: number }> {
  const longest = { cpu: 0, wall: 0 };
  let [cpu, wall] = [threadTime(), performance.now()];
  const tick = () => {
    const now = [threadTime(), performance.now()] as const;
    longest.cpu = Math.max(longest.cpu, now[0] - cpu);
    longest.wall = Math.max(longest.wall, now[1] - wall);
    [cpu, wall] = now;
  };
  const timer = setInterval(tick, 1);
  await step();
  clearInterval(timer);
  tick();
  return longest;
}

const memory = fs.existsSync("/dev/shm") ? "/dev/shm" : os.tmpdir();
const top = fs.mkdtempSync(path.join(memory, "syncplan-delay-"));
try {
  const [local, remote] = [path.join(top, "local"), path.join(top, "box")];
  makeTree(local);
  fs.mkdirSync(remote);
  const spec = { transport: "sandbox", provider: "directory", sandboxId: "delay", remoteCwd: remote, timeoutMs: 600_000, apiKey: null } as const;
  const input = { spec, adapterKey: "bench", client: new DirectoryClient(), workspaceLocalDir: local, stateDir: path.join(top, "state") };
  console.log(`| longest turn of the event loop, ${files} files | CPU | clock | goal |\n|---|---|---|---|`);
  const report = async (what: string, step: () => Promise<unknown>) => {
    const { cpu, wall } = await longestTurn(step);
    console.log(`| ${what} | ${cpu.toFixed(1)} ms | ${wall.toFixed(1)} ms | 50 ms |`);
  };
  let prepared!: Awaited<ReturnType<typeof prepareSandboxManagedRuntime>>;
  await report("first push", async () => (prepared = await prepareSandboxManagedRuntime(input)));
  makeEdits(remote);
  await report("pull of 20,000 changes", () => prepared.restoreWorkspace());
  await report("push of nothing", async () => (prepared = await prepareSandboxManagedRuntime(input)));
  await report("pull of nothing", () => prepared.restoreWorkspace());
} finally {
  fs.rmSync(top, { recursive: true, force: true });
}

/** Changes a fifth of the files. */
function makeEdits(root: string): void {
  for (let i = 0; i < files; i += 5) fs.appendFileSync(path.join(root, `package${Math.floor(i / 100)}/file${i % 100}.txt`), "edited\n");
}
