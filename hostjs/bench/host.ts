// Whole syncs of the Go source tree into a folder, beside the seed's way: "make
// bench-js". Each run is a process of its own, so that its peak of memory counts.
// They take turns, each in fresh folders, and nothing is removed before the end:
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

/** A first push, then in a second process a push of nothing and right after it a pull of three files. */
function play(system: Job["system"], source: string, top: string, before?: string): Round {
  const folder = (name: string) => path.join(top, name);
  const job: Job = { system, local: folder("local"), remote: folder("box"), scratch: folder("scratch"), stateDir: folder("state"), edits: [], ...(before !== undefined && { before }) };
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

/** What syncs: the seed's way, and this package with a client of whole buffers and with one that runs commands with streams. */
const systems = ["seed", "syncplan", "streams"] as const;

/** The rounds of all systems in processes of one kind. */
class Table {
  private readonly rounds = { seed: [] as Round[], syncplan: [] as Round[], streams: [] as Round[] };

  /** before is a folder that each process syncs first; without one it is a fresh process. */
  constructor(
    private readonly kind: string,
    private readonly before?: string,
  ) {}

  play(source: string, top: string): void {
    for (const system of systems) this.rounds[system].push(play(system, source, path.join(top, system), this.before));
  }

  /** Of fresh processes it tells the memory too, above that of a process of Node. */
  print(bare: number): void {
    console.log(`\n| ${this.kind} in a process | the seed's way | syncplan | of the seed's | with streams | of the seed's | goal |\n|---|---|---|---|---|---|---|`);
    for (const [name, step, goal] of [["cold push", "cold", 0.25], ["push of nothing", "unchanged", 0.1], ["then a pull of three files", "pull", 0.1]] as const) {
      this.row(name, goal, "ms", (r) => r[step].wall);
      this.row(`${name}, CPU`, goal, "ms", (r) => r[step].cpu);
      if (this.before === undefined) this.row(`${name}, peak above Node's own`, 0.25, "MB", (r) => (r[step].peak - bare) / 1e6);
    }
  }

  private row(what: string, goal: number, unit: string, of: (round: Round) => number): void {
    const [seed, ...ours] = systems.map((system) => median(this.rounds[system].map(of))) as [number, ...number[]];
    const cells = ours.map((mine) => `${mine.toFixed(0)} ${unit} | ${(mine / seed).toFixed(3)}`);
    console.log(`| ${[what, `${seed.toFixed(0)} ${unit}`, ...cells, goal].join(" | ")} |`);
  }
}

const top = fs.mkdtempSync(path.join(os.tmpdir(), "syncplan-bench-"));
try {
  const source = path.join(execFileSync("go", ["env", "GOROOT"], { encoding: "utf8" }).trim(), "src");
  const bare = measure({ system: "nothing", local: top, remote: top, scratch: top, stateDir: top, edits: [] })[0]!.peak;
  const tables = [new Table("first"), new Table("later", path.join(source, "net"))];
  for (let n = 0; n < rounds; n++) tables.forEach((table, i) => table.play(source, path.join(top, `${n}-${i}`)));
  for (const table of tables) table.print(bare);
} finally {
  fs.rmSync(top, { recursive: true, force: true });
}
