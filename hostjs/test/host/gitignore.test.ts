import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";

import { runtimeDir } from "../../src/host/applyRun.js";
import { gitignoreFiles } from "../../src/host/gitignore.js";
import { Stop } from "../../src/host/stop.js";
import { put, tempDir } from "./world.js";

function ignores(root: string, stop = new Stop()): [dir: string, text: string][] {
  return gitignoreFiles(root, runtimeDir, stop).map(({ dir, text }) => [dir, text]);
}

/** Makes what ends so impossible to open. */
function failToOpen(t: TestContext, end: string, code: string): void {
  const open = fs.openSync;
  t.mock.method(fs, "openSync", (...args: Parameters<typeof open>) => {
    if (String(args[0]).endsWith(end)) throw Object.assign(new Error(code), { code });
    return open(...args);
  });
}

test("what is no file of a directory that travels says nothing of what does", (t) => {
  const root = tempDir(t);
  const long = "#".repeat(1 << 20);
  for (const [name, text] of [
    [".gitignore", "top"], ["b/.gitignore", "b"], ["b/c/.gitignore", "c"], ["b-/.gitignore", ""], ["long/.gitignore", long],
    [".git/.gitignore", "x"], ["b/.git/.gitignore", "x"], [".paperclip-runtime/.gitignore", "x"], ["d/.gitignore/f", "x"], ["outside", "x"],
  ] as const) put(root, name, text);
  const odd = Buffer.concat([Buffer.from(root + "/e"), Buffer.of(0xff)]);
  fs.mkdirSync(odd);
  fs.writeFileSync(Buffer.concat([odd, Buffer.from("/.gitignore")]), "x");
  for (const name of ["f", "h"]) fs.mkdirSync(path.join(root, name));
  fs.symlinkSync("../outside", path.join(root, "f/.gitignore"));
  fs.symlinkSync("b", path.join(root, "g"));
  spawnSync("mkfifo", [path.join(root, "h/.gitignore")]);
  assert.deepEqual(ignores(root), [["", "top"], ["b", "b"], ["b/c", "c"], ["b-", ""], ["long", long]]);

  put(root, "long/.gitignore", long + "#");
  assert.throws(() => ignores(root), { code: "limit_exceeded", path: "long/.gitignore" });
  const stop = new Stop();
  stop.stop();
  assert.throws(() => ignores(root, stop), { code: "cancelled" });
  assert.throws(() => ignores(path.join(root, "none")), { code: "io_failed", path: path.join(root, "none") });
});

test("a .gitignore that can't be read is left out, but not for want of open files: what it leaves out may be a secret", (t) => {
  const root = tempDir(t);
  for (const name of ["a", "b"]) put(root, name + "/.gitignore", name);
  for (const name of ["/a", "/.gitignore"]) {
    for (const spent of ["EMFILE", "ENFILE"]) {
      failToOpen(t, name, spent);
      assert.throws(() => ignores(root), { code: "io_failed", path: name === "/a" ? "a" : "a/.gitignore" });
      t.mock.restoreAll();
    }
    failToOpen(t, name, "EACCES");
    assert.deepEqual(ignores(root), name === "/a" ? [["b", "b"]] : []);
    t.mock.restoreAll();
  }
  const damaged = () => {
    throw Object.assign(new Error("EIO"), { code: "EIO" });
  };
  for (const call of ["readSync", "readFileSync"] as const) t.mock.method(fs, call, damaged);
  assert.deepEqual(ignores(root), [], "one that is damaged is one that can't be read");
});

test("a .gitignore is taken whole, whatever length its file system tells", (t) => {
  const root = tempDir(t);
  put(root, ".gitignore", "secret\n");
  const real = fs.fstatSync as (...args: unknown[]) => fs.Stats;
  t.mock.method(fs, "fstatSync", (...args: unknown[]) => Object.assign(real(...args), typeof real(...args).size === "number" && { size: 0 }));
  assert.deepEqual(ignores(root), [["", "secret\n"]]);
});
