import { randomBytes } from "node:crypto";
import fs from "node:fs";

import { assetPath } from "./assets.js";
import type { RemoteSandbox } from "./bridge.js";
import { ScanCache } from "./cache.js";
import { Contents } from "./contents.js";
import type { Core, Request } from "./core.js";
import { codeOf, ioError } from "./errors.js";
import { fileSystemFacts } from "./facts.js";
import { gitignoreFiles } from "./gitignore.js";
import { acquireLock } from "./lock.js";
import type { ProgressEvent, StageTime, SyncOptions, SyncStage } from "./options.js";
import { comparePaths } from "../order.js";
import { recover } from "./recover.js";
import type { PlanReport, Problem } from "../types.js";
import { scan, type Scanned, type ScannedEntry } from "./scan.js";
import { Stage } from "./stage.js";
import { State } from "./state.js";
import type { Stop } from "./stop.js";
import type { SyncReport } from "./syncReport.js";
import { runtimeDir } from "./applyRun.js";
import { assertApart, realFolder } from "./workspace.js";

/** What a sync did. With an error it did only a part of it, or nothing; of a status, report is the pull. */
export interface Synced {
  report: SyncReport;
  push?: SyncReport;
  error?: unknown;
}

/** What a session is connected to. */
export interface Surroundings {
  core: Core;
  sandbox: RemoteSandbox;
  stop: Stop;
  signal: AbortSignal;
  progress(event: ProgressEvent): void;
}

/** One push, pull or preview of one workspace, from the lock to the stored base. */
export class Session {
  readonly request: Request;
  readonly state: State;
  readonly counts = { uploadedFiles: 0, downloadedFiles: 0 };
  /** A first push, whose files were not read yet. */
  first = false;
  local: Scanned | undefined;
  private readonly stages: StageTime[] = [];
  private stage: { name: SyncStage; since: number } | undefined;
  /** Problems of the workspace, beyond what a scan finds. */
  noted: Problem[] = [];

  private constructor(
    readonly options: SyncOptions,
    readonly around: Surroundings,
    /** Real path of the workspace. */
    readonly root: string,
    /** That of the sandbox, where it is a folder on this host. */
    sandbox: string | undefined,
  ) {
    this.request = newRequest(options);
    this.state = new State(options.stateDir, root, options.identity, options.adapter, sandbox);
  }

  get core(): Core {
    return this.around.core;
  }

  get sandbox(): RemoteSandbox {
    return this.around.sandbox;
  }

  get stop(): Stop {
    return this.around.stop;
  }

  get classic(): boolean {
    return this.options.dialect === "classic";
  }

  get dryRun(): boolean {
    return this.request.preview ?? false;
  }

  /**
   * Checks the options, takes the workspace's lock, finishes what a crashed run
   * left, loads base and runs a sync. It throws where the workspace can't be one.
   */
  static async run(options: SyncOptions, around: Surroundings, sync: (session: Session) => Promise<Synced>): Promise<Synced> {
    const root = realFolder("workspace", undefined, options.workspace, (p) => around.core.checkRoot(p));
    const sandbox = options.localRoot === undefined ? undefined : assertApart(root, options.localRoot);
    const session = new Session(options, around, root, sandbox);
    try {
      return await session.underLock(sync);
    } catch (error) {
      const status = codeOf(error) === "stale_plan" ? "refused" : "error";
      return { report: session.report({ op: session.request.op, status }), error };
    }
  }

  private async underLock(sync: (session: Session) => Promise<Synced>): Promise<Synced> {
    const { options, around } = this;
    // Found now, a wrong asset stops the push before the workspace has travelled.
    if (options.op === "push") for (const asset of options.assets) assetPath(asset, around.core);
    around.core.whyFile(this.request); // checks the form of everything
    this.enter("waiting");
    const waiting = (holder: string) => around.progress({ stage: "waiting", files: 0, bytes: 0, holder });
    const release = options.locked ? undefined : await acquireLock(this.root, { signal: around.signal, waiting });
    try {
      this.begin();
      return await sync(this);
    } finally {
      await release?.();
    }
  }

  private begin(): void {
    this.noted = recover(this.root, this.state.dir, this.core, this.stop);
    const { options } = this.request;
    if (this.options.gitignore) options.ignores = gitignoreFiles(this.root, runtimeDir, this.stop);
    this.core.compileRules(options);
    options.facts = fileSystemFacts(this.root);
    const sends = this.request.op === "push";
    if (sends) this.request.resume = this.state.sending();
    this.first = sends && this.comparesWithNothing();
    this.state.loadBase((document) => this.core.keepBase(document));
  }

  /** Whether a push need not read files before it sends them. One in classic never compares. */
  private comparesWithNothing(): boolean {
    if (this.classic) return true;
    // What arrived of a push that was cut off is known by its digest, and needs those of the workspace.
    return this.request.resume!.length === 0 && this.state.hasNoBase();
  }

  /** Reads the workspace, unless that was done. */
  scan(): Scanned {
    if (this.local) return this.local;
    this.enter("scanning");
    const cache = ScanCache.load(this.state.file("scan"), this.root);
    const progress = (files: number, bytes: number) => this.show(files, bytes);
    const found = scan(this.root, { rules: this.core, stop: this.stop, cache, noDigests: this.first, progress });
    found.problems.push(...this.noted);
    found.cache?.save(this.state.file("scan"));
    this.request.local_repos = found.repos;
    this.core.keepLocal(found, this.first);
    return (this.local = found);
  }

  /** Reads the workspace again where it changed, or was read without digests. */
  rescan(changed: boolean): void {
    if (!this.first && !changed) return;
    this.first = false;
    this.local = undefined;
    this.scan();
  }

  /** The entry of the workspace at a path, as it was scanned. */
  localEntry(name: string): ScannedEntry | undefined {
    const entries = this.local?.entries ?? [];
    let low = 0;
    for (let high = entries.length; low < high; ) {
      const middle = (low + high) >> 1;
      if (comparePaths(entries[middle]!.path, name) < 0) low = middle + 1;
      else high = middle;
    }
    return entries[low]?.path === name ? entries[low] : undefined;
  }

  /** A new run id, for a push that plans again. */
  renew(): void {
    this.request.run = randomBytes(8).toString("hex");
  }

  openContents(): Contents {
    return new Contents(this.state.file("contents"));
  }

  /**
   * Opens the folder for downloaded bodies and runs a pull with it. Those that a
   * pull fetched before it was cut off are still there, and need not be fetched
   * again: they stay until a pull is done. A dry run has a folder of its own.
   */
  async withStage<T>(pull: (stage: Stage) => Promise<{ done: boolean; value: T }>): Promise<T> {
    const dir = this.dryRun ? this.state.file("preview-" + this.request.run) : this.state.file("bodies");
    try {
      fs.mkdirSync(dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw ioError("no folder for downloads can be made", dir, error);
    }
    const stage = new Stage(dir);
    let done = this.dryRun;
    try {
      const outcome = await pull(stage);
      done ||= outcome.done;
      return outcome.value;
    } finally {
      if (done || stage.digests().length === 0) fs.rmSync(dir, { recursive: true, force: true });
    }
  }

  /** Begins a stage and notes how long the one before took. */
  enter(stage?: SyncStage): void {
    const now = performance.now();
    if (this.stage) this.stages.push({ stage: this.stage.name, duration: now - this.stage.since });
    this.stage = stage && { name: stage, since: now };
    if (stage) this.show(0, 0);
  }

  show(files: number, bytes: number): void {
    if (this.stage) this.around.progress({ stage: this.stage.name, files, bytes });
  }

  /** Completes the report of the core with what the host counted. */
  report(plan: PlanReport, displaced = ""): SyncReport {
    this.enter();
    const { calls, sent, received } = this.sandbox.counts;
    return { ...plan, ...this.counts, uploadedBytes: sent, downloadedBytes: received, clientCalls: calls, displaced, stages: this.stages };
  }
}

function newRequest(options: SyncOptions): Request {
  return {
    op: options.op === "push" ? "push" : "pull",
    run: randomBytes(8).toString("hex"),
    root: options.root,
    adapter: options.adapter,
    dialect: options.dialect,
    ...(options.remoteCwd !== undefined && { remote_cwd: options.remoteCwd }),
    ...(options.op === "status" && { preview: true }),
    marker: randomBytes(16).toString("hex"),
    options: options.plan,
    assets: options.assets.map(({ key }) => ({ key })),
    ...(options.dialect === "hardened" && (options.stream ? { stream: true } : { part: options.part })),
  };
}
