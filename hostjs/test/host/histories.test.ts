// Generated histories, played three times: synced by this host, by the Go host, and by both in turn over one state,
// this one with streams then.
// Whatever was edited on which side, with times set back, renames, and what a sync left in the sandbox lost or forged,
// each step ends with the same trees and the same words. SYNCPLAN_HISTORIES plays more than the few of every run.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { goHost } from "./goHost.js";
import { listing, Pair, runtimeDir } from "./pair.js";
import { random } from "./world.js";

type Op = "push" | "pull";
type Host = (p: Pair, op: Op) => Promise<Said>;

/** What a sync said, as far as both hosts say it in the same form. */
interface Said {
  status: unknown;
  conflicts: unknown;
  problems: unknown;
  flagged: unknown;
}

const goes: Host = async (p, op) => {
  const { status, conflicts, problems, flagged } = await goHost(p, op);
  return { status, conflicts, problems, flagged };
};

const nodes: Host = async (p, op) => {
  const { status, conflicts = [], problems = [], flagged = [] } = await p[op]();
  return {
    status,
    conflicts: conflicts.map(({ path, kind, policy, copy }) => ({ path, kind, policy: policy ?? null, copy: copy ?? null })),
    problems: problems.map(({ path, code, detail }) => ({ path, code, detail: detail ?? "" })),
    flagged,
  };
};

const hosts: ((step: number) => Host)[] = [() => nodes, () => goes, (step) => (step % 2 === 0 ? nodes : goes)];

for (let seed = 1; seed <= Number(process.env["SYNCPLAN_HISTORIES"] ?? 20); seed++) {
  test(`history ${seed} ends the same with every host`, async (t) => {
    const any = random(seed);
    const pairs = hosts.map(() => new Pair(t));
    pairs[2]!.stream();
    const story: string[] = [];
    for (let step = 0, steps = 2 + any(5); step < steps; step++) {
      for (let i = any(6); i > 0; i--) {
        const edit = randomEdit(any);
        story.push(JSON.stringify(edit));
        for (const p of pairs) apply(edit, p);
      }
      const [harm, op] = [any(harms.length * 2), any(2) === 0 ? "push" : "pull"] as const;
      story.push(`harm ${harm}, ${op}`);
      for (const p of pairs) harms[harm]?.(p);
      const said = await Promise.all(pairs.map((p, i) => hosts[i]!(step)(p, op)));
      for (let i = 1; i < pairs.length; i++) {
        assert.deepEqual(said[i], said[0], story.join("\n"));
        assert.deepEqual(listing(pairs[i]!.local), listing(pairs[0]!.local), story.join("\n"));
        assert.deepEqual(listing(pairs[i]!.sandbox), listing(pairs[0]!.sandbox), story.join("\n"));
      }
    }
  });
}

const edits = { write, sameSize, restoredTime, remove, folder, link, chmod, rename, renameFolder, future, fifo };
const names = ["a", "b", "c.txt", "d/a", "d/b", "d/e/f", "g/h", "g/i", "odd\nname", "back\\slash", "-dash", "d/sp ace", ".envrc", "ünï"];

interface Edit {
  op: keyof typeof edits;
  side: "local" | "sandbox";
  at: string;
  to: string;
  content: string;
}

function randomEdit(any: (n: number) => number): Edit {
  const ops = ["write", "write", ...Object.keys(edits)] as Edit["op"][];
  const letter = () => "ABCDEF"[any(6)]!;
  const [op, side, at, to] = [ops[any(ops.length)]!, any(2) === 0 ? "local" : "sandbox", names[any(names.length)]!, names[any(names.length)]!] as const;
  return { op, side, at, to, content: `${letter()}\nline\n${letter()}\n` };
}

/** Makes an edit, or as much of it as the tree allows. */
function apply(edit: Edit, p: Pair): void {
  const full = path.join(p[edit.side], edit.at);
  const info = fs.lstatSync(full, { throwIfNoEntry: false });
  edits[edit.op](full, edit, info, p);
}

type Info = fs.Stats | undefined;

function write(full: string, { content }: Edit, info: Info): void {
  if (info && !info.isFile()) return;
  if (attempt(() => fs.mkdirSync(path.dirname(full), { recursive: true }))) attempt(() => fs.writeFileSync(full, content));
}

function sameSize(full: string, _: Edit, info: Info): void {
  if (!info?.isFile()) return;
  const data = fs.readFileSync(full);
  if (data.length > 0) data[0]! ^= 3;
  fs.writeFileSync(full, data);
}

function restoredTime(full: string, edit: Edit, info: Info): void {
  sameSize(full, edit, info);
  if (info?.isFile()) fs.utimesSync(full, info.atime, info.mtime);
}

function remove(full: string): void {
  fs.rmSync(full, { recursive: true, force: true });
}

function folder(full: string): void {
  attempt(() => fs.mkdirSync(full, { recursive: true }));
}

function link(full: string): void {
  attempt(() => fs.symlinkSync("a", full));
}

function chmod(full: string, _: Edit, info: Info): void {
  if (info?.isFile()) fs.chmodSync(full, (info.mode & 0o777) ^ 0o111);
}

function rename(full: string, { side, to }: Edit, _: Info, p: Pair): void {
  attempt(() => fs.renameSync(full, path.join(p[side], to)));
}

function renameFolder(_full: string, { side }: Edit, _: Info, p: Pair): void {
  attempt(() => fs.renameSync(path.join(p[side], "d"), path.join(p[side], "g")));
}

function future(full: string, _: Edit, info: Info): void {
  const tomorrow = Date.now() / 1000 + 86_400;
  if (info?.isFile()) fs.utimesSync(full, tomorrow, tomorrow);
}

function fifo(full: string, _: Edit, info: Info): void {
  if (!info && fs.existsSync(path.dirname(full))) execFileSync("mkfifo", ["--", full]);
}

/** Does what may fail because names are taken or missing, which is the same in every tree. */
function attempt(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (["ENOENT", "EEXIST", "ENOTDIR", "EISDIR", "ENOTEMPTY", "EINVAL", "ELOOP"].includes((error as NodeJS.ErrnoException).code ?? "")) return false;
    throw error;
  }
}

/** What a careless or hostile sandbox does to what a sync left there. */
const harms: ((p: Pair) => void)[] = [
  (p) => left(p, /^(seen-|sums$|script-)/).forEach((full) => fs.rmSync(full)),
  (p) => left(p, /^seen-.*(?<!\.clock)$/).forEach((full) => fs.truncateSync(full, fs.statSync(full).size >> 1)),
  (p) => left(p, /^seen-.*(?<!\.clock)$/).forEach((full) => fs.appendFileSync(full, "1.0 1.0 1 1 f644 ./forged\n")),
  (p) => left(p, /^script-/).forEach((full) => fs.writeFileSync(full, "exit 0\n")),
  (p) => left(p, /^sums$/).forEach((full) => fs.rmSync(full)),
  (p) => {
    fs.rmSync(p.sandbox, { recursive: true });
    fs.mkdirSync(p.sandbox);
  },
];

function left(p: Pair, pattern: RegExp): string[] {
  const dir = path.join(p.sandbox, runtimeDir, p.options.adapter);
  const found = fs.existsSync(dir) ? fs.readdirSync(dir) : [];
  return found.filter((name) => pattern.test(name)).map((name) => path.join(dir, name));
}
