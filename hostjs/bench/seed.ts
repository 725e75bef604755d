// The way of the system before this package, to be timed beside it: everything is
// hashed and travels in one archive, the sandbox is wiped and filled, and on the way
// home everything is unpacked and hashed again. It is written from what is known of
// that system, asynchronous and one file after another like it; only its temporary
// folders stay, because removing them would slow down whoever comes next.
import { execFile as execFileOf } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";

import type { SandboxManagedRuntimeClient } from "../src/sandbox-managed-runtime.js";

const execFile = promisify(execFileOf);
const runtime = ".paperclip-runtime";

type Entry = { kind: "dir" } | { kind: "file"; mode: number; hash: string } | { kind: "symlink"; target: string };
type Snapshot = Map<string, Entry>;

/** The state of a tree, with the hash of every file. */
async function capture(root: string): Promise<Snapshot> {
  const found: Snapshot = new Map();
  const walk = async (folder: string) => {
    for (const { name } of await fs.readdir(path.join(root, folder), { withFileTypes: true })) {
      const relative = path.posix.join(folder, name);
      if (relative === runtime) continue;
      const entry = await entryAt(path.join(root, relative));
      found.set(relative, entry);
      if (entry.kind === "dir") await walk(relative);
    }
  };
  await walk("");
  return found;
}

async function entryAt(full: string): Promise<Entry> {
  const stat = await fs.lstat(full);
  if (stat.isDirectory()) return { kind: "dir" };
  if (stat.isSymbolicLink()) return { kind: "symlink", target: await fs.readlink(full) };
  const hash = createHash("sha256").update(await fs.readFile(full)).digest("hex");
  return { kind: "file", mode: stat.mode & 0o777, hash };
}

const same = (a: Entry | undefined, b: Entry | undefined) => JSON.stringify(a) === JSON.stringify(b);

/** A workspace on its way into a sandbox and back. */
export class Seed {
  private baseline: Snapshot = new Map();

  /** temporary is a folder for archives, which exists. */
  constructor(
    private readonly client: SandboxManagedRuntimeClient,
    private readonly local: string,
    private readonly remote: string,
    private readonly temporary: string,
  ) {}

  private get runtimeDir(): string {
    return `${this.remote}/${runtime}/bench`;
  }

  private run(command: string): Promise<void> {
    return this.client.run(command, { timeoutMs: 600_000 });
  }

  async push(): Promise<void> {
    this.baseline = await capture(this.local);
    const archive = path.join(this.temporary, "up.tar");
    await execFile("tar", ["-c", "-f", archive, "-C", this.local, "--exclude", "._*", "."]);
    const bytes = await fs.readFile(archive);
    const there = `${this.runtimeDir}/workspace-upload.tar`;
    await this.client.makeDir(this.runtimeDir);
    await this.client.writeFile(there, Uint8Array.from(bytes).buffer);
    const wipe = `find '${this.remote}' -mindepth 1 -maxdepth 1 ! -name '${runtime}' -exec rm -rf -- {} +`;
    await this.run(`mkdir -p '${this.remote}' && ${wipe} && tar -xf '${there}' -C '${this.remote}' && rm -f '${there}'`);
  }

  async pull(): Promise<void> {
    const there = `${this.runtimeDir}/workspace-download.tar`;
    await this.run(`mkdir -p '${this.runtimeDir}' && tar -cf '${there}' -C '${this.remote}' --exclude '._*' --exclude '${runtime}' .`);
    const bytes = Buffer.from((await this.client.readFile(there)) as Buffer);
    await this.client.remove(there);
    const archive = path.join(this.temporary, "down.tar");
    await fs.writeFile(archive, bytes);
    const unpacked = await fs.mkdtemp(path.join(this.temporary, "unpacked-"));
    await execFile("tar", ["-xf", archive, "-C", unpacked]);
    await this.merge(unpacked);
  }

  /** Takes what differs from the baseline, and removes what is gone and was not changed here. */
  private async merge(source: string): Promise<void> {
    const now = await capture(source);
    for (const [relative, entry] of [...this.baseline].reverse()) {
      if (now.has(relative)) continue;
      const full = path.join(this.local, relative);
      const here = await entryAt(full).catch(() => undefined);
      if (same(here, entry)) await fs.rm(full, { recursive: true, force: true });
    }
    for (const [relative, entry] of now) {
      if (!same(entry, this.baseline.get(relative))) await this.take(source, relative, entry);
    }
  }

  private async take(source: string, relative: string, entry: Entry): Promise<void> {
    const full = path.join(this.local, relative);
    if (entry.kind === "dir") return void (await fs.mkdir(full, { recursive: true }));
    await fs.mkdir(path.dirname(full), { recursive: true });
    await fs.rm(full, { recursive: true, force: true });
    if (entry.kind === "symlink") return fs.symlink(entry.target, full);
    await fs.copyFile(path.join(source, relative), full);
    await fs.chmod(full, entry.mode);
  }
}
