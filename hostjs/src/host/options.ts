import type { PlanOptions } from "../types.js";

/** A folder that a push puts beside the workspace. */
export interface AssetOptions {
  key: string;
  dir: string;
  followSymlinks?: boolean;
  exclude?: string[];
}

/** What a worker needs to know of one sync. All of it can be copied to another thread. */
export interface SyncOptions {
  op: "push" | "pull" | "status";
  workspace: string;
  /** The workspace's path in the sandbox. */
  root: string;
  adapter: string;
  dialect: "hardened" | "classic";
  /** The folder that the caller's own spec names, if any. */
  remoteCwd?: string;
  stateDir: string;
  /** Names the sandbox in the state. */
  identity: string;
  /** Milliseconds of one remote command. */
  timeoutMs: number;
  plan: PlanOptions;
  gitignore: boolean;
  assets: AssetOptions[];
  /** The longest body of one client call, in bytes. In classic a body is one file of any length. */
  part: number;
  /** Whether the client runs commands with streams, so that bodies are no calls of their own. Not in classic. */
  stream?: boolean;
  /** Whether the caller holds the workspace's lock, and the sync must not wait for it. */
  locked?: boolean;
  /** Where the sandbox is a folder of this machine: its path. */
  localRoot?: string;
}

/** One step of progress on long work. */
export interface ProgressEvent {
  stage: SyncStage;
  /** Done so far in this stage. */
  files: number;
  /** Done so far in this stage. */
  bytes: number;
  /** While waiting for another sync: who holds the workspace. */
  holder?: string;
}

/** What a sync is doing, in the order in which it does it. */
export type SyncStage = "waiting" | "scanning" | "surveying" | "receiving" | "sending" | "applying in the sandbox" | "applying";

/** How long a stage took. */
export interface StageTime {
  stage: SyncStage;
  /** Milliseconds. */
  duration: number;
}
