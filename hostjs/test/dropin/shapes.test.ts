// The shapes that a server declares against the module it imports today. They are
// checked by the compiler: this file is a test because it must be compiled.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as restoreMerge from "../../src/workspace-restore-merge.js";
import * as runtime from "../../src/sandbox-managed-runtime.js";

interface Spec {
  transport: "sandbox";
  provider: string;
  sandboxId: string;
  remoteCwd: string;
  timeoutMs: number;
  apiKey: string | null;
}

interface Asset {
  key: string;
  localDir: string;
  followSymlinks?: boolean;
  exclude?: string[];
}

interface Client {
  makeDir(remotePath: string): Promise<void>;
  writeFile(remotePath: string, bytes: ArrayBuffer): Promise<void>;
  readFile(remotePath: string): Promise<Buffer | Uint8Array | ArrayBuffer>;
  listFiles(remotePath: string): Promise<string[]>;
  remove(remotePath: string): Promise<void>;
  run(command: string, options: { timeoutMs: number }): Promise<void>;
}

interface Prepared {
  spec: Spec;
  workspaceLocalDir: string;
  workspaceRemoteDir: string;
  runtimeRootDir: string;
  assetDirs: Record<string, string>;
  restoreWorkspace(): Promise<void>;
}

interface Input {
  spec: Spec;
  adapterKey: string;
  client: Client;
  workspaceLocalDir: string;
  workspaceRemoteDir?: string;
  workspaceExclude?: string[];
  preserveAbsentOnRestore?: string[];
  assets?: Asset[];
}

interface Server {
  prepareSandboxManagedRuntime(input: Input): Promise<Prepared>;
  mirrorDirectory(sourceDir: string, targetDir: string, options?: { preserveAbsent?: string[] }): Promise<void>;
  parseSandboxRemoteExecutionSpec(value: unknown): Spec | null;
  buildSandboxExecutionSessionIdentity(spec: Spec | null): { transport: "sandbox"; provider: string; sandboxId: string; remoteCwd: string } | null;
  sandboxExecutionSessionMatches(saved: unknown, current: Spec | null): boolean;
}

type FileEntry = { kind: "dir" } | { kind: "file"; mode: number; hash: string } | { kind: "symlink"; target: string };
interface Snapshot {
  exclude: string[];
  entries: Map<string, FileEntry>;
}

interface MergeServer {
  captureDirectorySnapshot(root: string, options?: { exclude?: string[] }): Promise<Snapshot>;
  mergeDirectoryWithBaseline(input: { baseline: Snapshot; sourceDir: string; targetDir: string; beforeApply?: () => Promise<void> }): Promise<void>;
  directoryEntryMatchesBaseline(root: string, relative: string, entry: FileEntry): Promise<boolean>;
  withDirectoryMergeLock<T>(targetDir: string, fn: () => Promise<T>): Promise<T>;
}

// What a server takes from these modules, and what it may hand to them.
const server: Server = runtime;
const mergeServer: MergeServer = restoreMerge;
type Ours = [
  runtime.SandboxManagedRuntimeClient, runtime.SandboxManagedRuntimeAsset, runtime.SandboxRemoteExecutionSpec, runtime.PreparedSandboxManagedRuntime,
];
const types: Ours | undefined = undefined as [Client, Asset, Spec, Prepared] | undefined;
// What a server's own test may put in the place of a function.
const fake: typeof runtime.prepareSandboxManagedRuntime = async ({ spec, workspaceLocalDir }) => ({
  spec, workspaceLocalDir, workspaceRemoteDir: "/w", runtimeRootDir: "/w/.paperclip-runtime/a", assetDirs: {}, restoreWorkspace: async () => {},
});
const back: [Client, Asset, Spec, Prepared] | undefined = undefined as Ours | undefined;

test("the modules export the names that a server imports", () => {
  assert.equal(types ?? back, undefined);
  assert.equal(typeof fake, "function");
  const names = ["prepareSandboxManagedRuntime", "mirrorDirectory", "parseSandboxRemoteExecutionSpec", "buildSandboxExecutionSessionIdentity", "sandboxExecutionSessionMatches"];
  assert.deepEqual(Object.keys(server).sort(), names.sort());
  const mergeNames = ["captureDirectorySnapshot", "mergeDirectoryWithBaseline", "directoryEntryMatchesBaseline", "withDirectoryMergeLock"];
  assert.deepEqual(Object.keys(mergeServer).sort(), mergeNames.sort());
});
