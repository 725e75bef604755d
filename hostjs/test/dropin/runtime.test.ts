import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { PlannerError } from "../../src/errors.js";
import {
  buildSandboxExecutionSessionIdentity, mirrorDirectory, parseSandboxRemoteExecutionSpec, sandboxExecutionSessionMatches, type RuntimeReport,
} from "../../src/sandbox-managed-runtime.js";
import { withDirectoryMergeLock } from "../../src/workspace-restore-merge.js";
import { DirectoryClient } from "../host/directory.js";
import { listing, read, remove } from "../host/pair.js";
import { put, tempDir } from "../host/world.js";
import { Server } from "./server.js";

test("a workspace goes out and comes home merged", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1\0");
  put(s.local, "both", "base\0");
  put(s.local, "tools/x", "tool");
  const runtime = await s.prepare({ assets: [{ key: "tools", localDir: path.join(s.local, "tools") }] });
  assert.equal(runtime.workspaceRemoteDir, s.sandbox);
  assert.equal(runtime.runtimeRootDir, s.sandbox + "/.paperclip-runtime/codex");
  assert.deepEqual(runtime.assetDirs, { tools: s.sandbox + "/.paperclip-runtime/codex/tools" });
  assert.equal(read(runtime.assetDirs["tools"]!, "x"), "tool");
  assert.equal(runtime.prepared!.clientCalls, 5, "three calls, and two for an asset");
  put(s.sandbox, "a", "2\0");
  put(s.sandbox, "both", "there\0");
  put(s.local, "both", "here\0");
  const report: RuntimeReport = await runtime.restoreWorkspace();
  assert.equal(report.status, "conflicts");
  assert.equal(report.clientCalls, 3);
  assert.equal(read(s.local, "a"), "2\0");
  assert.equal(read(s.local, "both"), "here\0", "both versions are kept");
  assert.equal(read(s.local, report.conflicts[0]!.copy!), "there\0");
  assert.deepEqual((await runtime.restoreWorkspace()).changes, [], "a second restore has nothing to do");
});

test("a refused restore rejects with its report and writes nothing", async (t) => {
  const s = new Server(t);
  for (let i = 0; i < 30; i++) put(s.local, `f${i}`, "x");
  const runtime = await s.prepare();
  for (let i = 0; i < 30; i++) remove(s.sandbox, `f${i}`);
  const before = listing(s.local);
  await assert.rejects(runtime.restoreWorkspace(), (error: unknown) => {
    assert.ok(error instanceof PlannerError);
    assert.equal(error.code, "refused");
    assert.equal(error.report?.guard, "sandbox_emptied");
    assert.ok(error.hint);
    return true;
  });
  assert.deepEqual(listing(s.local), before);
});

test("an error in a sync carries the report of how far it came", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  const runtime = await s.prepare();
  put(s.sandbox, "a", "2");
  s.client.readFile = () => Promise.reject(new Error("no"));
  await assert.rejects(runtime.restoreWorkspace(), (error: unknown) => {
    assert.ok(error instanceof PlannerError);
    const { status, clientCalls, uploadedBytes, changes, written } = error.report!;
    assert.deepEqual({ code: error.code, status, clientCalls, changes, written }, { code: "client_failed", status: "error", clientCalls: 3, changes: [], written: 0 });
    assert.ok(uploadedBytes > 0, "a command went there");
    return true;
  });
});

test("the policy fail refuses a restore with conflicts, and remote takes the sandbox's version", async (t) => {
  const s = new Server(t);
  put(s.local, "f", "base\0");
  const runtime = await s.prepare({ conflictPolicy: "fail" });
  put(s.sandbox, "f", "there\0");
  put(s.sandbox, "g", "there\0");
  put(s.local, "f", "here\0");
  await assert.rejects(runtime.restoreWorkspace(), { code: "refused" });
  assert.deepEqual(listing(s.local), { f: "644 here\0" });
  const other = await s.prepare({ conflictPolicy: "remote" });
  const report = await other.restoreWorkspace();
  assert.ok(report.conflicts.length > 0, JSON.stringify(report));
  assert.equal(read(s.local, "g"), "there\0");
});

test("an exclude that the seed's tar or its snapshot would have known is left alone on both sides", async (t) => {
  const s = new Server(t);
  for (const name of ["a", "dist/x", "d/dist/y", "cache/z"]) put(s.local, name, "here");
  put(s.sandbox, "cache/theirs", "there");
  const runtime = await s.prepare({ workspaceExclude: ["dist", "./cache"], preserveAbsentOnRestore: ["keep"] });
  assert.deepEqual(Object.keys(listing(s.sandbox)).filter((n) => n.includes("dist")), []);
  put(s.local, "keep/mine", "here");
  const before = listing(s.local);
  await runtime.restoreWorkspace();
  assert.deepEqual(listing(s.local), before, "a round trip of nothing changes nothing");
});

test("what the seed's tar left out of an asset is not sent", async (t) => {
  const s = new Server(t);
  const tools = path.join(path.dirname(s.local), "tools");
  for (const name of ["a/x.key", "a/b/y.key", "in/c/z", "sent"]) put(tools, name, "tool");
  const { assetDirs } = await s.prepare({ assets: [{ key: "tools", localDir: tools, exclude: ["a/*.key", "c/z"] }] });
  assert.deepEqual(Object.keys(listing(assetDirs["tools"]!)).sort(), ["a", "a/b", "in", "in/c", "sent"]);
});

test("progress is told, and a signal stops a restore", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  const abort = new AbortController();
  const stages = new Set<string>();
  const runtime = await s.prepare({ signal: abort.signal, onProgress: ({ stage }) => stages.add(stage) });
  assert.ok(stages.has("scanning") && stages.has("sending"), [...stages].join());
  put(s.sandbox, "b", "2");
  abort.abort();
  await assert.rejects(runtime.restoreWorkspace(), { code: "cancelled" });
  assert.deepEqual(listing(s.local), { a: "644 1" });
});

test("the dialect classic makes the seed's calls in the seed's order", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  put(s.local, "it's", "quoted");
  const calls: string[] = [];
  const client = new Proxy(s.client, {
    get: (target, name: keyof DirectoryClient) => {
      if (name === "run") return (command: string, options: { timeoutMs: number }) => (calls.push("run " + command), target.run(command, options));
      return (at: string, bytes: ArrayBuffer) => (calls.push(`${name} ${at}`), (target[name] as (a: string, b: ArrayBuffer) => Promise<never>).call(target, at, bytes));
    },
  });
  const runtime = await s.prepare({ client, dialect: "classic", workspaceExclude: ["node_modules"], assets: [{ key: "skills", localDir: s.local }] });
  const rt = runtime.runtimeRootDir;
  const q = (text: string) => `'"'"'${text}'"'"'`;
  assert.deepEqual(calls, [
    `makeDir ${rt}`,
    `writeFile ${rt}/workspace-upload.tar`,
    `run sh -c 'mkdir -p ${q(s.sandbox)} && find ${q(s.sandbox)} -mindepth 1 -maxdepth 1 ! -name ${q(".paperclip-runtime")} -exec rm -rf -- {} + && ` +
      `tar -xf ${q(`${rt}/workspace-upload.tar`)} -C ${q(s.sandbox)} && rm -f ${q(`${rt}/workspace-upload.tar`)}'`,
    `writeFile ${rt}/skills-upload.tar`,
    `run sh -c 'rm -rf ${q(rt + "/skills")} && mkdir -p ${q(rt + "/skills")} && tar -xf ${q(`${rt}/skills-upload.tar`)} -C ${q(rt + "/skills")} && rm -f ${q(`${rt}/skills-upload.tar`)}'`,
  ]);
  assert.deepEqual(runtime.prepared!.waived, ["R4", "D10", "D13", "D15"]);
  put(s.sandbox, "a", "2");
  put(s.sandbox, "new", "3");
  remove(s.sandbox, "it's");
  calls.length = 0;
  const report = await runtime.restoreWorkspace();
  assert.deepEqual(calls, [
    `run sh -c 'mkdir -p ${q(rt)} && tar -cf ${q(`${rt}/workspace-download.tar`)} -C ${q(s.sandbox)} --exclude ${q("._*")} --exclude ${q("node_modules")} .'`,
    `readFile ${rt}/workspace-download.tar`,
    `remove ${rt}/workspace-download.tar`,
  ]);
  assert.equal(report.status, "ok", JSON.stringify(report));
  assert.deepEqual(listing(s.local), { a: "644 2", new: "644 3" });
});

test("a classic download that was cut writes nothing", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  const client = new DirectoryClient();
  const runtime = await s.prepare({ client, dialect: "classic" });
  put(s.sandbox, "a", "2");
  remove(s.sandbox, "b");
  const whole = client.readFile.bind(client);
  for (const cut of [0, 512, 600, 1536]) {
    client.readFile = async (at) => ((await whole(at)) as Buffer).subarray(0, cut);
    await assert.rejects(runtime.restoreWorkspace(), { code: "corrupt" }, `cut at ${cut}`);
    assert.equal(read(s.local, "a"), "1");
  }
});

test("specs are read with the seed's coercions", () => {
  const spec = { transport: " sandbox ", provider: "e2b", sandboxId: "s", remoteCwd: "/w", timeoutMs: "30000", apiKey: " " };
  const parsed = parseSandboxRemoteExecutionSpec(spec);
  assert.deepEqual(parsed, { transport: "sandbox", provider: "e2b", sandboxId: "s", remoteCwd: "/w", timeoutMs: 30000, apiKey: null });
  assert.equal(parseSandboxRemoteExecutionSpec({ ...spec, timeoutMs: true })?.timeoutMs, 1);
  for (const timeoutMs of [NaN, Infinity, -1, 0, undefined, null, "x", {}, Symbol.iterator, () => 1]) {
    assert.equal(parseSandboxRemoteExecutionSpec({ ...spec, timeoutMs }), null, String(timeoutMs));
  }
  // An object counts as what JavaScript's Number makes of it.
  for (const timeoutMs of [[5], ["5"], new Date(5), new Number(5), new String("5"), new Uint8Array([5]), { valueOf: () => 5 }, { toString: () => "5" }]) {
    assert.equal(parseSandboxRemoteExecutionSpec({ ...spec, timeoutMs })?.timeoutMs, 5, Object.prototype.toString.call(timeoutMs));
  }
  for (const timeoutMs of [{ toJSON: () => 9 }, [[1], 2], Object.create(null)]) assert.equal(parseSandboxRemoteExecutionSpec({ ...spec, timeoutMs }), null);
  for (const name of ["transport", "provider", "sandboxId", "remoteCwd"] as const) {
    assert.equal(parseSandboxRemoteExecutionSpec({ ...spec, [name]: new String(spec[name]) }), null, `an object as ${name} is no text`);
  }
  const round: Record<string, unknown> = { ...spec };
  round["self"] = round;
  assert.deepEqual(parseSandboxRemoteExecutionSpec(round), parsed);
  for (const value of [null, undefined, 1, "text", [], [spec], {}]) assert.equal(parseSandboxRemoteExecutionSpec(value), null);
  const identity = buildSandboxExecutionSessionIdentity(parsed);
  assert.deepEqual(identity, { transport: "sandbox", provider: "e2b", sandboxId: "s", remoteCwd: "/w" });
  assert.equal(buildSandboxExecutionSessionIdentity(null), null);
  assert.equal(sandboxExecutionSessionMatches(identity, parsed), true);
  assert.equal(sandboxExecutionSessionMatches({ ...identity, provider: " e2b" }, parsed), false, "the saved side is not trimmed");
  assert.equal(sandboxExecutionSessionMatches(identity, null), false);
  assert.equal(sandboxExecutionSessionMatches({ ...identity, provider: new String("e2b") }, parsed), false, "an object is no text");
  for (const saved of [null, undefined, 1, []]) assert.equal(sandboxExecutionSessionMatches(saved, parsed), false);
});

test("mirrorDirectory makes a copy and spares what is preserved", async (t) => {
  const top = tempDir(t);
  const [from, to] = [path.join(top, "from"), path.join(top, "to")];
  put(from, "a", "1");
  put(from, "d/run", "2");
  fs.chmodSync(path.join(from, "d/run"), 0o4755);
  fs.symlinkSync("a", path.join(from, "link"));
  put(from, "kind", "a file now");
  put(from, "both/new", "3");
  for (const name of ["a", "old", "gone/x", "keep/x/y", "keep/z", "kind/below", "both/old"]) put(to, name, "old");
  fs.mkdirSync(path.join(top, "other"));
  fs.symlinkSync(path.join(top, "other"), path.join(to, "d"));
  await mirrorDirectory(from, to, { preserveAbsent: ["keep/x"] });
  assert.deepEqual(listing(to), { a: "644 1", both: "dir", "both/new": "644 3", d: "dir", "d/run": "755 2", keep: "dir", "keep/x": "dir", "keep/x/y": "644 old", kind: "644 a file now", link: "link a" });
  assert.equal(fs.statSync(path.join(to, "d/run")).mode & 0o7777, 0o755, "set-user-id stays behind");
  assert.deepEqual(fs.readdirSync(path.join(top, "other")), [], "nothing passes through a link");
  await assert.rejects(mirrorDirectory(path.join(top, "missing"), to), { code: "io_failed" });
  assert.equal(read(to, "a"), "1", "a source that is missing empties nothing");
});

test("mirrorDirectory removes no source, copies nothing into itself, and waits for no FIFO", async (t) => {
  const top = tempDir(t);
  put(top, "a/b/f", "1");
  const [a, b, l] = ["a", "a/b", "l"].map((name) => path.join(top, name)) as [string, string, string];
  fs.symlinkSync("a", l);
  for (const [from, to] of [[a, a], [a, b], [a, path.join(b, "new")], [b, a], [a, l], [l, b]] as const) {
    await assert.rejects(mirrorDirectory(from, to), { name: "PlannerError", code: "unsafe_root" });
  }
  assert.equal(read(b, "f"), "1");
  execFileSync("mkfifo", [path.join(a, "fifo")]);
  await mirrorDirectory(a, path.join(top, "copy"));
  assert.deepEqual(listing(path.join(top, "copy")), { b: "dir", "b/f": "644 1" });
  await assert.rejects(mirrorDirectory(a, path.join(top, "copy/b/f/x")), { name: "PlannerError", code: "io_failed" });
  for (const [field, ...args] of [["sourceDir", 5, b], ["targetDir", a], ["options", a, l, null], ["options.preserveAbsent", a, l, { preserveAbsent: "f" }]]) {
    await assert.rejects(mirrorDirectory(...(args as Parameters<typeof mirrorDirectory>)), { name: "PlannerError", code: "invalid_request", field });
  }
});

test("a slash at the end of the sandbox's folder says nothing", async (t) => {
  for (const dialect of ["hardened", "classic"] as const) {
    const s = new Server(t);
    put(s.local, "a", "1");
    await s.prepare({ dialect });
    put(s.sandbox, "a", "2");
    const spec = { transport: "sandbox" as const, provider: "directory", sandboxId: "one", remoteCwd: s.sandbox + "/", timeoutMs: 60_000, apiKey: null };
    if (dialect === "classic") put(s.sandbox, "a", "1");
    const runtime = await s.prepare({ dialect, spec });
    assert.deepEqual([runtime.workspaceRemoteDir, runtime.runtimeRootDir], [s.sandbox + "/", s.sandbox + "/.paperclip-runtime/codex"], "as the seed says them");
    put(s.sandbox, "b", "3");
    await runtime.restoreWorkspace();
    const home = dialect === "classic" ? { a: "644 1", b: "644 3" } : { a: "644 2", b: "644 3" };
    assert.deepEqual(listing(s.local), home, "it is the sandbox that was met before");
  }
  const s = new Server(t);
  for (const workspaceRemoteDir of ["/", "//", "/usr/"]) {
    await assert.rejects(s.prepare({ workspaceRemoteDir }), { code: "unsafe_root", message: /system folder/ });
  }
});

test("under the lock of its workspace a sync does not wait for itself", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  await withDirectoryMergeLock(s.local, async () => {
    const runtime = await s.prepare();
    put(s.sandbox, "a", "2");
    const outside = new Server(t);
    put(outside.local, "b", "3");
    await Promise.all([runtime.restoreWorkspace(), runtime.restoreWorkspace(), outside.prepare()]);
    await withDirectoryMergeLock(s.local, () => runtime.restoreWorkspace());
  });
  assert.equal(read(s.local, "a"), "2");
});

test("a spec that lacks a text has an identity that matches nothing, and no error", () => {
  const whole = { transport: "sandbox", provider: "p", sandboxId: "s", remoteCwd: "/w", timeoutMs: 1, apiKey: null } as const;
  for (const lacking of [{ ...whole, provider: undefined }, { ...whole, provider: 5 }, { ...whole, provider: 5n }, { ...whole, provider: "\ud800" }]) {
    const spec = lacking as unknown as typeof whole;
    assert.deepEqual(buildSandboxExecutionSessionIdentity(spec), { transport: "sandbox", sandboxId: "s", remoteCwd: "/w" });
    for (const saved of [whole, lacking, {}, null]) assert.equal(sandboxExecutionSessionMatches(saved, spec), false);
  }
  assert.equal(sandboxExecutionSessionMatches({ ...whole, provider: 5 }, { ...whole, provider: "" }), true, "what was saved and is no text is an empty one");
});
