// Whole syncs of the Go source tree into a folder, beside the seed's way: "make
// bench-js". Each run is a process of its own, so that its peak of memory counts.
// The two take turns, each in fresh folders, and nothing is removed before the end:
// ext4 creates files several times slower soon after similar ones were deleted.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import type { Cost, Job } from "./measured.js";

const rounds = Number(process.argv[2] ?? 3);
const edits = ["fmt/print.go", "net/http/server.go", "strings/builder.go"];
const measured = new URL("./measured.js", import.meta.url).pathname;

function measure(job: Job): Cost[] {
  return JSON.parse(execFileSync(process.execPath, [measured, JSON.stringify(job)], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })) as Cost[];
}

/** What each step of a round cost. */
interface Round {
  cold: Cost;
  unchanged: Cost;
  pull: Cost;
}

/** A first push, then in a second process a push of nothing and a pull of three files. */
function play(system: Job["system"], source: string, top: string): Round {
  const folder = (name: string) => path.join(top, name);
  const job: Job = { system, local: folder("local"), remote: folder("box"), scratch: folder("scratch"), stateDir: folder("state"), edits: [] };
  for (const dir of [job.remote, job.scratch]) fs.mkdirSync(dir, { recursive: true });
  execFileSync("cp", ["-a", source, job.local]);
  execFileSync("sleep", ["2"]); // so that the times of the files are older than the first look at them
  const [cold] = measure(job) as [Cost];
  const [unchanged, pull] = measure({ ...job, edits }) as [Cost, Cost];
  return { cold, unchanged, pull };
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1]!;
}

function print(seed: Round[], ours: Round[], bare: number): void {
  const row = (what: string, goal: number, unit: string, of: (round: Round) => number) => {
    const [theirs, mine] = [median(seed.map(of)), median(ours.map(of))];
    console.log(`| ${what} | ${theirs.toFixed(0)} ${unit} | ${mine.toFixed(0)} ${unit} | ${(mine / theirs).toFixed(3)} | ${goal} |`);
  };
  console.log("| | the seed's way | syncplan | of the seed's | goal |\n|---|---|---|---|---|");
  for (const [name, step, goal] of [["cold push", "cold", 0.25], ["push of nothing", "unchanged", 0.1], ["pull of three files", "pull", 0.1]] as const) {
    row(name, goal, "ms", (r) => r[step].wall);
    row(`${name}, CPU`, goal, "ms", (r) => r[step].cpu);
    row(`${name}, peak above Node's own`, 0.25, "MB", (r) => (r[step].peak - bare) / 1e6);
  }
}

const top = fs.mkdtempSync(path.join(os.tmpdir(), "syncplan-bench-"));
try {
  const source = path.join(execFileSync("go", ["env", "GOROOT"], { encoding: "utf8" }).trim(), "src");
  const bare = measure({ system: "nothing", local: top, remote: top, scratch: top, stateDir: top, edits: [] })[0]!.peak;
  const [seed, ours]: [Round[], Round[]] = [[], []];
  for (let n = 0; n < rounds; n++) {
    seed.push(play("seed", source, path.join(top, `seed-${n}`)));
    ours.push(play("syncplan", source, path.join(top, `syncplan-${n}`)));
  }
  print(seed, ours, bare);
} finally {
  fs.rmSync(top, { recursive: true, force: true });
}
