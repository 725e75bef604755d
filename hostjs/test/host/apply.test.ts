import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { apply } from "../../src/host/apply.js";
import { journalPath } from "../../src/host/journal.js";
import { recover } from "../../src/host/recover.js";
import { Stop } from "../../src/host/stop.js";
import { Dir } from "../../src/host/tree.js";
import {
  everything, everythingApplied, everythingIn, file, folder, link, remaining, sha256, tempDir, whole, wholeApplied, World, type Decision,
} from "./world.js";

const rules = { validPath: () => true, display: String };
const recovered = (w: World, mounted = {}) => recover(w.root, w.state, rules, new Stop(), mounted);
/** Nothing mounted, or all but the runtime folder on another file system than that. */
const layouts = [[], [".paperclip-runtime"]];

function systemError(code: string, errno: number): Error {
  return Object.assign(new Error(code), { code, errno });
}

test("apply does everything", (t) => {
  for (const mounts of layouts) {
    const w = new World(tempDir(t));
    const request = w.request(everything(w), w.mounted(...mounts));
    const { results, error } = apply(request);
    assert.equal(error, undefined);
    results!.forEach((r, i) => assert.equal(r.status, "done", `${request.decisions[i]!.path}: ${r.detail}`));
    assert.deepEqual(w.tree(), everythingApplied);
    w.assertClean();
  }
});

/** Runs the child that dies at a point; true if it did. */
function dies(w: World, at: string, mounts: string[] = []): boolean {
  const args = [fileURLToPath(new URL("./crash.js", import.meta.url)), w.top, at, w.state, ...mounts];
  const child = spawnSync(process.execPath, args, { encoding: "utf8" });
  if (child.signal === "SIGKILL") return true;
  assert.equal(child.status, 0, child.stderr);
  return false;
}

function assertOldOrNew(name: string, before: Record<string, string>, now: Record<string, string>, mayBeAbsent: boolean): void {
  for (const [p, was] of Object.entries(before)) {
    const is = now[p];
    if (is !== undefined) assert.ok([was, everythingApplied[p]].includes(is), `${name}: ${p} is ${is}`);
    else assert.ok(mayBeAbsent || everythingApplied[p] === undefined, `${name}: ${p} is gone`);
  }
  for (const [p, is] of Object.entries(now)) {
    if (!(p in before) && !p.startsWith("kept ")) assert.equal(is, everythingApplied[p], `${name}: ${p}`);
  }
}

for (const mounts of layouts) {
  test(`D11: a kill at any point leaves each path old or new, and the next run recovers${mounts.length ? ", beside a mount" : ""}`, (t) => {
    for (let at = 1; ; at++) {
      const w = new World(path.join(tempDir(t), "w"));
      const decisions = everything(w);
      const before = w.tree();
      const name = `point ${at}`;
      if (!dies(w, String(at), mounts)) {
        assert.ok(at > 30, "the points were reached");
        return;
      }
      assertOldOrNew(name, before, w.tree(), true);
      const problems = recovered(w, w.mounted(...mounts));
      assertOldOrNew(name, before, w.tree(), false);
      if (w.tree()["displace"] !== "mine") assert.ok(w.tree()["kept mine"], name);
      assert.deepEqual(recovered(w), [], `${name}: after ${JSON.stringify(problems)}`);
      w.assertClean(name);
      const { error } = apply(w.request(remaining(w, decisions), w.mounted(...mounts)));
      assert.equal(error, undefined);
      assert.deepEqual(w.tree(), everythingApplied, name);
    }
  });
}

// Of a part the next plan would take what is missing for deleted here.
test("D11: a kill at any point leaves a file, or the whole directory that displaces it", (t) => {
  for (let at = 1; ; at++) {
    const w = new World(path.join(tempDir(t), "w"));
    whole(w);
    if (!dies(w, `whole ${at}`)) {
      assert.deepEqual(w.tree(), wholeApplied);
      assert.ok(at > 10, "the points were reached");
      return;
    }
    recovered(w);
    assert.deepEqual(w.tree(), w.tree()["d"] === "dir" ? wholeApplied : { d: "mine" }, `point ${at}`);
    w.assertClean(`point ${at}`);
  }
});

test("D11: what comes in place is on disk before the first change, and the folders are before the run is over", (t) => {
  const w = new World(tempDir(t));
  const decisions = everything(w);
  const log: string[] = [];
  const flush = fs.fsyncSync;
  t.mock.method(fs, "fsyncSync", (fd: number) => {
    log.push("flush " + path.relative(w.top, fs.readlinkSync(`/proc/self/fd/${fd}`)).replace(/\.new-.*/, "journal"));
    flush(fd);
  });
  apply(w.request(decisions, { run: "run00001", fault: (point) => log.push(point) }));
  const at = (entry: string) => log.indexOf(entry);
  const first = log.findIndex((entry) => entry.startsWith("rename"));
  decisions.forEach((d, i) => {
    if (d.want?.kind !== "file" || d.action === "chmod") return;
    const staged = at(`flush root/.paperclip-runtime/staging/run00001/n${i}`);
    assert.ok(staged >= 0 && staged < log.lastIndexOf("flush state/journal"), d.path);
  });
  assert.ok(log.lastIndexOf("flush state/journal") < first, "the journal is there before the first change");
  for (const folder of ["root", "root/made", "root/to-dir"]) assert.ok(at(`flush ${folder}`) > at("settled"), folder);
});

for (const able of [true, false]) {
  test(`D11: many files are on disk before the first change, ${able ? "flushed with their file system" : "each where that can't be flushed"}`, (t) => {
    const w = new World(tempDir(t));
    const log: string[] = [];
    const flush = fs.fsyncSync;
    t.mock.method(fs, "fsyncSync", (fd: number) => {
      log.push(path.basename(fs.readlinkSync(`/proc/self/fd/${fd}`)));
      flush(fd);
    });
    t.mock.method(Dir.prototype, "syncFileSystem", () => (log.push("all"), able));
    const decisions = Array.from({ length: 70 }, (_, i) => ({ path: `f${i}`, action: "write" as const, want: w.body(`${i}`) }));
    apply(w.request(decisions, { fault: (point) => log.push(point) }));
    const before = log.slice(0, log.indexOf("staged"));
    assert.ok(before.includes("all"));
    assert.equal(before.filter((name) => /^n\d+$/.test(name)).length, able ? 0 : 70);
  });
}

test("D11: a damaged journal loses nothing", (t) => {
  const rules = { validPath: (name: string) => !name.startsWith("../"), display: String };
  const sealed = (old: string, by: string) => (data: string) => {
    const body = data.slice(data.indexOf("\n") + 1).replace(old, by);
    return `syncplan-journal 1 ${sha256(body)}\n${body}`;
  };
  const damages: Record<string, (data: string) => string> = {
    cut: (data) => data.slice(0, data.length / 2),
    changed: (data) => data.replace('"path":"replace"', '"path":"deplace"'),
    "no JSON": sealed('{"run"', "{run"),
    "a run elsewhere": sealed('"run":"', '"run":"../'),
    "a path elsewhere": sealed('"path":"replace"', '"path":"../replace"'),
    "an entry of no digest": sealed('"digest":"', '"digest":"-'),
  };
  for (const [name, damage] of Object.entries(damages)) {
    const w = new World(path.join(tempDir(t), "w"));
    everything(w);
    assert.ok(dies(w, "moved replace"));
    fs.writeFileSync(journalPath(w.state), damage(fs.readFileSync(journalPath(w.state), "utf8")));
    const again = () => recover(w.root, w.state, rules, new Stop());
    assert.equal(again().length, 1, name);
    const staged = fs.readdirSync(path.join(w.root, ".paperclip-runtime/staging/run00001"));
    assert.ok(staged.some((n) => n.startsWith("o")), `${name}: the old version still lies there`);
    assert.ok(fs.existsSync(journalPath(w.state) + ".damaged"), name);
    assert.equal(again()[0]!.code, "stale_staging", name);
  }
});

const pause = (ms: number) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test("D12: a save during apply is never lost", async (t) => {
  // An editor that saves by rename, in a process of its own.
  const editor = `
    const fs = require("node:fs");
    process.on("message", ({ path, round, saves }) => {
      for (let n = 0; n < saves; n++) {
        fs.writeFileSync(path + ".swp", "save " + round + "." + n);
        fs.renameSync(path + ".swp", path);
      }
      process.send("saved");
    });`;
  const outcomes = new Set<string>();
  const child = spawn(process.execPath, ["-e", editor], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  t.after(() => child.kill());
  const starts = ["staged", "journal", "moved f", "after 0"];
  for (let round = 0; round < 200; round++) {
    const w = new World(tempDir(t));
    w.put("f", "base");
    const saves = 1 + (round % 5);
    const answer = once(child, "message");
    const fault = (point: string) => {
      if (point !== starts[round % 4]) return;
      child.send({ path: path.join(w.root, "f"), round, saves });
      // On a busy machine the editor may come too late each time, but for those rounds that wait for it.
      const saved = () => fs.readFileSync(path.join(w.root, "f"), "utf8") !== "base";
      for (const end = Date.now() + 60_000; round % 20 === 1 && !saved() && Date.now() < end; ) pause(1);
    };
    const want = w.body(`agent ${round}`);
    const { results, error } = apply(w.request([{ path: "f", action: "write", expect: file("base"), want }], { fault }));
    await answer;
    outcomes.add(results![0]!.status);
    assert.equal(error, undefined);
    assert.ok(Object.values(w.tree()).includes(`save ${round}.${saves - 1}`), `round ${round}: ${JSON.stringify(w.tree())}`);
    fs.rmSync(w.top, { recursive: true });
  }
  assert.deepEqual([...outcomes].sort(), ["done", "edited_meanwhile"], "the saves came at many moments");
});

test("D12: an edit that slips in between the steps of a replacement is kept", (t) => {
  for (const point of ["journal", "moved f"]) {
    const w = new World(tempDir(t));
    w.put("f", "base");
    const want = w.body("agent");
    const fault = (p: string) => {
      if (p === point) w.put("f", "saved meanwhile");
    };
    const { results } = apply(w.request([{ path: "f", action: "write", expect: file("base"), want }], { fault }));
    assert.equal(results![0]!.status, "edited_meanwhile", point);
    assert.deepEqual(w.tree(), { f: "saved meanwhile", ["f.conflict-" + want.digest!.slice(0, 8)]: "agent" }, point);
  }
});

test("D12: a write through an old handle is kept", (t) => {
  for (const action of ["write", "delete"] as const) {
    for (const point of ["moved f", "after 0"]) {
      const w = new World(tempDir(t));
      w.put("f", "base");
      const fd = fs.openSync(path.join(w.root, "f"), "a");
      const fault = (p: string) => {
        if (p === point) fs.writeSync(fd, " and more");
      };
      const want = action === "write" ? { want: w.body("agent") } : {};
      const { results, error } = apply(w.request([{ path: "f", action, expect: file("base"), ...want }], { fault }));
      fs.closeSync(fd);
      assert.equal(error, undefined);
      assert.equal(results![0]!.status, "edited_meanwhile", point);
      const have = Object.values(w.tree());
      assert.ok(have.includes("base and more") && have.includes("agent") === (action === "write"), point);
    }
  }
});

for (const full of [false, true]) {
  test(`D14: a directory that can't be renamed is replaced${full ? ", or stays where that fails half way" : ""}`, (t) => {
    const w = new World(tempDir(t));
    w.put("d/f", "mine");
    w.put("d/sub/g", "mine too");
    let left = full ? 1 : 0;
    const fault = (point: string) => {
      if (point === "rename d" || point === "rename sub") throw systemError("EXDEV", -18);
      if (point === "rename g" && left-- > 0) throw systemError("ENOSPC", -28);
    };
    const { results } = apply(w.request([{ path: "d", action: "write", expect: folder, want: w.body("theirs"), displace: true }], { fault }));
    assert.equal(results![0]!.status, full ? "failed" : "done");
    if (full) assert.deepEqual(w.tree(), { "d/f": "mine", "d/sub/g": "mine too", d: "dir", "d/sub": "dir" });
    else assert.deepEqual(w.tree(), { d: "theirs", "kept mine": "mine", "kept mine too": "mine too" });
  });
}

test("a file system that is mounted in the workspace takes whatever happens there", (t) => {
  for (const [dir, mounts] of [["m", ["m"]], ["d/m", ["d/m"]], ["m/inner", ["m", "m/inner"]]] as const) {
    const w = new World(tempDir(t));
    const { decisions, applied } = everythingIn(w, dir);
    const { results, error } = apply(w.request(decisions, w.mounted(...mounts)));
    assert.equal(error, undefined);
    results!.forEach((r, i) => assert.equal(r.status, "done", `${decisions[i]!.path}: ${r.detail}`));
    assert.deepEqual(w.tree(), applied);
    w.assertClean();
  }
});

/** Fails at each point with a prefix. */
const failingAt = (prefix: string, code: string, errno: number) => (point: string) => {
  if (point.startsWith(prefix)) throw systemError(code, errno);
};

for (const [code, errno, detail] of [["EROFS", -30, "read-only file system"], ["ENOSPC", -28, "no space left on device"]] as const) {
  test(`D14: a mount that takes nothing (${code}) stops no other`, (t) => {
    const w = new World(tempDir(t));
    const { decisions } = everythingIn(w, "m");
    const before = w.tree();
    const all: Decision[] = [...decisions, { path: "x", action: "write", want: w.body("comes") }];
    const { results, error } = apply(w.request(all, { ...w.mounted("m"), fault: failingAt("volume m", code, errno) }));
    assert.equal(error, undefined);
    results!.forEach((r, i) => {
      const { path, action, want } = all[i]!;
      if (r.status === "failed") assert.ok([detail, "something that does not travel is in it"].includes(r.detail!), path);
      else assert.ok(path === "x" || action === "aside" || action === "chmod" || want?.kind === "dir", path);
    });
    const now = w.tree();
    assert.equal(now["x"], "comes");
    for (const [name, what] of Object.entries(before)) if (name !== "m/bit") assert.equal(now[name], what, name);
    w.assertClean();
  });
}

for (const [point, left] of [["stage m/full", 1], ["flush m", 70]] as const) {
  test(`D14: a full mount, found at "${point}", stops no other`, (t) => {
    const w = new World(tempDir(t));
    w.put("m/old", "old");
    const decisions: Decision[] = [{ path: "m/full", action: "write", want: w.body("large") }];
    for (let i = 10; i < 79; i++) decisions.push({ path: `m/n${i}`, action: "write", want: w.body("small") });
    decisions.push({ path: "m/old", action: "delete", expect: file("old") }, { path: "x", action: "write", want: w.body("comes") });
    const { results, error } = apply(w.request(decisions, { ...w.mounted("m"), fault: failingAt(point, "ENOSPC", -28) }));
    assert.equal(error, undefined);
    const now = w.tree();
    const failed = decisions.filter((_, i) => results![i]!.status === "failed");
    assert.equal(failed.length, left);
    for (const { path } of failed) assert.equal(now[path], undefined);
    assert.ok(results!.every((r) => r.status !== "failed" || r.detail === "no space left on device"));
    assert.equal(now["x"], "comes");
    assert.equal(now["m/old"], undefined);
    w.assertClean();
  });
}

for (const point of ["volume", "stage replace"]) {
  test(`D14: a full disk, found at "${point}", changes nothing also where the runtime folder lies on another`, (t) => {
    const w = new World(tempDir(t));
    const decisions = everything(w);
    const request = w.request(decisions, { ...w.mounted(".paperclip-runtime"), fault: failingAt(point, "ENOSPC", -28) });
    const before = w.tree();
    const { results, error } = apply(request);
    assert.equal((error as { code?: string }).code, "no_space");
    assert.equal(results, undefined);
    assert.deepEqual(w.tree(), before);
  });
}

test("D12: a write into what was copied out of a mount is kept", (t) => {
  for (const at of ["moved m/f", "carried o0", "after 0"]) {
    const w = new World(tempDir(t));
    w.put("m/f", "mine");
    const fd = fs.openSync(path.join(w.root, "m/f"), "a");
    const fault = (point: string) => {
      if (point === at) fs.writeSync(fd, " and more");
    };
    const decision: Decision = { path: "m/f", action: "write", displace: true, expect: file("mine"), want: w.body("theirs") };
    const { results, error } = apply(w.request([decision], { ...w.mounted("m"), fault }));
    fs.closeSync(fd);
    assert.equal(error, undefined);
    assert.equal(w.tree()["m/f"], "theirs");
    assert.equal(fs.readFileSync(path.join(w.root, results![0]!.copy!), "utf8"), "mine and more", at);
    w.assertClean();
  }
});

for (const full of [false, true]) {
  test(`D6: a directory ${full ? "that can't be copied out of a mount stays" : "is copied out of a mount"}`, (t) => {
    const w = new World(tempDir(t));
    w.put("m/d/f", "mine");
    w.put("m/d/sub/g", "mine too");
    fs.symlinkSync("f", path.join(w.root, "m/d/l"));
    const fault = (point: string) => {
      if (full && point === "carried o0") throw systemError("ENOSPC", -28);
    };
    const decision: Decision = { path: "m/d", action: "write", displace: true, expect: folder, want: w.body("theirs") };
    const { results, error } = apply(w.request([decision], { ...w.mounted("m"), fault }));
    assert.equal(error, undefined);
    assert.equal(results![0]!.status, full ? "failed" : "done");
    const stays = { m: "dir", "m/d": "dir", "m/d/f": "mine", "m/d/sub": "dir", "m/d/sub/g": "mine too", "m/d/l": "link f" };
    const goes = { m: "dir", "m/d": "theirs", "kept mine": "mine", "kept mine too": "mine too", "kept link f": "link f" };
    assert.deepEqual(w.tree(), full ? stays : goes);
    w.assertClean();
  });
}

test("what is mounted itself stays", (t) => {
  const w = new World(tempDir(t));
  w.put("f", "mine");
  const fault = (point: string) => {
    if (point === "rename f") throw systemError("EBUSY", -16);
  };
  const { results } = apply(w.request([{ path: "f", action: "write", expect: file("mine"), want: w.body("theirs") }], { fault }));
  assert.equal(results![0]!.status, "failed");
  assert.match(JSON.stringify(results![0]), /another file system is mounted there/);
  assert.deepEqual(w.tree(), { f: "mine" });
});

test("D14: a full disk changes nothing", (t) => {
  const w = new World(tempDir(t));
  const decisions = everything(w);
  const before = w.tree();
  const fault = (point: string) => {
    if (point === "stage replace") throw systemError("ENOSPC", -28);
  };
  const { results, error } = apply(w.request(decisions, { fault }));
  assert.equal((error as { code?: string }).code, "no_space");
  assert.equal(results, undefined);
  assert.deepEqual(w.tree(), before);
  assert.ok(!fs.existsSync(path.join(w.root, ".paperclip-runtime")));
  assert.equal(apply(w.request(decisions)).error, undefined);
  assert.deepEqual(w.tree(), everythingApplied);
});

test("D16: a content that is not what was planned any more is written nowhere", (t) => {
  const w = new World(tempDir(t));
  w.put("f", "old");
  const want = w.body("new");
  fs.writeFileSync(path.join(w.bodies, want.digest!), "not");
  const { results } = apply(w.request([{ path: "f", action: "write", expect: file("old"), want }, { path: "g", action: "write", want: w.body("other") }]));
  assert.deepEqual(results!.map((r) => r.status), ["failed", "done"]);
  assert.match(results![0]!.detail!, /not what was planned/);
  assert.deepEqual(w.tree(), { f: "old", g: "other" });
});

test("D3: a file that is replaced keeps its permissions, but for the executable bit", (t) => {
  const w = new World(tempDir(t));
  const cases = { secret: [0o600, 0o644, 0o600], tool: [0o640, 0o755, 0o750], plain: [0o755, 0o600, 0o644] } as const;
  const decisions = Object.entries(cases).map(([name, [old, want]]) => {
    w.put(name, "old");
    fs.chmodSync(path.join(w.root, name), old);
    return { path: name, action: "write" as const, expect: file("old", old), want: w.body(`new ${name}`, want) };
  });
  apply(w.request(decisions));
  for (const [name, [, , mode]] of Object.entries(cases)) {
    assert.equal(fs.readFileSync(path.join(w.root, name), "utf8"), `new ${name}`);
    assert.equal((fs.statSync(path.join(w.root, name)).mode & 0o777).toString(8), mode.toString(8), name);
  }
});

test("D14: one path that fails stops no other", (t) => {
  const w = new World(tempDir(t));
  const decisions = everything(w);
  const fault = (point: string) => {
    if (point === "stage replace" || point === "after 3") throw systemError("EACCES", -13);
  };
  const { results, error } = apply(w.request(decisions, { fault }));
  assert.equal(error, undefined);
  const failed = results!.filter((r) => r.status === "failed");
  assert.deepEqual(failed.map((r) => r.detail), ["permission denied", "permission denied"]);
  assert.equal(apply(w.request(remaining(w, decisions))).error, undefined);
  assert.deepEqual(w.tree(), everythingApplied);
});

test("S1: nothing passes through a link", (t) => {
  for (const inside of [false, true]) {
    const w = new World(tempDir(t));
    const other = inside ? path.join(w.root, "other") : path.join(w.top, "outside");
    fs.mkdirSync(other);
    for (const name of ["delete", "replace", "bit"]) fs.writeFileSync(path.join(other, name), "old", { mode: 0o644 });
    fs.symlinkSync(other, path.join(w.root, "d"));
    const { results, error } = apply(
      w.request([
        { path: "d/bit", action: "chmod", expect: file("old"), want: file("old", 0o755) },
        { path: "d/copy", action: "copy", want: w.body("evil") },
        { path: "d/delete", action: "delete", expect: file("old") },
        { path: "d/dir", action: "write", want: folder },
        { path: "d/link", action: "write", want: link("x") },
        { path: "d/new", action: "write", want: w.body("evil") },
        { path: "d/replace", action: "write", expect: file("old"), want: w.body("evil") },
      ]),
    );
    assert.equal(error, undefined);
    results!.forEach((r, i) => assert.equal(r.status, "failed", String(i)));
    const left = fs.readdirSync(other).map((n) => `${(fs.lstatSync(path.join(other, n)).mode & 0o777).toString(8)} ${n}`);
    assert.deepEqual(left, ["644 bit", "644 delete", "644 replace"]);
  }
});

test("S1: a chmod of a link is refused", (t) => {
  const w = new World(tempDir(t));
  w.put("target", "old");
  fs.symlinkSync("target", path.join(w.root, "l"));
  const { results } = apply(w.request([{ path: "l", action: "chmod", expect: file("old"), want: file("old", 0o755) }]));
  assert.equal(results![0]!.status, "failed");
  assert.equal(w.tree()["target"], "old");
});
