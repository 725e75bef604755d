import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";

import type { PlanOptions } from "../../src/types.js";
import type { SyncOptions } from "../../src/host/options.js";
import type { SyncReport } from "../../src/host/syncReport.js";
import { sync, type Ended, type SandboxClient, type SyncControl } from "../../src/host/sync.js";
import type { RunStream } from "../../src/host/streams.js";
import { DirectoryClient, StreamingDirectoryClient } from "./directory.js";
import { put, tempDir } from "./world.js";

export const runtimeDir = ".paperclip-runtime";

/** A workspace and a sandbox beside each other. */
export class Pair {
  readonly local: string;
  readonly sandbox: string;
  client: SandboxClient = new DirectoryClient();
  options: Omit<SyncOptions, "op">;

  constructor(
    t: TestContext,
    readonly top = tempDir(t),
  ) {
    this.local = path.join(top, "local");
    this.sandbox = path.join(top, "sandbox");
    for (const dir of [this.local, this.sandbox]) fs.mkdirSync(dir, { recursive: true });
    this.options = {
      workspace: this.local,
      root: this.sandbox,
      adapter: "planner",
      dialect: "hardened",
      stateDir: path.join(top, "state"),
      identity: "dir:" + this.sandbox + " " + this.sandbox,
      timeoutMs: 60_000,
      plan: {},
      gitignore: false,
      assets: [],
      part: 16 << 20,
      localRoot: this.sandbox,
    };
  }

  /** From now on the client runs commands with streams, as given or as it should. */
  stream(runStream?: RunStream): void {
    const client = new StreamingDirectoryClient();
    if (runStream) client.runStream = runStream;
    this.client = client;
    this.options.stream = true;
  }

  get plan(): PlanOptions {
    return this.options.plan;
  }

  run(op: SyncOptions["op"], control?: SyncControl): Promise<Ended> {
    return sync(this.client, { ...this.options, op }, control);
  }

  /** A push or pull that must end without an error. */
  private async ok(op: "push" | "pull"): Promise<SyncReport> {
    const { report, error } = await this.run(op);
    if (error) throw error;
    return report!;
  }

  push(): Promise<SyncReport> {
    return this.ok("push");
  }

  pull(): Promise<SyncReport> {
    return this.ok("pull");
  }

  here(name: string, content: string | Buffer): void {
    put(this.local, name, content);
  }

  there(name: string, content: string | Buffer): void {
    put(this.sandbox, name, content);
  }

  /** Runs something before the n-th call of a kind, counted from 1. */
  hook(call: keyof SandboxClient, n: number, before: () => void): void {
    let seen = 0;
    this.watch((name) => {
      if (name === call && ++seen === n) before();
    });
  }

  /** The names of the calls that the client gets from now on. */
  calls(): string[] {
    const names: string[] = [];
    this.watch((name) => names.push(name));
    return names;
  }

  private watch(before: (call: keyof SandboxClient) => void): void {
    this.client = new Proxy(this.client, {
      get(target, name: keyof SandboxClient) {
        return (...args: unknown[]) => {
          before(name);
          return (target[name] as (...args: unknown[]) => Promise<unknown>)(...args);
        };
      },
    });
  }
}

export const read = (root: string, name: string) => fs.readFileSync(path.join(root, name), "utf8");
export const remove = (root: string, name: string) => fs.rmSync(path.join(root, name), { recursive: true, force: true });

/** Maps each path of a tree to what it is, the runtime folder left out. Names are shown in Latin-1, which keeps their bytes. */
export function listing(root: string): Record<string, string> {
  const out: Record<string, string> = {};
  const walk = (dir: Buffer) => {
    for (const name of fs.readdirSync(Buffer.concat([Buffer.from(root + "/"), dir]), { encoding: "buffer" })) {
      const rel = dir.length === 0 ? name : Buffer.concat([dir, Buffer.from("/"), name]);
      if (rel.toString() === runtimeDir) continue;
      const full = Buffer.concat([Buffer.from(root + "/"), rel]);
      out[rel.toString("latin1")] = describe(full);
      if (fs.lstatSync(full).isDirectory()) walk(rel);
    }
  };
  walk(Buffer.alloc(0));
  return out;
}

function describe(full: Buffer): string {
  const info = fs.lstatSync(full);
  if (info.isDirectory()) return "dir";
  if (info.isSymbolicLink()) return "link " + fs.readlinkSync(full);
  if (info.isFile()) return (info.mode & 0o777).toString(8) + " " + fs.readFileSync(full, "latin1");
  return "special";
}

export const conflictsOf = (r: SyncReport) => (r.conflicts ?? []).map((c) => `${c.path} ${c.kind}`);
export const problemsOf = (r: SyncReport) => (r.problems ?? []).map((p) => `${p.path} ${p.code}`);
