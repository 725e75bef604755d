import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { Dir } from "../../src/host/tree.js";
import { put, tempDir } from "./world.js";

for (const handles of [true, false]) {
  const how = handles ? "by handles" : "by checked paths";

  test(`S1: an open directory is never left through a link, ${how}`, (t) => {
    const top = tempDir(t);
    const [root, outside] = [path.join(top, "root"), path.join(top, "outside")];
    put(root, "d/e/f", "inside");
    put(outside, "e/f", "outside");
    const dir = Dir.open(root, handles);
    fs.symlinkSync("d", path.join(root, "l"));
    assert.throws(() => dir.openDir("l"), { code: "ENOTDIR" });
    assert.throws(() => dir.walk("l/e"), { code: "ENOTDIR" });
    assert.throws(() => dir.openFile("l"), { code: "ENOTFILE" });
    fs.symlinkSync(path.join(outside, "e/f"), path.join(root, "to-file"));
    assert.throws(() => dir.openFile("to-file"), { code: "ENOTFILE" });
    execFileSync("mkfifo", [path.join(root, "fifo")]);
    assert.throws(() => dir.openFile("fifo"), { code: "ENOTFILE" }, "and nobody waits for a writer");
    assert.throws(() => dir.chmod("l", 0o700));
    const below = dir.walk("d/e");
    // Somebody puts a link in the place of a directory that is open.
    fs.renameSync(path.join(root, "d"), path.join(root, "moved"));
    fs.symlinkSync(outside, path.join(root, "d"));
    for (const attempt of [() => below.chmod("f", 0o600), () => below.remove("f"), () => below.mkdir("new", 0o700), () => fs.closeSync(below.create("c", 0o600))]) {
      try {
        attempt();
      } catch (error) {
        assert.equal(handles, false, "a handle leads to the directory wherever it is");
        assert.equal((error as { code?: string }).code, "ENOTDIR");
      }
    }
    assert.deepEqual(fs.readdirSync(path.join(outside, "e")), ["f"]);
    assert.equal(fs.readFileSync(path.join(outside, "e/f"), "utf8"), "outside");
    assert.equal(fs.statSync(path.join(outside, "e/f")).mode & 0o777, 0o644);
    for (const open of [below, dir]) open.close();
  });

  test(`a name that exists is never replaced, ${how}`, (t) => {
    const root = tempDir(t);
    put(root, "a/file", "1");
    put(root, "a/dir/in", "1");
    fs.symlinkSync("file", path.join(root, "a/link"));
    for (const name of ["file", "dir", "link"]) put(root, "b/" + name, "mine");
    const top = Dir.open(root, handles);
    const [a, b] = [top.openDir("a"), top.openDir("b")];
    for (const name of ["file", "dir", "link"]) assert.throws(() => a.renameNoReplace(name, b, name), { code: "EEXIST" }, name);
    for (const name of ["file", "dir", "link"]) assert.equal(fs.readFileSync(path.join(root, "b", name), "utf8"), "mine");
    for (const name of ["file", "dir", "link"]) a.renameNoReplace(name, b, name + "2");
    assert.deepEqual(a.names(), []);
    assert.equal(fs.readlinkSync(path.join(root, "b/link2")), "file");
    assert.equal(fs.readFileSync(path.join(root, "b/dir2/in"), "utf8"), "1");
    for (const dir of [a, b, top]) dir.close();
  });
}

test("a tree with any names is removed, and nothing that its links name", (t) => {
  const top = tempDir(t);
  put(top, "other/f", "stays");
  put(top, "root/gone/a/b", "1");
  fs.symlinkSync(path.join(top, "other"), path.join(top, "root/gone/link"));
  fs.writeFileSync(Buffer.concat([Buffer.from(top + "/root/gone/bad"), Buffer.from([0xff])]), "x");
  fs.chmodSync(path.join(top, "root/gone/a"), 0o500);
  const root = Dir.open(path.join(top, "root"));
  const gone = root.openDir("gone");
  assert.deepEqual(gone.names().filter((n) => typeof n !== "string"), [Buffer.from("bad\xff", "latin1")]);
  gone.close();
  root.removeAll("gone");
  root.removeAll("never there");
  assert.deepEqual(root.names(), []);
  root.close();
  assert.equal(fs.readFileSync(path.join(top, "other/f"), "utf8"), "stays");
});

test("a FIFO is no file, and nobody waits for its other end", async (t) => {
  const root = tempDir(t);
  const { execFileSync } = await import("node:child_process");
  execFileSync("mkfifo", [path.join(root, "p")]);
  const dir = Dir.open(root);
  assert.throws(() => dir.openFile("p"), { code: "ENOTFILE" });
  assert.equal(dir.lstat("p").kind, null);
  dir.close();
});
