import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { apply } from "../../src/host/apply.js";
import { writeJournal, type Journal } from "../../src/host/journal.js";
import { recover } from "../../src/host/recover.js";
import { PlannerError } from "../../src/errors.js";
import { Stop } from "../../src/host/stop.js";
import type { EntryState, Result } from "../../src/types.js";
import { file, folder, link, sha256, tempDir, World, type Decision } from "./world.js";

/** One decision about a path: what stands there ("" for nothing, "dir", "link TARGET" or a content), and what is wanted, likewise. */
interface Change {
  old: string;
  action: Decision["action"];
  want: string;
  displace?: boolean;
}

/** One of each kind. The path of each is p in a directory of its own. */
const changes: Change[] = [
  { old: "", action: "write", want: "new" },
  { old: "", action: "write", want: "dir" },
  { old: "", action: "write", want: "link new" },
  { old: "", action: "copy", want: "new" },
  { old: "", action: "copy", want: "link new" },
  { old: "", action: "copy", want: "dir" },
  { old: "old", action: "aside", want: "new" },
  { old: "old", action: "write", want: "new" },
  { old: "old", action: "write", want: "new", displace: true },
  { old: "old", action: "write", want: "link new", displace: true },
  { old: "old", action: "write", want: "dir" },
  { old: "old", action: "chmod", want: "x old" },
  { old: "old", action: "delete", want: "" },
  { old: "link old", action: "write", want: "new" },
  { old: "link old", action: "write", want: "link new" },
  { old: "link old", action: "delete", want: "" },
  { old: "dir", action: "write", want: "new" },
  { old: "dir", action: "write", want: "link new" },
  { old: "dir", action: "delete", want: "" },
];

const rules = { validPath: () => true, display: String };

/** Somebody who saves something at each path when its change comes to a point. */
interface Slip {
  at: string;
  saved: string;
  /** Keeps the folder of displaced versions from being made until the run is over. */
  blocked?: boolean;
}

const pathOf = (i: number) => `${i}/p`;
const isContent = (what: string) => what !== "" && what !== "dir" && what !== "no folder";
/** Makes a content differ from that of any other path. */
const textOf = (i: number, what: string) => (isContent(what) ? `${what} ${i}` : what);
const changesOf = () => changes.map((c, i) => ({ ...c, old: textOf(i, c.old), want: textOf(i, c.want) }));

function entry(w: World, what: string): EntryState {
  if (what === "dir") return folder;
  if (what.startsWith("link ")) return link(what.slice(5));
  return what.startsWith("x ") ? file(what.slice(2), 0o755) : w.body(what);
}

/** Makes a path be what an editor or a user leaves there. */
function save(w: World, name: string, what: string): void {
  const full = path.join(w.root, name);
  fs.rmSync(full, { recursive: true, force: true });
  fs.mkdirSync(path.dirname(full), { recursive: true });
  if (what === "no folder") fs.rmdirSync(path.dirname(full));
  else if (what === "dir") fs.mkdirSync(full);
  else if (what.startsWith("dir ")) w.put(`${name}/in`, what.slice(4));
  else if (what.startsWith("link ")) fs.symlinkSync(what.slice(5), full);
  else if (what !== "") w.put(name, what);
}

/** What is saved at the path of a change. */
const savedAt = ({ saved }: Slip, i: number) => textOf(i, saved === "what is wanted" ? changes[i]!.want.replace(/^x /, "") : saved);

/** Holds what a run left to what there was: old, unless it was to go or somebody removed it, what was saved, and want, likewise. */
function check(w: World, slip: Slip, i: number, c: Change, result: Result, stood: string | undefined): void {
  const now = w.tree();
  const have = Object.values(now).map((text) => text.replace(/^x /, ""));
  const name = `${JSON.stringify(c)}: ${JSON.stringify(result)}`;
  const stays = c.displace || c.action === "aside" || c.action === "chmod" || result.status === "failed";
  if (isContent(c.old) && stays && stood?.replace(/^x /, "") !== c.old) assert.ok(have.includes(c.old), `lost: ${name}`);
  const saved = savedAt(slip, i);
  if (isContent(saved) && stood !== undefined) assert.ok(have.includes(saved.replace(/^dir /, "")), `the save is lost: ${name}`);
  const comes = c.action !== "chmod" && result.status !== "failed";
  if (isContent(c.want) && comes && stood !== c.want) assert.ok(have.includes(c.want), `did not come: ${name}`);
  if (result.copy) fs.lstatSync(path.join(w.root, result.copy));
  assert.ok(["done", "edited_meanwhile", "failed"].includes(result.status), name);
  const inPlace = now[pathOf(i)] ?? "";
  const isDir = saved === textOf(i, "dir saved");
  if (slip.blocked) return;
  if (stood === undefined || (slip.at === "journal" && c.old === "" && c.want === (isDir ? "dir" : saved))) { // as if nobody were there
    assert.equal(result.status, "done", name);
    assert.equal(inPlace, c.action === "aside" ? c.old : c.want, name);
  } else if (slip.at !== "journal" || (saved === c.want && saved !== "")) {
    return;
  } else if (c.action === "write" && saved === "") { // comes back
    assert.equal(result.status, "done", name);
    assert.equal(inPlace, c.want, name);
  } else if (c.action === "delete" && !isContent(saved)) { // is gone
    assert.equal(result.status, "done", name);
  } else if (saved === "no folder") {
    assert.equal(result.status === "failed", c.action !== "aside", name);
  } else if ((c.action === "write" && !c.displace) || c.action === "delete") {
    assert.notEqual(result.status, "done", name);
    assert.equal(inPlace, isDir ? "dir" : saved, name);
    const notEmpty = c.old === "dir" && (c.action === "write" || isDir);
    assert.equal(result.code === "not_empty", notEmpty, name);
  }
}

function run(w: World, slip: Slip, mounts: string[]): void {
  const decisions: Decision[] = changesOf().map((c, i) => {
    save(w, pathOf(i), c.old);
    return {
      path: pathOf(i), action: c.action, displace: c.displace ?? false,
      ...(c.old && { expect: entry(w, c.old) }), ...(c.want && { want: entry(w, c.want) }),
    };
  });
  const stood: string[] = []; // what the save replaced
  const blocker = path.join(w.root, ".paperclip-runtime/displaced");
  const fault = (point: string) => {
    if (slip.blocked && point === "journal") fs.writeFileSync(blocker, "");
    changes.forEach((_, i) => {
      if (![slip.at, `${slip.at} ${pathOf(i)}`, `${slip.at} ${i}`].includes(point)) return;
      stood[i] = w.tree()[pathOf(i)] ?? "";
      save(w, pathOf(i), savedAt(slip, i));
    });
  };
  const { results, error } = apply(w.request(decisions, { ...w.mounted(...mounts), fault }));
  if (slip.blocked) {
    // What can't be copied out of a mount goes back.
    if (error || mounts.length === 0) assert.equal((error as PlannerError).code, "io_failed");
    fs.unlinkSync(blocker);
    recover(w.root, w.state, rules, new Stop());
  } else {
    assert.equal(error, undefined);
  }
  changesOf().forEach((c, i) => check(w, slip, i, c, results![i]!, stood[i]));
  assert.deepEqual(recover(w.root, w.state, rules, new Stop()), []);
  w.assertClean();
}

test("D12: whatever slips in at any point of any kind of change is kept", async (t) => {
  const slips: Slip[] = [{ at: "", saved: "" }, { at: "", saved: "", blocked: true }];
  for (const at of ["journal", "moved", "after", "settled"]) {
    slips.push({ at, saved: "saved", blocked: true });
    for (const saved of ["", "saved", "dir saved", "link saved", "no folder"]) slips.push({ at, saved });
  }
  slips.push({ at: "journal", saved: "what is wanted" });
  for (const mounts of [[], [".paperclip-runtime"]]) {
    for (const slip of slips) await t.test(JSON.stringify({ ...slip, mounts }), (t) => run(new World(tempDir(t)), slip, mounts));
  }
});

test("D6: a copy takes the first free name", (t) => {
  for (const what of ["new", "link new"]) {
    for (const taken of [0, 1, 2]) {
      for (const there of [false, true]) {
        for (const action of ["write", "copy"] as const) {
          const w = new World(tempDir(t));
          save(w, "f", "mine");
          const want = entry(w, what);
          const names = [0, 1, 2].map((skip) => w.request([]).copyName("f", want.digest ?? sha256(want.target!), skip));
          for (const name of names.slice(0, taken)) save(w, name, "taken");
          const name = names[taken]!;
          if (there) save(w, name, what);
          const decision: Decision = { path: "f", action, want, ...(action === "copy" ? { dest: names[0]! } : { expect: file("old") }) };
          const { results, error } = apply(w.request([decision]));
          assert.equal(error, undefined);
          assert.equal(results![0]!.status, action === "copy" ? "done" : "edited_meanwhile");
          assert.equal(results![0]!.copy, action === "copy" && taken === 0 ? undefined : name);
          const now = w.tree();
          assert.deepEqual([now[name], now["f"], Object.keys(now).length], [what, "mine", taken + 2]);
        }
      }
    }
  }
});

test("D6: displaced versions find room where their names, or those of the folders that they lie in, are taken", (t) => {
  const w = new World(tempDir(t));
  const paths = ["a", "a", "a/b", "a/b/c", "a/d"];
  const request = w.request(paths.map((path, i) => ({ path, action: "aside", want: path === "a/d" ? folder : w.body(String(i)) })));
  const { results, error } = apply(request);
  assert.equal(error, undefined);
  const top = `.paperclip-runtime/displaced/${request.run}/`;
  assert.deepEqual(results!.map((r) => r.copy), ["a", "a.2", "a.d/b", "a.d/b.d/c", "a.d/d"].map((name) => top + name));
  results!.forEach((r, i) => assert.ok(paths[i] === "a/d" ? fs.statSync(path.join(w.root, r.copy!)).isDirectory() : w.tree()[`kept ${i}`]));
});

/** What a killed run left of a change: what lies at the path, and in staging under the name of what comes and of what was moved. */
interface Left extends Change {
  path: string;
  staged: string;
  moved: string;
}

function allLeft(): Left[] {
  const list: Left[] = [];
  for (const c of changes.filter((c) => c.old !== "" && (c.action === "write" || c.action === "delete"))) {
    for (const path of ["no folder", "", c.old, c.want, "saved there"]) {
      for (const moved of ["", c.old, "saved moved"]) list.push({ ...c, path, staged: c.want, moved }, { ...c, path, staged: "", moved });
      if (c.want) list.push({ ...c, path, staged: c.old, moved: "" }, { ...c, path, staged: "saved staged", moved: "" }); // the Go host exchanged
    }
  }
  return list.map((l, i) => ({
    ...l, old: textOf(i, l.old), want: textOf(i, l.want), path: textOf(i, l.path), staged: textOf(i, l.staged), moved: textOf(i, l.moved),
  }));
}

test("D11: recovery keeps whatever lies there", (t) => recovers(new World(tempDir(t)), ".paperclip-runtime/staging/run", {}));

test("D11: recovery keeps whatever lies on another file system", (t) => {
  const w = new World(tempDir(t));
  recovers(w, "._paperclip-runtime.run", { volumes: ["", "unmounted"] }, w.mounted(".paperclip-runtime"));
});

function recovers(w: World, staging: string, journal: Partial<Journal>, mounted = {}): void {
  const all = allLeft();
  const full = (what: string) => ({ size: 0, digest: "0".repeat(64), target: "", ...entry(w, what) });
  const records = all.map((l, index) => {
    if (l.path !== "no folder") save(w, pathOf(index), l.path);
    save(w, `${staging}/n${index}`, l.staged);
    save(w, `${staging}/o${index}`, l.moved);
    return { index, path: pathOf(index), old: full(l.old), new: l.want ? full(l.want) : null, displace: l.displace ?? false };
  });
  writeJournal(w.state, { run: "run", volumes: [], records, ...journal });
  const blocker = path.join(w.root, ".paperclip-runtime/displaced");
  fs.writeFileSync(blocker, "");
  assert.throws(() => recover(w.root, w.state, rules, new Stop(), mounted), { code: "io_failed" });
  fs.unlinkSync(blocker);
  recover(w.root, w.state, rules, new Stop(), mounted);
  const now = w.tree();
  all.forEach((l, i) => {
    const name = `${i}: ${JSON.stringify(l)}`;
    const p = pathOf(i);
    for (const e of [l.path, l.staged, l.moved]) {
      if (e.startsWith("saved") || (e === l.old && l.displace)) assert.ok(now[p] === e || now["kept " + e] === e, `${e} is lost: ${name}`);
    }
    if (l.path === "no folder") assert.equal(now[p], undefined, name);
    else if (l.path !== "") assert.equal(now[p], l.path, name);
    else if (l.moved !== "") assert.equal(now[p], l.want === "" && l.moved === l.old ? undefined : l.moved, name); // what was deleted stays so
  });
  assert.deepEqual(recover(w.root, w.state, rules, new Stop()), []);
  w.assertClean();
}
