// The promises about security, DESIGN section 6. S1 is tested with apply, S7 also with the archives.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { hostError } from "../../src/host/errors.js";
import type { Session } from "../../src/host/session.js";
import { sharedPlanner } from "../../src/host/shared.js";
import { Source } from "../../src/host/source.js";
import { Collector, rest } from "../../src/host/survey.js";
import { listing, Pair, problemsOf, read, runtimeDir } from "./pair.js";
import { gitOf, put } from "./world.js";

function link(target: string, root: string, name: string): void {
  fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
  fs.symlinkSync(target, path.join(root, name));
}

test("S2: links that lead out are refused", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  link("/etc/hostname", p.local, "mine");
  link("../elsewhere", p.local, "mine2");
  await p.push();
  assert.equal(listing(p.sandbox)["mine"], "link /etc/hostname", "a local link travels as a link");
  link("/etc/passwd", p.sandbox, "abs");
  link("../../x", p.sandbox, "d/up");
  link(".", p.sandbox, "p/q/r/dot");
  link("dot/../../../..", p.sandbox, "p/q/r/trap");
  link("../a", p.sandbox, "d/good");
  const r = await p.pull();
  assert.deepEqual(problemsOf(r), ["abs unsafe_link", "d/up unsafe_link", "p/q/r/trap unsafe_link"]);
  const got = listing(p.local);
  assert.equal(got["d/good"], "link ../a");
  assert.equal(got["mine"], "link /etc/hostname");
  for (const name of ["abs", "d/up", "p/q/r/trap"]) assert.equal(got[name], undefined);
});

for (const [name, commits] of [["once", 1], ["each time", 20]] as const) {
  test(`S3: a commit during a push is sent whole or not at all (${name})`, async (t) => {
    const p = new Pair(t);
    const git = gitOf(t);
    git(p.local, "init", "-q", ".");
    p.here("a", "1");
    git(p.local, "add", "a");
    git(p.local, "commit", "-qm", "first");
    let left: number = commits;
    for (let n = 1; n <= commits; n++) p.hook("makeDir", n, () => void (left-- > 0 && git(p.local, "commit", "-q", "--allow-empty", "-m", "meanwhile")));
    let r = await p.push();
    assert.equal(read(p.sandbox, "a"), "1");
    if (commits > 1) {
      assert.ok(!fs.existsSync(path.join(p.sandbox, ".git")));
      assert.deepEqual(problemsOf(r), [".git changing"]);
      left = 0;
      r = await p.push();
    }
    assert.deepEqual(problemsOf(r), []);
    git(p.sandbox, "fsck");
    assert.equal(git(p.sandbox, "rev-parse", "HEAD"), git(p.local, "rev-parse", "HEAD"));
  });
}

test("S3: .git travels out and never home", async (t) => {
  const p = new Pair(t);
  const git = gitOf(t);
  p.here("a", "1\n");
  git(p.local, "init", "-q", ".");
  git(p.local, "add", "-A");
  git(p.local, "commit", "-qm", "first");
  await p.push();
  assert.match(git(p.sandbox, "log", "--oneline"), /first/);
  git(p.sandbox, "status"); // rewrites the index, which is no use of the repository
  p.here("a", "2\n");
  git(p.local, "commit", "-qam", "second");
  assert.deepEqual(problemsOf(await p.push()), []);
  assert.match(git(p.sandbox, "log", "--oneline"), /second/);

  p.there("a", "3\n");
  git(p.sandbox, "commit", "-qam", "third");
  p.there(".git/hooks/pre-commit", "#!/bin/sh\nevil\n");
  p.there("sub/.GIT/config", "evil");
  p.there(".envrc", "evil");
  const before = listing(path.join(p.local, ".git"));
  const r = await p.pull();
  assert.ok(problemsOf(r).includes(".git git_kept"), String(problemsOf(r)));
  assert.ok(r.flagged?.includes(".envrc"));
  assert.equal(read(p.local, "a"), "3\n");
  assert.deepEqual(listing(path.join(p.local, ".git")), before);
  assert.ok(!fs.existsSync(path.join(p.local, "sub/.GIT/config")));
});

test("S4: keys are single safe segments", async (t) => {
  for (const key of ["../x", "a/b", "workspace", ".", "-rf", "a b"]) {
    const p = new Pair(t);
    p.here("a", "1");
    p.options.adapter = key;
    assert.equal((await p.run("push")).error?.code, "invalid_request", key);
    p.options.adapter = "planner";
    p.options.assets = [{ key, dir: p.local }];
    assert.equal((await p.run("push")).error?.code, "invalid_request", key);
    assert.deepEqual(listing(p.sandbox), {});
  }
});

test("S5: system folders are no sandbox and no workspace", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  // Were the guard gone, no call may reach a real system folder from here.
  const refuse = async () => assert.fail("the client was called");
  p.client = { makeDir: refuse, writeFile: refuse, readFile: refuse, remove: refuse, run: refuse };
  const { root } = p.options;
  for (const folder of ["/", "/etc", "/home", "/lib64", "relative", "/a/../b", "/a/", ""]) {
    p.options.root = folder;
    assert.equal((await p.run("push")).error?.code, "unsafe_root", folder);
  }
  p.options.root = root;
  for (const workspace of ["/", "/etc", "/nonexistent", "", path.join(p.local, "a"), p.sandbox, path.dirname(p.local)]) {
    p.options.workspace = workspace;
    assert.equal((await p.run("push")).error?.code, "unsafe_root", workspace);
  }
});

test("any name of a folder will do for a workspace", async (t) => {
  for (const name of ["two\nlines", `it's a "$x" \`y\``]) {
    const p = new Pair(t);
    p.options.workspace = path.join(p.top, name);
    fs.renameSync(p.local, p.options.workspace);
    put(p.options.workspace, "a", "1");
    await p.push();
    p.there("a", "2");
    await p.pull();
    assert.equal(read(p.options.workspace, "a"), "2");
  }
});

test("S6: errors are short and hold no payload", async (t) => {
  const p = new Pair(t);
  const secret = "TOP-SECRET-PAYLOAD";
  p.here("a", secret.repeat(1000));
  const plain = p.client;
  for (const [call, op] of [["writeFile", "push"], ["run", "push"], ["readFile", "pull"]] as const) {
    p.hook(call, 1, () => {
      throw new Error("noise ".repeat(10_000));
    });
    const { error } = await p.run(op);
    assert.equal(error?.code, "client_failed");
    assert.ok(Buffer.byteLength(error.message) <= 4096);
    assert.ok(!error.message.includes(secret));
    p.client = plain;
  }
});

test("S7: a hard link is a file of the sandbox", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  put(p.top, "secret", "outside");
  fs.linkSync(path.join(p.top, "secret"), path.join(p.sandbox, "h1"));
  fs.linkSync(path.join(p.sandbox, "h1"), path.join(p.sandbox, "h2"));
  const r = await p.pull();
  assert.equal(r.status, "ok", JSON.stringify(r));
  assert.equal(read(p.local, "h1"), "outside");
  assert.equal(read(p.local, "h2"), "outside");
});

test("S7: a hard link to what the archive does not hold is refused", () => {
  const collector = new Collector({ core: { keepsData: () => false } } as unknown as Session, undefined);
  collector.member({ name: Buffer.from("h"), kind: "hardlink", mode: 0o644, size: 0, target: Buffer.from("etc/passwd"), fault: "" });
  const [{ kind, fault, digest } = {}] = collector.members;
  assert.deepEqual({ kind, fault, digest }, { kind: "none", fault: "a hard link to something outside the workspace", digest: undefined });
});

for (const [what, sizes, last] of [["many repository files are", [60, 60, 60], 2], ["a large repository file is", [65], 0]] as const) {
  test(`S7: ${what} not held in memory`, () => {
    const collector = new Collector({ core: { keepsData: () => true } } as unknown as Session, undefined);
    for (const [n, size] of sizes.entries()) {
      collector.member({ name: Buffer.from(`.git/refs/heads/${n}`), kind: "file", mode: 0o644, size: size << 20, target: Buffer.alloc(0), fault: "" });
    }
    assert.deepEqual(collector.members.map((m) => m.fault), sizes.map((_, n) => (n === last ? "too large to be looked at" : undefined)));
  });
}

test("S7: a listing that has no end is not held in memory", async () => {
  let pieces = 0;
  const endless = new Source(async () => (pieces++, Buffer.alloc(10)));
  await assert.rejects(rest(endless, 100), { code: "limit_exceeded" });
  assert.equal(pieces, 11);
});

test("S8: control characters are escaped", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  p.there("evil\x1b[2J\nname", "x");
  for (const root of [p.local, p.sandbox]) {
    fs.mkdirSync(path.join(root, "evil\x1b[2J"));
    fs.writeFileSync(Buffer.concat([Buffer.from(path.join(root, "evil\x1b[2J/")), Buffer.from([0xff])]), "x");
  }
  assert.deepEqual((await p.push()).problems?.map((problem) => problem.path), ["evil\\x1b[2J/\\xff"]);
  const { uploadedFiles, uploadedBytes, downloadedFiles, downloadedBytes, clientCalls, displaced, stages, ...report } = await p.pull();
  assert.equal(downloadedFiles, 1);
  const text = sharedPlanner().render(report);
  assert.ok(!text.includes("\x1b"));
  assert.ok(text.includes("evil\\x1b[2J\\x0aname"), text);
  assert.ok(text.includes("evil\\x1b[2J/\\xff: invalid name"), text);
  assert.ok(fs.lstatSync(path.join(p.local, "evil\x1b[2J\nname")).isFile());
  const error = hostError("client_failed", "the call failed", { path: "a\\b", cause: new Error("no a\\\\b\x1b[2J") });
  assert.equal(error.message, "the call failed (a\\\\b): no a\\\\b\\x1b[2J");
});

for (const where of ["tools", "local/tools", "local"]) {
  const inside = where !== "tools";
  test(`S9: links of an asset at ${where} ${inside ? "lead nowhere else" : "are followed"}`, async (t) => {
    const p = new Pair(t);
    put(p.top, "secret", "secret");
    const folder = path.join(p.top, where);
    put(folder, "plain", "plain");
    link(path.join(p.top, "secret"), folder, "leak");
    link("plain", folder, "inner");
    p.options.assets = [{ key: "tools", dir: folder, followSymlinks: true }];
    const r = await p.push();
    const asset = listing(path.join(p.sandbox, runtimeDir, "planner", "tools"));
    assert.equal(asset["inner"], "644 plain");
    assert.deepEqual(problemsOf(r), inside ? ["asset tools/leak unsafe_link"] : []);
    assert.equal(asset["leak"], inside ? undefined : "644 secret");
  });
}

test("S9: in an asset around the workspace, links of the workspace lead nowhere else", async (t) => {
  const p = new Pair(t);
  put(p.top, "secret", "secret");
  p.here("plain", "plain");
  link(path.join(p.top, "secret"), p.local, "planted");
  link("plain", p.local, "inner");
  link("secret", p.top, "own");
  p.options.assets = [{ key: "tools", dir: p.top, followSymlinks: true, exclude: ["sandbox", "state"] }];
  const r = await p.push();
  assert.deepEqual(problemsOf(r), ["asset tools/local/planted unsafe_link"]);
  const asset = listing(path.join(p.sandbox, runtimeDir, "planner", "tools"));
  assert.deepEqual([asset["local/planted"], asset["local/inner"], asset["own"]], [undefined, "644 plain", "644 secret"]);
});

test("S5: a wrong asset is known before the workspace travels", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  for (const dir of ["/", "/etc", "/nonexistent", "", path.join(p.local, "a")]) {
    p.options.assets = [{ key: "tools", dir }];
    const { code, field, hint, message } = (await p.run("push")).error!;
    assert.deepEqual([code, field], ["unsafe_root", "asset tools"], dir);
    assert.match(message, /asset's folder/);
    assert.ok(hint);
  }
  assert.deepEqual(listing(p.sandbox), {});
});

test("what a .gitignore leaves out stays here, whatever its bytes and its length", async (t) => {
  const p = new Pair(t);
  p.options.gitignore = true;
  p.here("sub/.gitignore", Buffer.from("caf\xe9*\nsecret\n", "latin1"));
  p.here("sub/secret", "1");
  p.here("sub/plain", "1");
  await p.push();
  assert.deepEqual([read(p.sandbox, "sub/plain"), listing(p.sandbox)["sub/secret"]], ["1", undefined]);

  p.here("sub/.gitignore", "# a comment\n".repeat(1 << 17) + "secret\n");
  p.here("sub/plain", "2");
  const { code, path: where } = (await p.run("push")).error!;
  assert.deepEqual([code, where], ["limit_exceeded", "sub/.gitignore"]);
  assert.equal(read(p.sandbox, "sub/plain"), "1");
});
