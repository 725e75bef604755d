import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { PlannerError, SnapshotBuilder, comparePaths, createPlanner, kept, Verdict, type Entry, type PlanRequest } from "../src/index.js";
import { sha256, tempDir } from "./host/world.js";
import { packageRoot } from "./support.js";

const digest = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
const marker = "0".repeat(32);
const request: PlanRequest = { run: "abcdefgh", root: "/w", adapter: "planner", marker };

function refused(code: string, field?: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PlannerError, String(error));
    assert.equal(error.code, code);
    if (field !== undefined) assert.equal(error.field, field);
    return true;
  };
}

test("a first push is planned without a look at the sandbox", () => {
  const plan = createPlanner().planPush({ ...request, local: { unread: true, entries: [{ path: "f", kind: "file", size: 3 }] } });
  assert.equal(plan.phase, "apply");
  assert.deepEqual(plan.phase === "apply" && plan.uploads, [{ name: "t/0/f" }]);
});

test("a pull keeps its parts in the module, and ends in a base", () => {
  const planner = createPlanner();
  const entries: Entry[] = [{ path: "a", kind: "file", mode: 0o644, size: 3, digest }];
  planner.keepBase(new TextEncoder().encode(JSON.stringify({ format_version: 1, marker })), "base");
  planner.keepSnapshot(planner.encodeSnapshot({}), "local");
  const parts = { ...request, base: kept("base"), local: kept("local") };
  const plan = planner.planPull({ ...parts, remote: { marker, snapshot: planner.encodeSnapshot({ entries }) } }, "plan");
  assert.equal(plan.phase, "apply");
  assert.equal(planner.summarise(kept("plan")).writes, 1);
  const report = planner.summarise(kept("plan"), [{ status: "done" }]);
  assert.equal(planner.render(report), "  new             a\npull: 1 written, 0 deleted in the workspace\n");
  planner.commit(kept("base"), kept("plan"), [{ status: "done" }], "next");
  planner.keepBase(planner.encodeBase(kept("next")), "stored");
  assert.equal(planner.sameBase(kept("stored"), kept("next")), true);
  const { sections } = planner.call({ call: "base", base: kept("stored") });
  assert.deepEqual(planner.decodeSnapshot(sections[0]!).entries, entries);
  assert.equal(planner.sameBase(kept("next"), kept("base")), false);
  assert.equal(planner.sameBase(kept("next"), kept("next")), true);
  planner.drop("next");
  assert.throws(() => planner.encodeBase(kept("next")), refused("invalid_request", "base.kept"));
});

test("a plan takes tens of thousands of contents at once", () => {
  const planner = createPlanner();
  const contents = ["-\n1\n-\n", "here\n1\n-\n", "-\n1\nthere\n", ...Array(70_000).keys()].map((text) => {
    const data = Buffer.from(String(text));
    return { digest: sha256(data), data };
  });
  const [base, local, remote] = contents.map(({ digest, data }): Entry[] => [{ path: "f", kind: "file", mode: 0o644, size: data.length, digest }]);
  const three = { base: { format_version: 1, marker, entries: base! }, local: { entries: local! }, remote: { marker, snapshot: { entries: remote! } } };
  const plan = planner.planPull({ ...request, ...three, contents });
  const merged = plan.phase === "apply" && plan.decisions?.map((d) => Buffer.from(d.merged ?? "", "base64").toString());
  assert.deepEqual(merged, ["here\n1\nthere\n"]);
});

test("the decisions can be had without a plan", () => {
  const planner = createPlanner();
  const file = (letter: string): Entry => ({ path: "f", kind: "file", size: 1, digest: letter.repeat(64) });
  const base = { format_version: 1, marker, entries: [file("a")] };
  const three = { ...request, base, local: { entries: [file("a")] }, remote: { marker, snapshot: { entries: [file("b")] } } };
  const { decisions } = planner.decide({ ...three, op: "pull" });
  assert.deepEqual(decisions?.map((d) => [d.path, d.row, d.want?.digest]), [["f", "target_unchanged", "b".repeat(64)]]);
  assert.equal(planner.decide({ ...three, op: "push" }).decisions, undefined);
});

test("an error carries code, path, field and hint", () => {
  const planner = createPlanner();
  assert.throws(
    () => planner.checkRoot("/usr"),
    (error) => refused("unsafe_root", "root")(error) && (error as PlannerError).path === "/usr" && /a folder of its own/.test((error as PlannerError).hint!),
  );
  assert.throws(() => planner.planPull({ ...request, adapter: ".." }), refused("invalid_request", "request.adapter"));
  assert.throws(() => planner.checkSegment("workspace"), refused("invalid_request", "path"));
  planner.checkSegment("agent");
});

test("rules judge a directory at a time", () => {
  const planner = createPlanner();
  planner.keepRules({ exclude: ["*.log", "dist/"] }, "rules");
  assert.deepEqual(planner.scanDir(kept("rules"), "a", ["x.log", "dist", "dist/", "y"]), Uint8Array.of(1, 0, 1, 0));
  assert.deepEqual(planner.scanDir(kept("rules"), "a/.git", ["HEAD", "objects/"]), Uint8Array.of(Verdict.ofRepo, Verdict.travels));
  assert.deepEqual(planner.scanDir(kept("rules"), "", ["a\nb.log", "\u{1f600}"]), Uint8Array.of(Verdict.excluded, Verdict.travels));
  assert.deepEqual(planner.scanDir(kept("rules"), "", []), new Uint8Array());
  assert.throws(() => planner.scanDir(kept("rules"), "", ["a\0b"]), refused("invalid_request", "rules"));
  assert.throws(() => planner.scanDir(kept("nothing"), "", []), refused("invalid_request", "rules"));
  assert.equal(planner.excluded(kept("rules"), "dist/x", false), true);
  assert.equal(planner.excluded({}, ".paperclip-runtime", true), true);
});

test("the small questions of a host", () => {
  const planner = createPlanner();
  const bytes = (s: string) => new TextEncoder().encode(s);
  assert.equal(planner.keepsData(bytes(".git/HEAD")), true);
  assert.equal(planner.keepsData(bytes("src/HEAD")), false);
  assert.equal(planner.display(new Uint8Array([0x61, 0xff])), "a\\xff");
  assert.equal(planner.quote("a b", "it's"), "'a b' 'it'\\''s'");
  assert.equal(planner.partPath("/x", 3), "/x.0003");
  const merged = planner.mergeText(bytes("a\nb\nc\n"), bytes("A\nb\nc\n"), bytes("a\nb\nC\n"));
  assert.deepEqual([new TextDecoder().decode(merged.merged), merged.conflicts], ["A\nb\nC\n", 0]);
  assert.equal(planner.repoState([{ name: "HEAD", data: bytes("x") }]).length, 64);
  const free = planner.copyName("a.txt", digest);
  for (const other of [planner.copyName("a.txt", digest, [], 1), planner.copyName("a.txt", digest, [free])]) assert.notEqual(other, free);
});

for (const names of [["a", "a-b", "Z"], ["a", "a-b", "é", "😀", "\uffff", "Z"]]) test(`the builder writes the bytes that the core would have written: ${names.join(" ")}`, () => {
  const planner = createPlanner();
  const entries: Entry[] = [];
  for (let i = 0; i < 9000; i++) {
    const path = `d${String(i % 7)}/${names[i % names.length]!}${i}`;
    if (i % 3 === 0) entries.push({ path, kind: "link", mode: 0o777, target: `../${path}` });
    else entries.push({ path, kind: "file", mode: i % 0o777, size: i * 2 ** 36, digest });
  }
  for (let i = 0; i < 7; i++) entries.push({ path: `d${i}`, kind: "dir", mode: 0o755 });
  entries.sort((a, b) => comparePaths(a.path, b.path));
  const lists = { problems: [{ path: "f", code: "special_file", detail: "FIFO\u0001" }, { path: "b", code: "unreadable" }], incomplete: ["d1", "", "d1"], occupied: ["d2"] };
  const builder = new SnapshotBuilder();
  for (const e of entries) builder.add(e.path, e.kind, e.mode!, e.size, e.digest ? Buffer.from(e.digest, "hex") : undefined, e.target);
  const built = builder.finish(lists);
  const sorted = { problems: [lists.problems[1]!, lists.problems[0]!], incomplete: ["", "d1"], occupied: ["d2"] };
  assert.ok(Buffer.from(built).equals(planner.encodeSnapshot({ entries, ...sorted })));
  assert.deepEqual(planner.decodeSnapshot(built).entries?.length, entries.length);
  assert.ok(Buffer.from(new SnapshotBuilder().finish()).equals(planner.encodeSnapshot({})));
});

test("a builder refuses a digest of another length, and half a character", () => {
  const refusedBy = (add: (builder: SnapshotBuilder) => void) => {
    const builder = new SnapshotBuilder();
    assert.throws(() => (add(builder), builder.finish()), (e) => e instanceof PlannerError && e.code === "invalid_request");
  };
  for (const digest of [new Uint8Array(20), new Uint8Array(33), new Uint16Array(32), "ab".repeat(16), "ab".repeat(32)]) {
    refusedBy((builder) => builder.add("a", "file", 0o644, 1, digest as Uint8Array));
  }
  for (const half of ["\ud800", "a\udfff"]) {
    refusedBy((builder) => builder.add(half, "dir", 0o755));
    refusedBy((builder) => builder.add("a", "link", 0o777, 0, undefined, half));
  }
  refusedBy((builder) => (builder.add("a\ud83d", "dir", 0o755), builder.add("\ude00", "dir", 0o755)));
});

test("an argument of the wrong type is the caller's error, and costs nothing that is kept", () => {
  const planner = createPlanner();
  planner.keepSnapshot({ entries: [] }, "local");
  const text = "text" as unknown as Uint8Array;
  const pull = { op: "pull", ...request } as const;
  const circle: { request?: object } = {};
  circle.request = circle;
  const wrong = [
    () => planner.call({ call: "about", size: 1n }),
    () => planner.call(circle),
    () => planner.callText(5 as unknown as string),
    () => planner.mergeText(text, text, text),
    () => planner.display(5 as unknown as string),
    () => planner.keepBase(undefined as unknown as Uint8Array, "base"),
    () => planner.keepsData("name" as unknown as Uint8Array),
    () => planner.decodeSnapshot(undefined as unknown as Uint8Array),
    () => planner.decodeSnapshot(new Uint16Array(4) as unknown as Uint8Array),
    ...[undefined, null, 5, "text"].flatMap((value) => {
      const bad = value as never;
      return [
        () => planner.next(bad),
        () => planner.decide(bad),
        () => planner.seal(bad, bad, bad),
        () => planner.whyFile(bad),
        () => planner.readSurvey(bad, [], new Uint8Array(), "", "remote"),
        () => planner.readFetch(pull, bad, new Uint8Array(), "", "remote"),
        () => planner.readSurvey(pull, [bad], new Uint8Array(), "", "remote"),
        () => planner.keepRules(bad, "rules"),
        () => planner.repoState(bad),
        () => planner.repoState([bad]),
      ];
    }),
    () => planner.decide({ ...pull, base: 5 as never }),
    () => planner.decide({ ...pull, remote: 5 as never }),
    () => planner.decide({ ...pull, contents: 5 as never }),
  ];
  for (const call of wrong) assert.throws(call, refused("invalid_request"), String(call));
  const plan = planner.planPush({ ...request, local: kept("local") });
  assert.equal(plan.phase, "apply");
});

test("an instance that trapped is replaced, and what it kept is gone", () => {
  const planner = createPlanner();
  planner.keepSnapshot({}, "local");
  const inner = planner as unknown as { instance: { exports: { call(n: number): number } } };
  const real = inner.instance.exports;
  inner.instance.exports = { ...real, call: () => { throw new WebAssembly.RuntimeError("unreachable"); } };
  assert.throws(() => planner.about(), refused("limit_exceeded"));
  assert.equal(planner.about().abi, "1.0");
  assert.throws(() => planner.encodeSnapshot(kept("local")), refused("invalid_request", "snapshot.kept"));
});

for (const keys of [["local"], []]) {
  test(`an instance that grew is replaced once it keeps nothing, ${keys.length ? "key by key" : "all at once"}`, () => {
    const planner = createPlanner();
    planner.keepSnapshot({}, "local");
    planner.repoState([{ name: "FETCH_HEAD", data: new Uint8Array(150 << 20) }]);
    planner.about();
    assert.ok(planner.memory > 256 << 20, "it keeps something");
    planner.drop(...keys);
    planner.about();
    assert.ok(planner.memory < 64 << 20);
  });
}

test("a module of another kind or version is refused", () => {
  assert.throws(() => createPlanner({ wasm: new Uint8Array([1, 2, 3]) }), refused("unsupported"));
  const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  assert.throws(() => createPlanner({ wasm: empty }), refused("unsupported"));
  for (const major of [0, 2]) assert.throws(() => createPlanner({ wasm: otherABI(major, 3) }), refused("unsupported"));
  createPlanner({ wasm: otherABI(1, 7) }); // a newer minor is accepted
  assert.throws(() => createPlanner({ wasm: otherABI(1, 0, trap) }), refused("unsupported"));
});

test("where there is no memory for the module its file is not blamed", (t) => {
  const why = new RangeError("WebAssembly.Instance(): Out of memory: Cannot allocate Wasm memory for new instance"); // as under ulimit -v
  t.mock.method(WebAssembly, "Instance", function () {
    throw why;
  });
  assert.throws(() => createPlanner(), { code: "limit_exceeded", message: "there is no memory for the planner", hint: /ulimit -v/, cause: why });
});

test("a package without its module says so", (t) => {
  const copy = tempDir(t);
  fs.cpSync(path.join(packageRoot, "package.json"), path.join(copy, "package.json"));
  fs.cpSync(path.join(packageRoot, "dist"), path.join(copy, "dist"), { recursive: true, filter: (name) => !name.endsWith("planner.wasm") });
  const program = `import { createPlanner, PlannerError } from "./dist/index.js";
    try { createPlanner(); } catch (e) { console.log(e instanceof PlannerError, e.code, e.message.includes("planner.wasm"), e.hint !== undefined); }`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { cwd: copy, encoding: "utf8" });
  assert.equal(stdout, "true io_failed true true\n", stderr);
});

const trap = [0x00];

/** A module with the exports of the planner that says it has this ABI, and what it does first. */
function otherABI(major: number, minor: number, first: number[] = []): Uint8Array {
  const leb = (n: number): number[] => (n < 64 ? [n] : [(n & 0x7f) | 0x80, ...leb(n >> 7)]);
  const section = (id: number, body: number[]): number[] => [id, body.length, ...body];
  const named = (name: string, kind: number, index: number): number[] => [name.length, ...Buffer.from(name), kind, index];
  const value = [0x41, ...leb(major * 65536 + minor), 0x0b];
  return new Uint8Array([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
    ...section(1, [2, 0x60, 0, 0, 0x60, 0, 1, 0x7f]),
    ...section(3, [2, 0, 1]),
    ...section(5, [1, 0, 1]),
    ...section(7, [3, ...named("memory", 2, 0), ...named("_initialize", 0, 0), ...named("abi", 0, 1)]),
    ...section(10, [2, first.length + 2, 0, ...first, 0x0b, value.length + 1, 0, ...value]),
  ]);
}

test("the package loads as a module and, where Node can, by require", () => {
  const script = (text: string, type: string) => spawnSync(process.execPath, [`--input-type=${type}`, "--no-warnings", "-e", text], { cwd: packageRoot, encoding: "utf8" });
  const print = "process.stdout.write(createPlanner().about().abi)";
  assert.equal(script(`import { createPlanner } from "syncplan"; ${print}`, "module").stdout, "1.0");
  assert.equal(script(`const { createPlanner } = require("syncplan"); ${print}`, "commonjs").stdout, "1.0");
  const wasm = fs.readFileSync(path.join(packageRoot, "dist/planner.wasm"));
  assert.equal(createPlanner({ wasm }).about().abi, "1.0");
});
