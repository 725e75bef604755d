// The drop-in module for merging a restored directory into a workspace.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";

import { assertFields, assertKind } from "./host/checked.js";
import { codeOf, hostError, ioError } from "./host/errors.js";
import { realPath, underLock } from "./host/hold.js";
import { reportOf, type RuntimeReport } from "./host/report.js";
import { defaultStateDir } from "./host/state.js";
import { inWorker } from "./host/sync.js";
import type { SnapshotEntry } from "./host/tasks.js";
import type { ConflictPolicy } from "./types.js";

/** One entry of a directory. */
export type DirectorySnapshotEntry = SnapshotEntry;

/** The state of a directory: what was left out, and every other entry by its relative path. */
export interface DirectorySnapshot {
  exclude: string[];
  entries: Map<string, DirectorySnapshotEntry>;
}

/**
 * Reads a directory; one that is not there is empty. Excluded are exact relative paths from its root, with all below
 * them. It rejects with a PlannerError where anything else can't be read; FIFOs,
 * sockets and devices are left out.
 */
export async function captureDirectorySnapshot(root: string, options: { exclude?: string[]; signal?: AbortSignal } = {}): Promise<DirectorySnapshot> {
  assertKind(root, "root", "a string");
  assertFields(options, "options", {}, { exclude: "a list of strings", signal: "an AbortSignal" });
  const exclude = [...new Set(options.exclude ?? [])];
  if (!(await exists(root))) return { exclude, entries: new Map() };
  const outcome = await inWorker({ task: "capture", capture: { root: await realPath(root), exclude } }, undefined, options);
  if (outcome.error) throw outcome.error;
  return { exclude, entries: outcome.entries };
}

/** What mergeDirectoryWithBaseline takes. */
export interface DirectoryMerge {
  /** What both were when they agreed last. What it excludes is left alone. */
  baseline: DirectorySnapshot;
  sourceDir: string;
  /** It is made where it is not there. */
  targetDir: string;
  /** Called once the source was read, before the target is: what it changes there is merged. */
  beforeApply?: () => void | Promise<void>;
  /** The default, "keep-both", writes the source's version beside the target's. */
  conflictPolicy?: ConflictPolicy;
  signal?: AbortSignal;
  /** The folder for the journal of a merge that is cut off; the default is that of prepareSandboxManagedRuntime. */
  stateDir?: string;
}

/**
 * Merges what changed in a source directory since a baseline into a target: what
 * the source left alone stays as it is, and where both changed something both
 * versions are kept, unless the policy says otherwise. As in a sync, AppleDouble
 * files ("._*") and .paperclip-runtime are left alone, and no repository is
 * written: one with commits that the target lacks is a problem. It rejects with a
 * PlannerError where nothing or only a part was done.
 */
export function mergeDirectoryWithBaseline(input: DirectoryMerge): Promise<void> & Promise<RuntimeReport> {
  return merge(input) as Promise<void> & Promise<RuntimeReport>;
}

async function merge(input: DirectoryMerge): Promise<RuntimeReport> {
  const optional = { beforeApply: "a function", conflictPolicy: "a string", signal: "an AbortSignal", stateDir: "a string" } as const;
  assertFields(input, "input", { baseline: "an object", sourceDir: "a string", targetDir: "a string" }, optional);
  assertFields(input.baseline, "input.baseline", { exclude: "a list of strings", entries: "a Map" });
  const sourceDir = await realPath(input.sourceDir); // before anything is made
  if (!(await exists(input.targetDir))) await makeDir(input.targetDir);
  return underLock(input.targetDir, () => mergeLocked(input, sourceDir), input.signal);
}

/** Whether anything is at a path. What can't be told is there: whoever uses it says why it can't. */
async function exists(dir: string): Promise<boolean> {
  return fs.lstat(dir).then(
    () => true,
    (error: unknown) => codeOf(error) !== "ENOENT",
  );
}

async function makeDir(dir: string): Promise<void> {
  try {
    await fs.mkdir(dir, { recursive: true });
  } catch (error) {
    throw ioError("the directory can't be made", dir, error);
  }
}

async function mergeLocked(input: DirectoryMerge, sourceDir: string): Promise<RuntimeReport> {
  const { baseline, signal, beforeApply } = input;
  const merge = {
    exclude: [...baseline.exclude], // a Proxy can't be sent to a thread
    count: baseline.entries.size,
    sourceDir,
    targetDir: await realPath(input.targetDir),
    stateDir: path.resolve(input.stateDir || defaultStateDir()),
    policy: input.conflictPolicy ?? ("keep-both" as const),
  };
  return reportOf(await inWorker({ task: "merge", merge }, { beforeApply, baseline: [...baseline.entries] }, { signal }));
}

/**
 * Whether an entry of a directory is what a baseline says; without an entry, whether nothing is there. It rejects
 * with a PlannerError.
 */
export async function directoryEntryMatchesBaseline(root: string, relative: string, entry: DirectorySnapshotEntry | null | undefined): Promise<boolean> {
  assertKind(root, "root", "a string");
  assertKind(relative, "relative", "a string");
  if (entry) assertFields(entry, "entry", { kind: "a string" });
  const full = path.join(root, relative);
  try {
    return await matches(full, entry ?? undefined);
  } catch (error) {
    throw ioError("the entry can't be read", full, error);
  }
}

async function matches(full: string, entry: DirectorySnapshotEntry | undefined): Promise<boolean> {
  const info = await fs.lstat(full).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return undefined;
    throw error;
  });
  if (!info || !entry) return !info && !entry;
  switch (entry.kind) {
    case "dir":
      return info.isDirectory();
    case "symlink":
      return info.isSymbolicLink() && (await fs.readlink(full)) === entry.target;
    case "file":
      // Of the permissions only the executable bit counts: a sandbox's umask is no edit.
      return info.isFile() && (info.mode & 0o100) === (entry.mode & 0o100) && (await hashOf(full)) === entry.hash;
    default:
      throw hostError("invalid_request", "unknown kind of entry", { field: "entry.kind" });
  }
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash("sha256");
  const handle = await fs.open(file, "r");
  for await (const part of handle.createReadStream()) hash.update(part as Buffer);
  return hash.digest("hex");
}

/**
 * Runs a function while no sync and no merge, of this process or any other, changes
 * the directory. Within the function the same lock is not taken again; those that ask
 * for it there take turns.
 */
export function withDirectoryMergeLock<T>(targetDir: string, fn: () => Promise<T>): Promise<T> {
  return underLock(targetDir, fn);
}
