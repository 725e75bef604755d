// The promises about robustness, DESIGN section 6. R2 is about the scripts, which both
// hosts send; R5 is tested with the lock.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";

import { scan } from "../../src/host/scan.js";
import { Stop } from "../../src/host/stop.js";
import { DirectoryClient, StreamingDirectoryClient } from "./directory.js";
import { listing, Pair, problemsOf, read, remove, runtimeDir } from "./pair.js";
import { put, sha256, tempDir } from "./world.js";

/** Names that break careless scripts. */
const oddNames = [
  "new\nline", "-rf", "--", "*", "?", "[a]", "it's", '"quoted"', "back\\slash", " lead and trail ", "$(x)", "`y`", "~", "#", "!", ";", "&",
  "tab\there", "\\n", "n".repeat(255), "ünï", "😀", "\uffee", "a=b", "%s", "end.",
];
const special = ["bad\xff", "fifo", "socket"];

/** Makes a tree of everything that a real one may hold. */
function plantOdd(t: TestContext, root: string): void {
  for (const name of oddNames) {
    put(root, name, "content of " + name);
    put(root, `d ${name.slice(0, 200)}/in`, "x");
  }
  fs.mkdirSync(path.join(root, "empty"));
  put(root, "deep/".repeat(300) + "file", "deep");
  fs.symlinkSync("nowhere", path.join(root, "dangling"));
  execFileSync("mkfifo", [path.join(root, "fifo")]);
  const server = net.createServer().listen(path.join(root, "socket"));
  t.after(() => server.close());
  fs.writeFileSync(Buffer.concat([Buffer.from(root + "/bad"), Buffer.from([0xff])]), "x");
}

function ordinary(root: string): Record<string, string> {
  const all = listing(root);
  for (const name of special) delete all[name];
  return all;
}

const problems = ["bad\\xff invalid_name", "fifo special_file", "socket special_file"];

test("R1: odd trees go out and come home", async (t) => {
  const p = new Pair(t);
  plantOdd(t, p.local);
  let r = await p.push();
  assert.equal(r.status, "ok", JSON.stringify(r.problems));
  assert.deepEqual(problemsOf(r), problems);
  assert.deepEqual(listing(p.sandbox), ordinary(p.local));
  assert.equal((await p.pull()).lines, undefined);
  for (const name of oddNames) p.there(name, "edited " + name);
  r = await p.pull();
  assert.equal(r.lines?.length, oddNames.length);
  for (const name of oddNames) {
    assert.equal(read(p.local, name), "edited " + name);
    remove(p.sandbox, name);
  }
  p.plan.allow = ["mass_delete"];
  assert.equal((await p.pull()).deletes, oddNames.length);
});

test("R1: odd trees of the sandbox come home", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  plantOdd(t, p.sandbox);
  const r = await p.pull();
  assert.equal(r.status, "ok", JSON.stringify(r.problems));
  assert.deepEqual(problemsOf(r), problems);
  assert.deepEqual(listing(p.local), ordinary(p.sandbox));
  assert.equal((await p.pull()).lines, undefined);
});

test("R1: a link whose text is not UTF-8 comes home as no other", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  fs.symlinkSync(Buffer.from("not \xff", "latin1"), path.join(p.sandbox, "odd"));
  const r = await p.pull();
  assert.deepEqual(problemsOf(r), ["odd special_file"]);
  assert.deepEqual(Object.keys(listing(p.local)), ["a"]);
});

test("R1: an empty workspace travels", async (t) => {
  const p = new Pair(t);
  assert.equal((await p.push()).lines, undefined);
  p.there("a", "1");
  assert.equal((await p.pull()).lines?.length, 1);
  assert.equal(read(p.local, "a"), "1");
});

test("R1: files that vanish during the scan are no problems", async (t) => {
  const root = tempDir(t);
  put(root, "stay", "1");
  const go = path.join(tempDir(t), "go");
  fs.writeFileSync(go, "");
  const busy = `while [ -e "$1" ]; do mkdir -p busy/$0; echo x > busy/$0/f; rm -rf busy/$0; done`;
  const children = ["a", "b"].map((name) => spawn("sh", ["-c", busy, name, go], { cwd: root, stdio: "ignore" }));
  const gone = Promise.all(children.map((child) => once(child, "exit")));
  try {
    const rules = { scanDir: (_: string, names: string[]) => new Uint8Array(names.length), repoState: () => "", display: String, maxPath: 4095, maxTarget: 4095 };
    let seen = 0;
    const end = Date.now() + 60_000;
    for (let n = 0; n < 300 || (seen === 0 && Date.now() < end); n++) {
      const found = scan(root, { rules, stop: new Stop() });
      assert.ok(found.entries.some((e) => e.path === "stay"));
      for (const { code, path: name } of found.problems) assert.equal(code, "changing", `${name}: what vanished is absent`);
      if (found.entries.length > 2) seen++;
    }
    assert.ok(seen > 0, "the others were at work");
  } finally {
    fs.rmSync(go);
    await gone;
  }
});

for (const follow of [false, true]) {
  test(`R1: an asset of any shape is packed, its links ${follow ? "followed" : "as links"}`, async (t) => {
    const p = new Pair(t);
    const folder = path.join(p.top, "tools");
    const files = { plain: "p", "sub/deep": "d", "sub/logs": "l", "skip.log": "no", "logs/x": "no", "\ufffd": "u", "../other/o": "o" };
    for (const [name, content] of Object.entries(files)) put(folder, name, content);
    fs.writeFileSync(Buffer.from(`${folder}/bad\xffname`, "latin1"), "no");
    fs.chmodSync(path.join(folder, "plain"), 0o755);
    fs.mkdirSync(path.join(folder, "empty"));
    execFileSync("mkfifo", [path.join(folder, "fifo")]);
    const links = { l: "plain", dangling: "nowhere", round: ".", "sub/up": "..", twin: "sub", out: "../other" };
    for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, path.join(folder, name));
    p.options.assets = [{ key: "other", dir: path.join(p.top, "other") }, { key: "tools", dir: folder, followSymlinks: follow, exclude: ["*.log", "logs/"] }];
    const r = await p.push();
    const always = { plain: "755 p", sub: "dir", "sub/deep": "644 d", "sub/logs": "644 l", empty: "dir", [Buffer.from("\ufffd").toString("latin1")]: "644 u" };
    const asLinks = Object.fromEntries(Object.entries(links).map(([name, target]) => [name, `link ${target}`]));
    // What leads round in a circle is an empty directory.
    const followed = { l: "755 p", twin: "dir", "twin/deep": "644 d", "twin/logs": "644 l", "twin/up": "dir", out: "dir", "out/o": "644 o", round: "dir", "sub/up": "dir" };
    assert.deepEqual(listing(path.join(p.sandbox, runtimeDir, "planner/tools")), { ...always, ...(follow ? followed : asLinks) });
    const unsafe = ["dangling", "round", "sub/up", "twin/up"].map((name) => `asset tools/${name} unsafe_link`);
    const odd = ["asset tools/bad\\xffname invalid_name", "asset tools/fifo special_file"];
    assert.deepEqual(problemsOf(r).sort(), (follow ? [...odd, ...unsafe] : odd).sort());
    assert.equal(r.uploadedFiles, follow ? 9 : 5);
  });
}

/** A client of a sandbox that once tells of a change which there was not. */
class Forger extends DirectoryClient {
  done = false;

  constructor(private readonly lines: string) {
    super();
  }

  override async readFile(name: string): Promise<Buffer> {
    const got = Buffer.from((await super.readFile(name)) as Buffer).toString("latin1");
    const nothing = "\n.\n.\n.\n";
    if (this.done || !got.includes(nothing)) return Buffer.from(got, "latin1");
    this.done = true;
    const told = got.replace(nothing, `\n${this.lines}\n.\n.\n`);
    return Buffer.from(told.slice(0, -65) + "0".repeat(64) + "\n", "latin1");
  }
}

test("R1: what a sandbox once told of itself keeps no later push from ending", async (t) => {
  const p = new Pair(t);
  const forger = new Forger(`\t1.0 1.0 9 1 f644 ./ghost\n.\n${sha256("1")}  ./ghost`);
  p.client = forger;
  p.here("a", "1");
  await p.push();
  await p.pull();
  assert.ok(forger.done);
  assert.equal(read(p.local, "ghost"), "1");
  p.here("ghost", "mine");
  await p.push();
  assert.equal(read(p.sandbox, "ghost"), "mine");
});

test("R1: a sandbox that contradicts what it told is asked for all", async (t) => {
  const p = new Pair(t);
  const forger = new Forger("1.0 1.0 9 1 f644 ./ghost\n."); // that it is gone
  p.client = forger;
  p.here("a", "1");
  await p.push();
  const r = await p.pull();
  assert.ok(forger.done);
  assert.deepEqual([r.status, r.lines, read(p.local, "a")], ["ok", undefined, "1"]);
});

for (const streams of [false, true]) {
  for (const [what, prefix] of [["script", "script-"], ["listing", "seen-"]] as const) {
    test(`R1: a sandbox in which somebody removed the ${what} of the last run is asked for all, once, ${streams ? "with" : "without"} streams`, async (t) => {
      const p = new Pair(t);
      if (streams) p.stream();
      p.here("a", "1");
      await p.push();
      const folder = path.join(p.sandbox, runtimeDir, "planner");
      const left = (start: string) => fs.readdirSync(folder).filter((name) => name.startsWith(start));
      const forget = () => left(prefix).forEach((name) => fs.rmSync(path.join(folder, name)));
      forget();
      p.there("a", "2");
      const calls = p.calls();
      const signal = AbortSignal.timeout(120_000);
      assert.equal((await p.run("pull", { signal })).error, undefined);
      assert.equal(read(p.local, "a"), "2");
      assert.ok(calls.filter((name) => /^run/.test(name)).length <= 2, calls.join(" "));
      forget();
      p.here("b", "3");
      assert.equal((await p.run("push", { signal })).error, undefined);
      assert.equal(read(p.sandbox, "b"), "3");
      assert.deepEqual(left("why-"), [], "what told the reason is gone");
    });
  }
}

test("R1: what a client can't remove in the sandbox is not worth failing for", async (t) => {
  const p = new Pair(t);
  p.client = Object.assign(new DirectoryClient(), { remove: () => Promise.reject(new Error("not allowed")) });
  p.here("a", "1");
  await p.push();
  p.there("a", "2");
  await p.pull();
  assert.equal(read(p.local, "a"), "2");
});

test("R3: more rules than one argument can hold go as a file into a sandbox that has nothing yet", async (t) => {
  const p = new Pair(t);
  p.plan.exclude = Array.from({ length: 6000 }, (_, i) => `a/long/path/that/stays/where/it/is/${i}`);
  p.there("b", "2");
  p.there("a/long/path/that/stays/where/it/is/5999", "theirs");
  const calls = p.calls();
  await p.pull();
  assert.deepEqual(calls, ["makeDir", "writeFile", "run", "readFile", "remove"]);
  assert.equal(read(p.local, "b"), "2");
  assert.ok(!fs.existsSync(path.join(p.local, "a/long/path/that/stays/where/it/is/5999")));
});

test("R3: a client gets one call at a time, and none goes on after a sync", async (t) => {
  const p = new Pair(t);
  const going: string[] = [];
  const wrong: string[] = [];
  const { client } = p;
  p.client = new Proxy(client, {
    get: (target, name: keyof typeof client) => async (...args: unknown[]) => {
      if (going.length > 0) wrong.push(`${name} beside ${going.join()}`);
      going.push(name);
      await pause(20);
      try {
        return await (target[name] as (...args: unknown[]) => Promise<unknown>)(...args);
      } finally {
        going.pop();
      }
    },
  });
  p.options.part = 4096;
  p.here("a", randomBytes(20_000));
  await p.push();
  const folder = path.join(p.sandbox, runtimeDir, "planner");
  for (const op of ["pull", "push", "push", "pull"] as const) {
    fs.readdirSync(folder).filter((name) => name.startsWith("script-")).forEach((name) => fs.rmSync(path.join(folder, name)));
    p.here("b", op);
    p.there("c", randomBytes(20_000));
    await p[op]();
    assert.deepEqual(going, [], op);
  }
  assert.deepEqual(wrong, []);
});

test("R3 and R4: bodies travel in parts", async (t) => {
  const p = new Pair(t);
  p.options.part = 8192;
  const lengths: number[] = [];
  const plain = p.client;
  p.client = new Proxy(plain, {
    get: (target, name: keyof typeof plain) =>
      name === "writeFile" ? (at: string, bytes: ArrayBuffer) => (lengths.push(bytes.byteLength), target.writeFile(at, bytes)) : target[name].bind(target),
  });
  p.here("large", Buffer.alloc(100_000, "l"));
  await p.push();
  assert.ok(lengths.length > 10 && Math.max(...lengths) === 8192, String(lengths));
  assert.equal(read(p.sandbox, "large"), "l".repeat(100_000));
  p.there("back", Buffer.alloc(50_000, "b"));
  const r = await p.pull();
  assert.ok(r.clientCalls > 8, "the download has parts as well");
  assert.equal(read(p.local, "back"), "b".repeat(50_000));
  assert.ok(!fs.readdirSync(path.join(p.sandbox, runtimeDir, "planner")).some((name) => /^(up|down)-/.test(name)));
});

test("R6: a client that hangs is stopped by the signal, and the next run completes", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  await p.push();
  p.here("b", "2");
  p.there("c", "3");
  const plain = p.client;
  for (const [call, op] of [["run", "push"], ["writeFile", "push"], ["run", "pull"], ["readFile", "pull"]] as const) {
    const before = [listing(p.local), listing(p.sandbox)];
    const abort = new AbortController();
    p.client = new Proxy(plain, {
      get: (target, name: keyof typeof plain) => {
        if (name !== call) return target[name].bind(target);
        return () => new Promise(() => abort.abort(new Error("enough")));
      },
    });
    const { error } = await p.run(op, { signal: abort.signal });
    assert.equal(error?.code, "cancelled", call);
    assert.equal((error?.cause as Error).message, "enough");
    assert.deepEqual([listing(p.local), listing(p.sandbox)], before);
  }
  p.client = plain;
  await p.push();
  await p.pull();
  assert.deepEqual(listing(p.local), { a: "644 1", b: "644 2", c: "644 3" });
  assert.deepEqual(listing(p.sandbox), listing(p.local));
});

test("a signal that was given before stops before anything is done", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  const { error } = await p.run("push", { signal: AbortSignal.abort() });
  assert.equal(error?.code, "cancelled");
  assert.deepEqual(fs.readdirSync(p.sandbox), []);
});

const wrongAnswers: Record<string, unknown> = { text: "text", nothing: undefined, null: null, list: [1, 2], object: {} };
for (const [name, answer] of Object.entries(wrongAnswers)) {
  test(`a client whose readFile returns ${name} writes nothing`, async (t) => {
    const p = new Pair(t);
    p.here("a", "1");
    await p.push();
    p.there("a", "2");
    const plain = p.client;
    p.client = new Proxy(plain, { get: (target, key: keyof typeof plain) => (key === "readFile" ? async () => answer : target[key].bind(target)) });
    const { error } = await p.run("pull");
    assert.equal(error?.code, "client_failed", error?.message);
    assert.equal(read(p.local, "a"), "1");
  });
}

const goodAnswers: Record<string, (data: Buffer) => unknown> = {
  Buffer: (data) => data,
  "a view into a larger buffer": (data) => Buffer.concat([Buffer.alloc(7), data, Buffer.alloc(9)]).subarray(7, 7 + data.length),
  Uint8Array: (data) => Uint8Array.from(data),
  ArrayBuffer: (data) => Uint8Array.from(data).buffer,
};
for (const [name, form] of Object.entries(goodAnswers)) {
  test(`a client whose readFile returns ${name} is understood`, async (t) => {
    const p = new Pair(t);
    p.here("a", "1");
    await p.push();
    p.there("a", "2");
    const plain = p.client;
    p.client = new Proxy(plain, {
      get: (target, key: keyof typeof plain) => (key === "readFile" ? async (at: string) => form(fs.readFileSync(at)) : target[key].bind(target)),
    });
    await p.pull();
    assert.equal(read(p.local, "a"), "2");
  });
}

for (const follow of [false, true]) {
  test(`R1: an asset of any shape travels, its links ${follow ? "followed" : "as links"}`, async (t) => {
    const p = new Pair(t);
    const folder = path.join(p.top, "tools");
    const files = { "tools/plain": "p", "tools/sub/deep": "d", "tools/sub/logs": "l", "tools/skip.log": "no", "tools/logs/x": "no", "tools/\ufffd": "u", "other/o": "o" };
    for (const [name, content] of Object.entries(files)) put(p.top, name, content);
    fs.writeFileSync(Buffer.concat([Buffer.from(folder + "/bad"), Buffer.from([0xff])]), "x");
    fs.chmodSync(path.join(folder, "plain"), 0o755);
    fs.mkdirSync(path.join(folder, "empty"));
    execFileSync("mkfifo", [path.join(folder, "fifo")]);
    const links = { l: "plain", dangling: "nowhere", round: ".", "sub/up": "..", twin: "sub", out: "../other" };
    for (const [name, target] of Object.entries(links)) fs.symlinkSync(target, path.join(folder, name));
    p.options.assets = [
      { key: "other", dir: path.join(p.top, "other"), followSymlinks: false },
      { key: "tools", dir: folder, followSymlinks: follow, exclude: ["*.log", "logs/"] },
    ];
    const r = await p.push();
    const plain = { plain: "755 p", sub: "dir", "sub/deep": "644 d", "sub/logs": "644 l", empty: "dir", [Buffer.from("\ufffd").toString("latin1")]: "644 u" };
    const rest = follow // a link that leads round in a circle is an empty directory
      ? { l: "755 p", twin: "dir", "twin/deep": "644 d", "twin/logs": "644 l", "twin/up": "dir", out: "dir", "out/o": "644 o", round: "dir", "sub/up": "dir" }
      : { l: "link plain", dangling: "link nowhere", round: "link .", "sub/up": "link ..", twin: "link sub", out: "link ../other" };
    assert.deepEqual(listing(path.join(p.sandbox, runtimeDir, "planner", "tools")), { ...plain, ...rest });
    const bad = follow ? ["dangling unsafe_link", "fifo special_file", "round unsafe_link", "sub/up unsafe_link", "twin/up unsafe_link"] : ["fifo special_file"];
    assert.deepEqual(problemsOf(r), ["bad\\xff invalid_name", ...bad].map((name) => "asset tools/" + name));
    assert.equal(r.uploadedFiles, follow ? 9 : 5);
  });
}

test("R1: a hard link to a file of a repository, whose contents never come home by themselves, comes home", async (t) => {
  const p = new Pair(t);
  Object.assign(p.options, { dialect: "classic" });
  put(p.local, "a", "1");
  put(p.local, ".git/HEAD", "ref: refs/heads/main\n");
  await p.push();
  const names = { "zz object": ".git/objects/aa/bb", "zz branch": ".git/refs/heads/new" };
  for (const [name, first] of Object.entries(names)) {
    p.there(first, name);
    fs.linkSync(path.join(p.sandbox, first), path.join(p.sandbox, name));
  }
  assert.equal((await p.pull()).status, "ok");
  for (const name of Object.keys(names)) assert.equal(read(p.local, name), name);
  assert.equal(fs.existsSync(path.join(p.local, ".git/objects")), false);
});

test("R1: what the sandbox refuses stops no other", async (t) => {
  for (const stream of [false, true]) {
    const p = new Pair(t);
    const bin = path.join(p.top, "bin");
    for (const tool of ["mv", "rm"]) {
      const refusing = `#!/bin/sh
no=0 PATH=\${PATH#*:}
for a do shift; case $a in ./ro/*|*/sandbox/ro/) no=1 ;; *) set -- "$@" "$a" ;; esac; done
[ $no = 0 ] || [ ${tool} = rm ] || exit 1
${tool} "$@" && exit $no
`;
      put(bin, tool, refusing);
      fs.chmodSync(path.join(bin, tool), 0o755);
    }
    const box = new StreamingDirectoryClient();
    const inBox = (command: string) => `PATH='${bin}':$PATH; export PATH; ${command}`;
    p.client = Object.assign(Object.create(box), { run: (command: string, options: { timeoutMs: number }) => box.run(inBox(command), options) });
    if (stream) p.stream((command, streams) => box.runStream(inBox(command), streams));
    for (const name of ["deleted", "replaced", "both"]) for (const dir of ["ro", "rw"]) p.here(`${dir}/${name}`, "old");
    await p.push();
    for (const dir of ["ro", "rw"]) {
      for (const name of ["new", "replaced", "both"]) p.here(`${dir}/${name}`, "new");
      remove(p.local, `${dir}/deleted`);
      p.there(`${dir}/both`, "of the agent");
    }
    for (let i = 0; i < 2; i++) {
      const r = await p.push();
      assert.equal(r.status, "partial");
      assert.deepEqual(problemsOf(r), ["both", "deleted", "new", "replaced"].map((name) => `ro/${name} write_failed`));
    }
    assert.deepEqual(listing(p.sandbox), {
      ro: "dir", "ro/both": "644 of the agent", "ro/deleted": "644 old", "ro/replaced": "644 old",
      rw: "dir", "rw/both": "644 new", "rw/new": "644 new", "rw/replaced": "644 new",
    });
    await p.pull();
    for (const name of ["both", "new", "replaced"]) assert.equal(read(p.local, "ro/" + name), "new");
    remove(bin, "mv");
    remove(bin, "rm");
    assert.equal((await p.push()).status, "ok");
    assert.deepEqual(listing(p.sandbox), listing(p.local));
  }
});
