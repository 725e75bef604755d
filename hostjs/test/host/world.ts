import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";

import type { ApplyRequest } from "../../src/host/applyRun.js";
import { volumeStaging } from "../../src/host/applyVolume.js";
import type { Dir } from "../../src/host/tree.js";
import type { Decision as FullDecision, EntryState } from "../../src/types.js";
import { codeOf } from "../../src/host/errors.js";
import { journalPath } from "../../src/host/journal.js";
import { Stop } from "../../src/host/stop.js";

/** A decision as tests write it: the row does not matter to a host. */
export type Decision = Omit<FullDecision, "row"> & { row?: string };

/** A fresh folder that goes away with the test, which has to close what it opens in there. Its path holds no link. */
export function tempDir(t: TestContext): string {
  const dir = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "syncplan-test-")));
  t.after(async () => {
    try {
      await closesAll(dir);
    } finally {
      await removeTree(dir);
    }
  });
  return dir;
}

/** Where the open files of this process lie, as far as the system tells. */
export function openFiles(): string[] {
  const links = "/proc/self/fd";
  return fs.existsSync(links) ? fs.readdirSync(links).flatMap((fd) => linkOf(path.join(links, fd))) : [];
}

function linkOf(link: string): string[] {
  try {
    return [fs.readlinkSync(link)];
  } catch {
    return []; // it was closed meanwhile
  }
}

/** Holds a test to close what it opens below a folder. A thread that failed ends, and closes its files, a moment after its task. */
async function closesAll(dir: string): Promise<void> {
  let left: string[] = [];
  for (const end = Date.now() + 60_000; Date.now() < end; ) {
    left = openFiles().filter((name) => name.startsWith(dir + "/"));
    if (left.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`left open: ${left.join(", ")}`);
}

/** Removes a tree, with what a test made unreadable in it. The tools of a command that was killed go on in there for a moment. */
async function removeTree(dir: string): Promise<void> {
  for (const end = Date.now() + 60_000; ; ) {
    try {
      return fs.rmSync(dir, { recursive: true, force: true });
    } catch (error) {
      if (codeOf(error) !== "ENOTEMPTY" || Date.now() > end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");

export const file = (content: string, mode = 0o644): EntryState => ({
  kind: "file",
  mode,
  size: Buffer.byteLength(content),
  digest: sha256(content),
});
export const folder: EntryState = { kind: "dir", mode: 0o755 };
export const link = (target: string): EntryState => ({ kind: "link", mode: 0o777, target });

/** Writes a file with its folders. */
export function put(root: string, name: string, content: string | Buffer): void {
  const full = path.join(root, name);
  fs.mkdirSync(path.dirname(full), { recursive: true });
  fs.writeFileSync(full, content);
}

/** A workspace, a state folder and bodies. */
export class World {
  readonly state: string;
  readonly bodies: string;

  constructor(readonly top: string, readonly root = path.join(top, "root")) {
    this.state = path.join(top, "state");
    this.bodies = path.join(top, "bodies");
    for (const dir of [this.root, this.state, this.bodies]) fs.mkdirSync(dir, { recursive: true });
  }

  put(name: string, content: string): void {
    put(this.root, name, content);
  }

  /** Makes a content available, and returns the entry of a file that has it. */
  body(content: string, mode = 0o644): EntryState {
    fs.writeFileSync(path.join(this.bodies, sha256(content)), content);
    return file(content, mode);
  }

  request(decisions: Decision[], more: Partial<ApplyRequest> = {}): ApplyRequest {
    return {
      root: this.root,
      run: "run" + randomBytes(4).toString("hex"),
      stateDir: this.state,
      decisions: decisions.map((d) => ({ row: "", ...d })),
      open: (digest) => fs.openSync(path.join(this.bodies, digest), "r"),
      copyName: (name, digest, skip) => `${name}.conflict-${digest.slice(0, 8)}${skip > 0 ? `-${skip + 1}` : ""}`,
      stop: new Stop(),
      ...more,
    };
  }

  /** Has a rename fail that leads from one of these directories to what is not below it, as if something were mounted there. */
  mounted(...mounts: string[]): Pick<ApplyRequest, "crosses"> {
    if (mounts.length === 0) return {};
    const tops = new Map<bigint, string>();
    for (const name of [...mounts, ""]) {
      const full = path.join(this.root, name);
      fs.mkdirSync(full, { recursive: true });
      tops.set(fs.statSync(full, { bigint: true }).ino, name);
    }
    return { crosses: (from, to) => topOf(tops, from) !== topOf(tops, to) };
  }

  /** Makes sure that no run left a staging folder, or a journal. */
  assertClean(name?: string): void {
    assert.ok(!fs.existsSync(path.join(this.root, ".paperclip-runtime/staging")), name);
    assert.ok(!fs.existsSync(journalPath(this.state)), name);
    const left = fs.readdirSync(this.root, { recursive: true, encoding: "utf8" });
    assert.deepEqual(left.filter((n) => path.basename(n).startsWith(volumeStaging)), [], name);
  }

  /** Maps each path to what it is; what is kept in displaced counts by its content under "kept". */
  tree(): Record<string, string> {
    const out: Record<string, string> = {};
    const walk = (dir: string) => {
      for (const d of fs.readdirSync(path.join(this.root, dir), { withFileTypes: true })) {
        const name = dir === "" ? d.name : `${dir}/${d.name}`;
        if (name === ".paperclip-runtime/staging" || d.name.startsWith(volumeStaging)) continue;
        if (d.isDirectory()) walk(name);
        this.describe(out, name, d);
      }
    };
    walk("");
    return out;
  }

  private describe(out: Record<string, string>, name: string, d: fs.Dirent): void {
    const full = path.join(this.root, name);
    const kept = name.startsWith(".paperclip-runtime/displaced");
    if (name === ".paperclip-runtime" || (kept && d.isDirectory())) return;
    let text = "dir";
    if (d.isSymbolicLink()) text = "link " + fs.readlinkSync(full);
    else if (!d.isDirectory()) text = (fs.statSync(full).mode & 0o100 ? "x " : "") + fs.readFileSync(full, "utf8");
    out[kept ? "kept " + text : name] = text;
  }
}

/** Goes up from a directory to the first one in a list of inodes. */
function topOf(tops: Map<bigint, string>, dir: Dir): string {
  const top = tops.get(dir.lstat(".").ino);
  if (top !== undefined) return top;
  const up = dir.openDir("..");
  try {
    return topOf(tops, up);
  } finally {
    up.close();
  }
}

/** A plan with each kind of action, on the tree that it expects. */
export function everything(w: World): Decision[] {
  const old = ["replace", "to-link", "to-dir", "from-dir/in", "delete", "gone/in", "bit"];
  for (const name of old) w.put(name, "old");
  for (const name of ["conflict", "aside", "displace"]) w.put(name, "mine");
  w.put("stay", "stay");
  return [
    { path: "aside", action: "aside", want: w.body("theirs") },
    { path: "bit", action: "chmod", expect: file("old"), want: file("old", 0o755) },
    { path: "conflict", action: "copy", dest: "conflict.copy", want: w.body("theirs too") },
    { path: "delete", action: "delete", expect: file("old") },
    { path: "displace", action: "write", displace: true, expect: file("mine"), want: w.body("new 1") },
    { path: "from-dir", action: "write", expect: folder, want: w.body("new 2") },
    { path: "from-dir/in", action: "delete", expect: file("old") },
    { path: "gone", action: "delete", expect: folder },
    { path: "gone/in", action: "delete", expect: file("old") },
    { path: "made", action: "write", want: folder },
    { path: "made/in", action: "write", want: w.body("new 3", 0o755) },
    { path: "made/link", action: "write", want: link("in") },
    { path: "merged", action: "write", want: file("both"), merged: Buffer.from("both").toString("base64") },
    { path: "replace", action: "write", expect: file("old"), want: w.body("new 4") },
    { path: "to-dir", action: "write", expect: file("old"), want: folder },
    { path: "to-dir/in", action: "write", want: w.body("new 5") },
    { path: "to-link", action: "write", expect: file("old"), want: link("stay") },
  ];
}

/** The decisions by which a directory displaces a file. */
export function whole(w: World): Decision[] {
  w.put("d", "mine");
  return [
    { path: "d", action: "write", displace: true, expect: file("mine"), want: folder },
    { path: "d/e", action: "write", want: folder },
    { path: "d/e/f", action: "write", want: w.body("1") },
    { path: "d/g", action: "write", want: w.body("2") },
    { path: "d/l", action: "write", want: link("g") },
  ];
}

export const wholeApplied: Record<string, string> = { d: "dir", "d/e": "dir", "d/e/f": "1", "d/g": "2", "d/l": "link g", "kept mine": "mine" };

export const everythingApplied: Record<string, string> = {
  aside: "mine", bit: "x old", conflict: "mine", "conflict.copy": "theirs too", displace: "new 1", "from-dir": "new 2", made: "dir",
  "made/in": "x new 3", "made/link": "link in", merged: "both", replace: "new 4", stay: "stay", "to-dir": "dir", "to-dir/in": "new 5",
  "to-link": "link stay", "kept mine": "mine", "kept theirs": "theirs",
};

/** The same in a directory of the workspace, and what comes of it. */
export function everythingIn(w: World, dir: string): { decisions: Decision[]; applied: Record<string, string> } {
  const inner = new World(w.top, path.join(w.root, dir));
  const decisions = everything(inner).map((d) => ({ ...d, path: `${dir}/${d.path}`, ...(d.dest && { dest: `${dir}/${d.dest}` }) }));
  const applied: Record<string, string> = {};
  for (let p = dir; p !== "."; p = path.dirname(p)) applied[p] = "dir";
  for (const [name, what] of Object.entries(everythingApplied)) applied[name.startsWith("kept ") ? name : `${dir}/${name}`] = what;
  return { decisions, applied };
}

/** Drops the decisions that are carried out already, as planning anew would. */
export function remaining(w: World, decisions: Decision[]): Decision[] {
  const now = w.tree();
  return decisions.flatMap((d) => {
    const want = textOf(w, d);
    const have = now[d.dest ?? d.path];
    if (d.action === "aside" ? now["kept " + want] : d.action === "delete" ? have === undefined : have === want) return [];
    if (!d.expect || have !== undefined) return [d];
    const { expect: _, ...rest } = d;
    return [rest];
  });
}

function textOf(w: World, d: Decision): string {
  if (!d.want) return "";
  if (d.want.kind === "dir") return "dir";
  if (d.want.kind === "link") return "link " + d.want.target;
  const stored = path.join(w.bodies, d.want.digest!);
  const content = d.merged ? Buffer.from(d.merged, "base64").toString() : d.action === "chmod" ? "old" : fs.readFileSync(stored, "utf8");
  return (d.want.mode! & 0o100 ? "x " : "") + content;
}

/** Numbers below n that follow from a seed. */
export function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) % n;
  };
}

/** Runs git in a folder, with the settings of nobody. */
export function gitOf(t: TestContext): (cwd: string, ...args: string[]) => string {
  const home = tempDir(t);
  const who = { GIT_AUTHOR_NAME: "a", GIT_AUTHOR_EMAIL: "a@example.org", GIT_COMMITTER_NAME: "a", GIT_COMMITTER_EMAIL: "a@example.org" };
  const env = { ...process.env, ...who, HOME: home, GIT_CONFIG_NOSYSTEM: "1", LC_ALL: "C" };
  return (cwd, ...args) => execFileSync("git", args, { cwd, env, encoding: "utf8" });
}

/** Runs something for which permissions count: root, who owns these files, becomes an ordinary user for a moment. */
export function asOrdinaryUser<T>(owned: readonly string[], run: () => T): T {
  if (process.geteuid!() !== 0) return run();
  for (const name of owned) fs.chownSync(name, 65534, 65534);
  process.seteuid!(65534);
  try {
    return run();
  } finally {
    process.seteuid!(0);
  }
}
