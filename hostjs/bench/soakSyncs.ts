// A server that runs many agents: whole syncs in one process, some side by side, of
// more workspaces than threads wait: "make soak-js". It fails unless the memory of the
// process is flat, no more threads than may wait are left, and the process can end.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { setTimeout as after } from "node:timers/promises";

import { prepareSandboxManagedRuntime } from "../src/sandbox-managed-runtime.js";
import { DirectoryClient } from "../test/host/directory.js";

const rounds = 160;
const workspaces = 3;
const files = 300;
/** What the last quarter may have above the second, in bytes: noise of the collectors. A leak of 250 kB a round exceeds it. */
const tolerance = 20 << 20;
/** Threads that wait for another sync; threads.ts bounds them. */
const waiting = 2;

const threads = () => fs.readdirSync("/proc/self/task").length;

function makeWorkspace(top: string, n: number): Parameters<typeof prepareSandboxManagedRuntime>[0] {
  const [local, remote] = [path.join(top, `local-${n}`), path.join(top, `box-${n}`)];
  fs.mkdirSync(remote);
  for (let i = 0; i < files; i++) {
    const file = path.join(local, `d${i % 10}`, `file-${i}`);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, `content ${i} of ${n}\n`.repeat(i));
  }
  const spec = { transport: "sandbox", provider: "directory", sandboxId: `soak-${n}`, remoteCwd: remote, timeoutMs: 600_000, apiKey: null } as const;
  return { spec, adapterKey: "soak", client: new DirectoryClient(), workspaceLocalDir: local, stateDir: path.join(top, "state") };
}

/** An edit here, a push, an edit there, and a pull. */
async function run(input: Parameters<typeof prepareSandboxManagedRuntime>[0], round: number): Promise<void> {
  const { workspaceLocalDir: local, spec } = input;
  fs.writeFileSync(path.join(local, "d1", "here"), `${round}`);
  const prepared = await prepareSandboxManagedRuntime(input);
  assert.equal(fs.readFileSync(path.join(spec.remoteCwd, "d1", "here"), "utf8"), `${round}`);
  fs.writeFileSync(path.join(spec.remoteCwd, "d2", "there"), `${round}`);
  await prepared.restoreWorkspace();
  assert.equal(fs.readFileSync(path.join(local, "d2", "there"), "utf8"), `${round}`);
}

const top = fs.mkdtempSync(path.join(os.tmpdir(), "syncplan-soak-"));
process.on("exit", () => fs.rmSync(top, { recursive: true, force: true }));
const inputs = Array.from({ length: workspaces }, (_, n) => makeWorkspace(top, n));
await fs.promises.stat(top); // Node's own threads for files
const alone = threads();
const quarters: number[][] = [[], [], [], []];
for (let round = 0; round < rounds; round++) {
  await Promise.all(inputs.map((input) => run(input, round)));
  quarters[Math.floor((4 * round) / rounds)]!.push(process.memoryUsage.rss());
}
await after(1000); // a thread that ends takes a moment
const left = threads() - alone;
const medians = quarters.map((q) => q.sort((a, b) => a - b)[q.length >> 1]!);
console.log(`${rounds * workspaces} syncs out and home; median memory of each quarter: ${medians.map((m) => `${(m / 1e6).toFixed(0)} MB`).join(", ")}; ${left} threads wait`);
assert.ok(medians[3]! - medians[1]! <= tolerance, "memory is not flat");
assert.ok(left <= waiting, "threads pile up");
setTimeout(() => assert.fail("threads that wait keep the process alive"), 10_000).unref();
