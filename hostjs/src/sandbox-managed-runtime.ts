// The drop-in module: the names, types and call shapes of the module that a server
// imports today, over this package's sync.
import path from "node:path";

import { assertFields, type Fields } from "./host/checked.js";
import { whereLocked } from "./host/hold.js";
import type { ProgressEvent, SyncOptions } from "./host/options.js";
import { reportOf, type RuntimeReport } from "./host/report.js";
import { sharedPlanner } from "./host/shared.js";
import { defaultStateDir } from "./host/state.js";
import type { CommandStreams, RunStream } from "./host/streams.js";
import { sync } from "./host/sync.js";
import type { ConflictPolicy } from "./types.js";

export { mirrorDirectory } from "./host/mirror.js";
export type { CommandStreams, ProgressEvent, RuntimeReport, RunStream };

/** How a server reaches a sandbox. */
export interface SandboxRemoteExecutionSpec {
  transport: "sandbox";
  provider: string;
  /** With provider and the workspace's folder there it names what is remembered of a sandbox. */
  sandboxId: string;
  /** Absolute and normalised; no system folder. */
  remoteCwd: string;
  /** How long one command in the sandbox may take, in milliseconds. It goes to the client, which keeps to it. */
  timeoutMs: number;
  /** Not used here. */
  apiKey: string | null;
}

/** A folder that travels beside the workspace, one way. */
export interface SandboxManagedRuntimeAsset {
  /**
   * The name of its folder beside the workspace: letters, digits, "_", "-" and ".", the latter two not first.
   * "workspace" is taken.
   */
  key: string;
  localDir: string;
  /** Sends what its links name in place of them; the default is false. */
  followSymlinks?: boolean;
  /**
   * Left out is what tar --exclude takes such a pattern to mean, and what it matches as a glob from the root, or as a
   * name at any depth.
   */
  exclude?: string[];
}

/**
 * The sandbox, as the server's provider offers it. Bodies are whole buffers of at most 16 MiB, but for the dialect
 * classic.
 */
export interface SandboxManagedRuntimeClient {
  makeDir(remotePath: string): Promise<void>;
  writeFile(remotePath: string, bytes: ArrayBuffer): Promise<void>;
  readFile(remotePath: string): Promise<Buffer | Uint8Array | ArrayBuffer>;
  listFiles(remotePath: string): Promise<string[]>;
  remove(remotePath: string): Promise<void>;
  /** Rejects unless the command ended with status 0: what it should have done counts as done where it resolves. */
  run(command: string, options: { timeoutMs: number }): Promise<void>;
  /**
   * May be left out. Where a client has it, archives go straight into the commands that unpack them and come straight
   * out of those that pack them, in one call each way. It is run with streams; timeoutMs counts from the last byte
   * that moved.
   */
  runStream?: RunStream;
}

/** A workspace that is in a sandbox: also one that a server's own code or test makes up. */
export interface PreparedSandboxManagedRuntime {
  spec: SandboxRemoteExecutionSpec;
  workspaceLocalDir: string;
  workspaceRemoteDir: string;
  runtimeRootDir: string;
  assetDirs: Record<string, string>;
  restoreWorkspace(): Promise<void>;
}

/**
 * One that this package brought there, and that tells what it did. What a server's code or test makes up in its place is one
 * too: so its type asks for no more than the other.
 */
export interface ReportingSandboxManagedRuntime extends PreparedSandboxManagedRuntime {
  /** What bringing the workspace into the sandbox did. */
  prepared?: RuntimeReport;
  /**
   * Brings home what changed in the sandbox, merged into the workspace. It resolves
   * to a RuntimeReport where all was done, conflicts included, and rejects with a
   * PlannerError that carries the report where nothing or only a part was, once it had begun.
   * To the compiler it is any: no other type both is void and takes it.
   */
  restoreWorkspace(): Promise<any>;
}

/** What this package adds to the input of prepareSandboxManagedRuntime. All of it may be left out. */
export interface SandboxManagedRuntimeOptions {
  /** What happens where both sides changed something; the default keeps both versions. */
  conflictPolicy?: ConflictPolicy;
  /** The form of remote commands; classic is that of the module this one replaces. The default is hardened. */
  dialect?: "hardened" | "classic";
  /** Merges texts that both sides changed, where that is clean; the default is true. */
  textMerge?: boolean;
  /** Stops the sync, and every later one of this runtime. */
  signal?: AbortSignal;
  onProgress?: (event: ProgressEvent) => void;
  /** The folder for what a sync remembers; the default is $XDG_STATE_HOME/syncplan or ~/.local/state/syncplan. */
  stateDir?: string;
}

const maxPart = 16 << 20;

/** Reads a spec out of any value, or returns null where it is none. */
export function parseSandboxRemoteExecutionSpec(value: unknown): SandboxRemoteExecutionSpec | null {
  const call = { call: "parse_spec", value: fieldsOf(value, specFields) };
  const { spec } = sharedPlanner().call(call).result as { spec?: Omit<SandboxRemoteExecutionSpec, "apiKey"> & { apiKey?: string } };
  return spec ? { ...spec, apiKey: spec.apiKey ?? null } : null;
}

/** The part of a spec that names the sandbox and the folder, for a server to save. */
export function buildSandboxExecutionSessionIdentity(spec: SandboxRemoteExecutionSpec | null) {
  const call = { call: "session_identity", current: fieldsOf(spec, specFields) };
  const { identity = null } = sharedPlanner().call(call).result as { identity?: SessionIdentity };
  return identity;
}

type SessionIdentity = Readonly<Pick<SandboxRemoteExecutionSpec, "transport" | "provider" | "sandboxId" | "remoteCwd">>;

/** Whether a saved identity, of which nothing is known, names the sandbox of a spec. */
export function sandboxExecutionSessionMatches(saved: unknown, current: SandboxRemoteExecutionSpec | null): boolean {
  const call = { call: "session_matches", saved: fieldsOf(saved, specFields), current: fieldsOf(current, specFields) };
  return (sharedPlanner().call(call).result as { matches?: boolean }).matches ?? false;
}

const specFields = ["transport", "provider", "sandboxId", "remoteCwd", "timeoutMs", "apiKey"];

/** The named fields of an object, as far as JSON can say them. A field that it can't say counts as missing. */
function fieldsOf(value: unknown, names: readonly string[]): unknown {
  if (!value || typeof value !== "object" || Array.isArray(value)) return null;
  return Object.fromEntries(names.map((name) => [name, sayable((value as Record<string, unknown>)[name])]));
}

/** An object is no text, and as a number it is what JavaScript makes of it, which the module can't know. */
function sayable(value: unknown): unknown {
  switch (typeof value) {
    case "string":
      return halfCharacter.test(value) ? undefined : value;
    case "number":
    case "boolean":
      return value;
    case "bigint":
    case "object":
      return value === null ? null : numberOf(value);
  }
  return undefined;
}

function numberOf(value: unknown): number | undefined {
  try {
    return Number(value);
  } catch {
    return undefined; // it holds itself, or can't be a number
  }
}

/** What no UTF-8 can say. */
const halfCharacter = /\p{Surrogate}/u;

/**
 * Brings a workspace into a sandbox, and returns what brings it home. It rejects
 * with a PlannerError; the sandbox is then as it was, or the next call completes it.
 */
export async function prepareSandboxManagedRuntime(
  input: {
    spec: SandboxRemoteExecutionSpec;
    /** Of the same letters as the key of an asset. Each has a state of its own, and a folder in the sandbox. */
    adapterKey: string;
    client: SandboxManagedRuntimeClient;
    workspaceLocalDir: string;
    /** Absolute and normalised; the default is the spec's remoteCwd. */
    workspaceRemoteDir?: string;
    /** Left out is what tar --exclude takes such a pattern to mean, and what lies at such a path or below. */
    workspaceExclude?: string[];
    /** Exact relative paths, no patterns, that neither side deletes. Changes there travel. */
    preserveAbsentOnRestore?: string[];
    assets?: SandboxManagedRuntimeAsset[];
  } & SandboxManagedRuntimeOptions,
): Promise<ReportingSandboxManagedRuntime> {
  assertInput(input);
  const { spec, client, workspaceLocalDir } = input;
  const workspaceRemoteDir = input.workspaceRemoteDir ?? spec.remoteCwd;
  const runtimeRootDir = path.posix.join(workspaceRemoteDir, ".paperclip-runtime", input.adapterKey);
  const options = optionsOf(input, withoutSlash(workspaceRemoteDir));
  const control = { signal: input.signal, onProgress: input.onProgress };
  const run = (op: "push" | "pull") => whereLocked(options.workspace, async (locked) => reportOf(await sync(client, { ...options, op, locked }, control)));
  const prepared = await run("push");
  const assetDirs = Object.fromEntries((input.assets ?? []).map(({ key }) => [key, path.posix.join(runtimeRootDir, key)]));
  const restoreWorkspace = () => run("pull");
  return { spec, workspaceLocalDir, workspaceRemoteDir, runtimeRootDir, assetDirs, prepared, restoreWorkspace };
}

const inputFields: Fields = { spec: "an object", adapterKey: "a string", client: "an object", workspaceLocalDir: "a string" };

const inputOptions: Fields = {
  workspaceRemoteDir: "a string", workspaceExclude: "a list of strings", preserveAbsentOnRestore: "a list of strings", assets: "a list",
  conflictPolicy: "a string", dialect: "a string", textMerge: "true or false", signal: "an AbortSignal", onProgress: "a function", stateDir: "a string",
};

function assertInput(input: Parameters<typeof prepareSandboxManagedRuntime>[0]): void {
  assertFields(input, "input", inputFields, inputOptions);
  assertFields(input.spec, "input.spec", { provider: "a string", sandboxId: "a string", remoteCwd: "a string", timeoutMs: "a number" });
  (input.assets ?? []).forEach((asset, i) => {
    assertFields(asset, `input.assets[${i}]`, { key: "a string", localDir: "a string" }, { followSymlinks: "true or false", exclude: "a list of strings" });
  });
}

/** Of lists it takes copies: what a Proxy holds, as in many stores of states, can't be sent to a thread. */
function optionsOf(input: Parameters<typeof prepareSandboxManagedRuntime>[0], root: string): Omit<SyncOptions, "op"> {
  const { spec } = input;
  return {
    workspace: absolute(input.workspaceLocalDir),
    root,
    adapter: input.adapterKey,
    dialect: input.dialect ?? "hardened",
    remoteCwd: withoutSlash(spec.remoteCwd),
    stateDir: absolute(input.stateDir || defaultStateDir()),
    identity: `${spec.provider}:${spec.sandboxId} ${root}`,
    timeoutMs: spec.timeoutMs,
    plan: {
      seed_exclude: [...(input.workspaceExclude ?? [])],
      preserve: [...(input.preserveAbsentOnRestore ?? [])],
      ...(input.conflictPolicy && { policy: input.conflictPolicy }),
      ...(input.textMerge === false && { no_text_merge: true }),
    },
    gitignore: false,
    assets: (input.assets ?? []).map(({ key, localDir, followSymlinks, exclude }) => ({
      key,
      dir: absolute(localDir),
      ...(followSymlinks !== undefined && { followSymlinks }),
      ...(exclude && { exclude: [...exclude] }),
    })),
    part: maxPart,
    stream: typeof input.client.runStream === "function",
  };
}

/** A folder as it is named now: a server may change its working directory before it restores. No name stays none. */
function absolute(dir: string): string {
  return dir && path.resolve(dir);
}

/** The same folder without slashes at the end, which say nothing, so that both spellings share what is remembered. */
function withoutSlash(dir: string): string {
  return dir.replace(/(?<=.)\/+$/s, "");
}
