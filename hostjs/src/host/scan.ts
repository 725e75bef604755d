import { createHash, type Hash } from "node:crypto";
import fs from "node:fs";

import { staleDetail, volumeStaging } from "./applyVolume.js";
import { maxReads } from "./archiveWriter.js";
import { CacheBuilder, isSettled, now, type CachedFolder, type ScanCache } from "./cache.js";
import { sha256 } from "./digest.js";
import { codeOf, ioError, isSpent, reason } from "./errors.js";
import { mountedBelow, systemMounts } from "./mounts.js";
import { comparePaths } from "../order.js";
import { Verdict } from "../planner.js";
import { join, sorted } from "./paths.js";
import type { Kind, Problem } from "../types.js";
import type { Stop } from "./stop.js";
import { Dir, fstat, kindOf, same, type Info, type Name } from "./tree.js";

/** What a scan asks the core about. */
export interface ScanRules {
  /** Judges the names in a directory, those of directories with a slash after them: a Verdict for each. */
  scanDir(path: string, names: string[]): Uint8Array;
  /** The state of a repository, from the files of it that count. */
  repoState(files: RepoFile[]): string;
  display(name: Name): string;
  /** Bytes of the longest path and the longest text of a link that may travel. */
  maxPath: number;
  maxTarget: number;
}

/** One file of a git repository, named below its .git directory. */
export interface RepoFile {
  name: string;
  data: Buffer;
}

/** How a tree is scanned. */
export interface ScanOptions {
  rules: ScanRules;
  stop: Stop;
  /** Digests of an earlier scan. */
  cache?: ScanCache;
  /** Leaves files unread, for a first push, which hashes what it sends. */
  noDigests?: boolean;
  progress?(files: number, bytes: number): void;
  /** The table of what is mounted where, if not the system's. */
  mounts?: string;
}

/** One entry of a scanned tree. */
export interface ScannedEntry {
  path: string;
  kind: Kind;
  mode: number;
  size: number;
  /** Of a file; undefined where it was not read. */
  digest: Uint8Array | undefined;
  target: string;
}

/** A tree, its entries in path order, and the states of the repositories in it. */
export interface Scanned {
  entries: ScannedEntry[];
  problems: Problem[];
  incomplete: ReadonlySet<string>;
  occupied: ReadonlySet<string>;
  repos: { path: string; state: string }[];
  /** Files whose content counts for the state of a repository. No cache has them, since they are always read. */
  ofRepos: ReadonlySet<string>;
  /** For the next scan; undefined where the one given is as good. */
  cache: CacheBuilder | undefined;
}

/** A repository file beyond this counts as unreadable, in bytes, which leaves its repository alone. */
export const maxKept = 64 << 20;

/**
 * Reads a tree and hashes its files, without a pause: it belongs into a worker,
 * where one call after another costs a tenth of what it costs asynchronously. A
 * single bad file never fails it: what can't be an entry is a problem, what vanishes
 * while it is read is absent (promise R1). It throws for the root itself, a process that
 * can open no more files, and a stop.
 */
export function scan(root: string, options: ScanOptions): Scanned {
  let top: Dir;
  try {
    top = Dir.open(root);
  } catch (error) {
    throw ioError("the folder can't be read", root, error);
  }
  const scanner = new Scanner(root, options);
  scanner.dir(top, "");
  return scanner.result();
}

/** One name of a directory that is being scanned. */
interface Found {
  name: string;
  path: string;
  kind: Kind | null;
  info: fs.Stats | undefined;
  failed: unknown;
  /** Of a file that need not be read, its record in the cache of the folder; else -1. */
  record: number;
}

/** What is told of a scan that the caller ended. */
const stopped = "stopped while scanning";

const noError = { throwIfNoEntry: false } as const;

class Scanner {
  private readonly prefix: string;
  private readonly entries: ScannedEntry[] = [];
  private readonly problems: Problem[] = [];
  private readonly incomplete = new Set<string>();
  private readonly occupied = new Set<string>();
  private readonly repoFiles = new Map<string, RepoFile[]>();
  private readonly ofRepos = new Set<string>();
  private readonly clock = now();
  private readonly cache: CacheBuilder;
  /** Directories and files that can be neither removed nor replaced, because something is mounted there. */
  private readonly mounted: ReadonlySet<string>;
  private readonly buffer = Buffer.allocUnsafe(128 << 10);
  private files = 0;
  private bytes = 0;
  private reused = 0;
  private fresh = 0;

  constructor(
    root: string,
    private readonly options: ScanOptions,
  ) {
    this.prefix = `${root}/`;
    this.cache = new CacheBuilder(root, this.clock);
    this.mounted = mountedBelow(root, options.mounts ?? systemMounts);
  }

  /** Scans an open directory, which it closes. */
  dir(dir: Dir, path: string): void {
    try {
      this.options.stop.throwIfStopped(stopped);
      const cached = this.options.cache?.folder(path, this.clock);
      const found = this.find(dir, path, cached);
      const verdicts = this.options.rules.scanDir(path, found.map(asWord));
      const scanOne = (i: number) => {
        if (verdicts[i] === Verdict.excluded) this.leaveOut(path, found[i]!);
        else this.entry(dir, found[i]!, verdicts[i] === Verdict.ofRepo ? "repo" : cached);
      };
      if (inRepo(path) && found.some(isRanked)) this.inReadingOrder(found, scanOne);
      else for (let i = 0; i < found.length; i++) scanOne(i);
    } finally {
      dir.close();
    }
  }

  private leaveOut(parent: string, f: Found): void {
    this.occupied.add(parent);
    if (f.name.startsWith(volumeStaging)) this.problem(f.path, "stale_staging", staleDetail);
  }

  /**
   * Scans what was found in a directory of a repository in the order of readingRank. Its entries are in path order
   * all the same.
   */
  private inReadingOrder(found: readonly Found[], scanOne: (i: number) => void): void {
    const before = this.entries.length;
    const order = found.map((_, i) => i).sort((a, b) => rankOf(found[a]!) - rankOf(found[b]!));
    for (const i of order) scanOne(i);
    const below = this.entries.splice(before).sort((a, b) => comparePaths(a.path, b.path));
    for (const entry of below) this.entries.push(entry);
  }

  /** The names of a directory that can be paths, in their order, and what stands there. */
  private find(dir: Dir, parent: string, cached: CachedFolder | undefined): Found[] {
    const found: Found[] = [];
    for (const name of sorted(this.names(dir, parent))) {
      const path = this.pathOf(parent, name);
      if (path === undefined) continue;
      const record = cached?.find(name as string) ?? -1;
      const unchanged = record >= 0 ? this.unchanged(path, cached!, record) : undefined;
      if (unchanged) found.push({ name: name as string, path, kind: kindOf(unchanged.mode), info: unchanged, failed: undefined, record });
      else this.glance(dir, name as string, path, found);
    }
    return found;
  }

  /**
   * What is at a path, if that is the file of a record, unchanged. A handle costs the kernel twice as much as a path.
   * A path may lead elsewhere by now, through a link, but not to another file with that inode and these times
   * (promise S1).
   */
  private unchanged(path: string, cached: CachedFolder, record: number): fs.Stats | undefined {
    try {
      const info = fs.lstatSync(this.prefix + path, noError);
      return info && cached.isTrue(record, info) ? info : undefined;
    } catch {
      return undefined; // the handle tells
    }
  }

  private glance(dir: Dir, name: string, path: string, found: Found[]): void {
    try {
      const info = dir.glance(name);
      if (info) found.push({ name, path, kind: kindOf(info.mode), info, failed: undefined, record: -1 });
    } catch (failed) {
      found.push({ name, path, kind: null, info: undefined, failed, record: -1 });
    }
  }

  private names(dir: Dir, path: string): Name[] {
    try {
      return dir.names();
    } catch (error) {
      this.endIfSpent(path, error);
      this.incomplete.add(path);
      return [];
    }
  }

  /** The path of a name, or undefined for one that can't travel. */
  private pathOf(parent: string, name: Name): string | undefined {
    const { rules } = this.options;
    if (typeof name !== "string") {
      this.problem(join(rules.display(parent), rules.display(name)), "invalid_name", "the name is not valid UTF-8");
    } else {
      const path = join(parent, name);
      // No character has more than three bytes a unit.
      if (path.length * 3 <= rules.maxPath || Buffer.byteLength(path) <= rules.maxPath) return path;
      this.problem(rules.display(Buffer.from(path).subarray(0, 256)) + "...", "path_too_long");
    }
    this.occupied.add(parent);
    return undefined;
  }

  /**
   * Adds what stands at a name. Of a file is said what is cached of its folder, or that its content counts for a
   * repository.
   */
  private entry(dir: Dir, f: Found, cached: CachedFolder | "repo" | undefined): void {
    if (!f.info) {
      this.unreadable(f.path, f.failed);
      return;
    }
    switch (f.kind) {
      case "dir":
        this.add(f, "dir", 0, undefined, "");
        this.enter(dir, f);
        return;
      case "link":
        this.link(dir, f);
        return;
      case "file":
        this.file(dir, f, f.info, cached);
        return;
    }
    this.problem(f.path, "special_file", "a FIFO, socket or device");
  }

  private add(f: Found, kind: Kind, size: number, digest: Uint8Array | undefined, target: string, mode = f.info!.mode & 0o777): void {
    if (this.mounted.has(f.path)) this.occupied.add(f.path);
    this.entries.push({ path: f.path, kind, mode, size, digest, target });
  }

  private enter(dir: Dir, f: Found): void {
    let below: Dir;
    try {
      below = dir.openDir(f.name);
    } catch (error) {
      this.endIfSpent(f.path, error);
      // It vanished, or became something else: what is below it is not known.
      this.incomplete.add(f.path);
      return;
    }
    this.dir(below, f.path);
  }

  private unreadable(path: string, error: unknown): void {
    this.options.stop.throwIfStopped(stopped); // which is no failure of the file
    this.endIfSpent(path, error);
    this.problem(path, "unreadable", reason(error));
  }

  /**
   * Ends the scan where no more files can be opened: that says nothing of the one that was to be, and the sandbox
   * would be sent whatever happened to be read before.
   */
  private endIfSpent(path: string, error: unknown): void {
    if (isSpent(error)) throw ioError("the workspace can't be read", path, error);
  }

  private link(dir: Dir, f: Found): void {
    let raw: Buffer;
    try {
      raw = dir.readlink(f.name);
    } catch (error) {
      if (codeOf(error) !== "ENOENT") this.unreadable(f.path, error);
      return;
    }
    const target = raw.toString();
    if (raw.length === 0 || raw.length > this.options.rules.maxTarget || !Buffer.from(target).equals(raw)) {
      this.problem(f.path, "special_file", "the link's text is not valid UTF-8, empty or too long");
      return;
    }
    this.add(f, "link", 0, undefined, target, 0o777);
  }

  /** Hashes a file, again if it changed meanwhile, unless an earlier scan did and nothing speaks of a change. */
  private file(dir: Dir, f: Found, info: fs.Stats, cached: CachedFolder | "repo" | undefined): void {
    const inRepo = cached === "repo";
    if (!inRepo && this.known(f, info, cached)) return;
    for (let n = 0; n < maxReads; n++) {
      const start = now();
      let read: ReadFile | "changed";
      try {
        read = this.read(dir, f.name, inRepo);
      } catch (error) {
        if (codeOf(error) !== "ENOENT") this.unreadable(f.path, error);
        return;
      }
      if (read === "changed") continue;
      if (inRepo) this.ofRepos.add(f.path);
      if (read.data) this.keepRepoFile(f.path, read.data);
      else if (isSettled(read.info, start)) this.cache.add(f.path, read.info, read.digest);
      this.add(f, "file", read.info.size, read.digest, "", read.info.mode);
      this.count(read.info.size);
      return;
    }
    this.problem(f.path, "changing", "it changed each time it was read");
  }

  /** Adds a file that need not be read. */
  private known(f: Found, info: fs.Stats, cached: CachedFolder | undefined): boolean {
    const isKnown = f.record >= 0;
    if (isKnown) {
      this.reused++;
      this.cache.reuse(cached!, f.record);
    } else {
      this.fresh++;
      if (!this.options.noDigests) return false;
    }
    this.add(f, "file", info.size, isKnown ? cached!.digest(f.record) : undefined, "");
    this.count(info.size);
    return true;
  }

  private read(dir: Dir, name: string, inRepo: boolean): ReadFile | "changed" {
    const { fd, info: before } = dir.openKnown(name);
    try {
      const parts: Buffer[] | undefined = inRepo && before.size <= maxKept ? [] : undefined;
      let hash: Hash | undefined;
      let digest: Uint8Array | undefined; // of a file that comes in one piece: a Hash for each keeps the collector busy
      let size = 0;
      for (let last = false; !last; ) {
        const bytes = this.buffer.subarray(0, fs.readSync(fd, this.buffer, 0, this.buffer.length, null));
        last = bytes.length === 0 || (bytes.length < this.buffer.length && size + bytes.length === before.size);
        if (last && size === 0) digest = Buffer.from(sha256(bytes), "hex");
        else (hash ??= createHash("sha256")).update(bytes);
        if (parts && bytes.length > 0) parts.push(Buffer.from(bytes));
        size += bytes.length;
        this.options.stop.throwIfStopped(stopped);
      }
      const after = fstat(fd);
      if (size !== before.size || !same(before, after)) return "changed";
      return { info: after, digest: digest ?? hash!.digest(), data: parts && Buffer.concat(parts) };
    } finally {
      fs.closeSync(fd);
    }
  }

  private keepRepoFile(path: string, data: Buffer): void {
    const { repo, below } = splitRepo(path);
    const files = this.repoFiles.get(repo) ?? [];
    files.push({ name: below, data });
    this.repoFiles.set(repo, files);
  }

  private count(size: number): void {
    this.files++;
    this.bytes += size;
    if (this.files % 256 === 0) this.options.progress?.(this.files, this.bytes);
  }

  private problem(path: string, code: string, detail?: string): void {
    this.problems.push(detail === undefined ? { path, code } : { path, code, detail });
  }

  result(): Scanned {
    const repos = this.entries
      .filter((e) => e.kind === "dir" && (e.path === ".git" || e.path.endsWith("/.git")))
      .map((e) => ({ path: e.path, state: this.options.rules.repoState(this.repoFiles.get(e.path) ?? []) }));
    return {
      entries: this.entries,
      problems: this.problems,
      incomplete: this.incomplete,
      occupied: this.occupied,
      repos,
      ofRepos: this.ofRepos,
      cache: this.learnt() ? this.cache : undefined,
    };
  }

  /** Whether the next scan would gain from another cache than this one had. */
  private learnt(): boolean {
    const { cache, noDigests } = this.options;
    return cache !== undefined && !noDigests && (this.fresh > 0 || this.reused !== cache.size);
  }
}

/** A file that was read while it did not change. */
interface ReadFile {
  info: Info;
  digest: Uint8Array;
  data: Buffer | undefined;
}

const asWord = (f: Found) => (f.kind === "dir" ? f.name + "/" : f.name);

/**
 * The order in which the names of a repository are read; all others have 0. A commit that is made meanwhile must not
 * show as a branch without its objects, nor one that is packed as a branch that is gone. So what names is read before
 * what is named: HEAD, then refs, then packed-refs and the index, and objects at last.
 */
const readingRank = new Map([
  ["HEAD", -2],
  ["refs", -1],
  ["objects", 1],
]);

const rankOf = (f: Found) => readingRank.get(f.name) ?? 0;
const isRanked = (f: Found) => readingRank.has(f.name);

/** Whether a directory is a .git directory or lies in one. */
function inRepo(path: string): boolean {
  return `/${path}/`.includes("/.git/");
}

/** A path below a .git directory, cut at the first one. */
function splitRepo(path: string): { repo: string; below: string } {
  const at = ("/" + path).indexOf("/.git/");
  return { repo: path.slice(0, at + 4), below: path.slice(at + 5) };
}

/** Brings problems into their order and drops repetitions. */
export function sortProblems(problems: readonly Problem[]): Problem[] {
  const order = (a: Problem, b: Problem) => comparePaths(a.path, b.path) || (a.code < b.code ? -1 : a.code > b.code ? 1 : 0);
  const list = [...problems].sort(order);
  return list.filter((p, i) => i === 0 || order(list[i - 1]!, p) !== 0);
}
