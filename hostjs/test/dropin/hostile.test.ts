// What a server's own parts may do wrong: its client, its callbacks and its input.
import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import vm from "node:vm";

import { PlannerError } from "../../src/errors.js";
import { parseSandboxRemoteExecutionSpec, prepareSandboxManagedRuntime, sandboxExecutionSessionMatches, type SandboxManagedRuntimeClient } from "../../src/sandbox-managed-runtime.js";
import { captureDirectorySnapshot, mergeDirectoryWithBaseline } from "../../src/workspace-restore-merge.js";
import { DirectoryClient } from "../host/directory.js";
import { read } from "../host/pair.js";
import { put, tempDir } from "../host/world.js";

type Input = Parameters<typeof prepareSandboxManagedRuntime>[0];

/** A workspace with one file, and what a server gives for it. */
function server(t: TestContext, overrides: Partial<SandboxManagedRuntimeClient> = {}): { input: Input; local: string; sandbox: string } {
  const top = tempDir(t);
  const [local, sandbox] = [path.join(top, "local"), path.join(top, "sandbox")];
  for (const dir of [local, sandbox]) fs.mkdirSync(dir);
  put(local, "a", "1");
  const spec = { transport: "sandbox" as const, provider: "directory", sandboxId: "one", remoteCwd: sandbox, timeoutMs: 60_000, apiKey: null };
  const client = Object.assign(new DirectoryClient(), overrides);
  return { input: { spec, adapterKey: "codex", client, workspaceLocalDir: local, stateDir: path.join(top, "state") }, local, sandbox };
}

/** The error that a sync rejects with. */
async function failure(sync: Promise<unknown>): Promise<PlannerError> {
  const error = await sync.then(
    () => undefined,
    (e: unknown) => e,
  );
  assert.ok(error instanceof PlannerError, `not a PlannerError: ${String(error)}`);
  return error;
}

test("whatever a client throws ends the sync with an error", async (t) => {
  const trap = new Proxy({}, { get: () => { throw new Error("looked at"); } });
  const unsayable = Object.assign(new Error(), { message: Object.create(null) as string });
  for (const thrown of [null, undefined, "text", 5, Symbol("s"), Object.create(null), trap, unsayable]) {
    const { input } = server(t, { run: () => { throw thrown; } });
    const error = await failure(prepareSandboxManagedRuntime(input));
    assert.equal(error.code, "client_failed");
    assert.equal(error.cause, thrown);
    await prepareSandboxManagedRuntime({ ...input, client: new DirectoryClient() });
  }
});

test("S6: an error holds no command, although the client's own does", async (t) => {
  let given = "";
  const run = async (command: string) => {
    given = command;
    throw new Error(`Command failed: ${command}\nno space left`);
  };
  const error = await failure(prepareSandboxManagedRuntime(server(t, { run }).input));
  assert.equal(error.message, "a command in the sandbox failed: Command failed: ...; no space left");
  assert.ok(given.length > 100);
});

test("D14: what the sandbox refuses has a hint, in the words of a tool or of the system", async (t) => {
  const written = Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", errno: -28 });
  const unwritten = "a file in the sandbox could not be written, most likely because its disk is full: make room there and run it again";
  const full = "the disk of the sandbox is full: make room there and run it again";
  for (const [cause, hint] of [
    [written, full],
    [new Error("exit status 2: tar: f: Cannot write: No space left on device"), full],
    [new Error("mv: cannot move 'a': Read-only file system"), "a file system of the sandbox is read-only: change that there, or exclude what lies on it, and run it again"],
    [new Error("mv: cannot move 'a': Operation not permitted"), "something in the sandbox may not be changed: give the permission there and run it again"],
    [new Error("exit status 1: sh: 162: printf: printf: I/O error"), unwritten],
    [new Error("exit status 1: sh: 138: echo: echo: I/O error"), unwritten],
    [new Error("input/output error"), undefined],
  ] as const) {
    const fails = async () => Promise.reject(cause);
    for (const call of ["run", "writeFile"] as const) {
      assert.equal((await failure(prepareSandboxManagedRuntime(server(t, { [call]: fails }).input))).hint, hint);
    }
  }
});

test("a client may return a buffer of another realm, as a test runner's own", async (t) => {
  const { input, local, sandbox } = server(t, {
    readFile: async (file) => {
      const data = fs.readFileSync(file);
      const buffer = vm.runInNewContext(`new ArrayBuffer(${data.length})`) as ArrayBuffer;
      new Uint8Array(buffer).set(data);
      return buffer;
    },
  });
  const runtime = await prepareSandboxManagedRuntime(input);
  put(sandbox, "a", "2");
  await runtime.restoreWorkspace();
  assert.equal(read(local, "a"), "2");
});

test("a callback that throws ends the sync, and not the server", async (t) => {
  const { input, sandbox } = server(t);
  const thrown = new Error("no such socket");
  for (const onProgress of [() => { throw thrown; }, async () => { throw thrown; }]) {
    const error = await failure(prepareSandboxManagedRuntime({ ...input, onProgress }));
    assert.equal(error.code, "client_failed");
    assert.equal(error.message, "what the caller does on progress failed: no such socket");
    assert.equal(error.cause, thrown);
  }
  let times = 0;
  const { message } = await failure(prepareSandboxManagedRuntime({ ...input, onProgress: () => { throw new Error(`${++times} times`); } }));
  assert.deepEqual([message, times], ["what the caller does on progress failed: 1 times", 1]);
  await prepareSandboxManagedRuntime(input);
  assert.equal(read(sandbox, "a"), "1");
});

test("a client is called as a part of the request that asked for the sync, whatever thread does it", async (t) => {
  const request = new AsyncLocalStorage<string>();
  for (const name of ["one", "two"]) {
    const heard = new Set<string | undefined>();
    const hear = () => void heard.add(request.getStore());
    const run: SandboxManagedRuntimeClient["run"] = (...args) => (hear(), new DirectoryClient().run(...args));
    await request.run(name, () => prepareSandboxManagedRuntime({ ...server(t, { run }).input, onProgress: hear }));
    assert.deepEqual([...heard], [name]);
  }
});

test("an input of the wrong type is refused, with its field", async (t) => {
  const wrong: [field: string, kind: string, input: object][] = [
    ["input.adapterKey", "a string", { adapterKey: undefined }],
    ["input.workspaceLocalDir", "a string", { workspaceLocalDir: 5 }],
    ["input.workspaceRemoteDir", "a string", { workspaceRemoteDir: 5 }],
    ["input.client", "an object", { client: null }],
    ["input.spec", "an object", { spec: "sandbox" }],
    ["input.spec.sandboxId", "a string", { spec: { ...server(t).input.spec, sandboxId: undefined } }],
    ["input.spec.timeoutMs", "a number", { spec: { ...server(t).input.spec, timeoutMs: () => 1 } }],
    ["input.workspaceExclude", "a list of strings", { workspaceExclude: "node_modules" }],
    ["input.preserveAbsentOnRestore", "a list of strings", { preserveAbsentOnRestore: [Symbol("s")] }],
    ["input.assets", "a list", { assets: {} }],
    ["input.assets[0]", "an object", { assets: [undefined] }],
    ["input.assets[0].localDir", "a string", { assets: [{ key: "tools" }] }],
    ["input.conflictPolicy", "a string", { conflictPolicy: () => "remote" }],
    ["input.textMerge", "true or false", { textMerge: "no" }],
    ["input.onProgress", "a function", { onProgress: 5 }],
    ["input.signal", "an AbortSignal", { signal: {} }],
    ["input.stateDir", "a string", { stateDir: 5 }],
  ];
  for (const [field, kind, fields] of wrong) {
    const error = await failure(prepareSandboxManagedRuntime({ ...server(t).input, ...fields } as Input));
    assert.equal(error.code, "invalid_request");
    assert.equal(error.field, field);
    assert.equal(error.message, `not ${kind} (${field})`);
  }
  await failure(prepareSandboxManagedRuntime(undefined as unknown as Input));
});

test("lists may be those of a store that hands out proxies", async (t) => {
  const { input, local, sandbox } = server(t);
  const proxied = <T extends object>(value: T): T => new Proxy(value, {});
  put(local, "out", "1");
  put(local, "asset/skip", "1");
  const asset = proxied({ key: "tools", localDir: path.join(local, "asset"), exclude: proxied(["skip"]) });
  const lists = { workspaceExclude: proxied(["out"]), preserveAbsentOnRestore: proxied(["kept"]), assets: proxied([asset]) };
  await prepareSandboxManagedRuntime(proxied({ ...input, ...lists }));
  assert.equal(fs.existsSync(path.join(sandbox, "out")), false);
  const baseline = await captureDirectorySnapshot(local);
  await mergeDirectoryWithBaseline({ baseline: proxied({ ...baseline, exclude: proxied(["out"]) }), sourceDir: local, targetDir: local, stateDir: input.stateDir! });
});

test("a thread that can't be started is an error of this package", (t) => {
  const url = new URL("../../src/workspace-restore-merge.js", import.meta.url).href;
  const script = `const { captureDirectorySnapshot } = await import(${JSON.stringify(url)});
    await captureDirectorySnapshot(${JSON.stringify(tempDir(t))}).catch(({ name, code }) => console.log(name, code));`;
  const permission = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
  const { stdout } = spawnSync(process.execPath, [permission, "--allow-fs-read=*", "--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(stdout, "PlannerError io_failed\n");
});

test("null is no option at all", async (t) => {
  const none = { workspaceRemoteDir: null, workspaceExclude: null, assets: null, signal: null, onProgress: null, dialect: null };
  await prepareSandboxManagedRuntime({ ...server(t).input, ...none } as unknown as Input);
});

test("a relative workspace stays the one that was sent, wherever the server goes", async (t) => {
  const { input, local, sandbox } = server(t);
  const before = process.cwd();
  t.after(() => process.chdir(before));
  process.chdir(path.dirname(local));
  const runtime = await prepareSandboxManagedRuntime({ ...input, workspaceLocalDir: "local", stateDir: "state" });
  put(sandbox, "a", "2");
  process.chdir(sandbox);
  await runtime.restoreWorkspace();
  assert.equal(read(local, "a"), "2");
});

test("half a character in what a server saved is no match, and no error", (t) => {
  const { spec } = server(t).input;
  for (const half of ["\ud800", "one\udfff", ["\ud800"], "\\\ud800"]) {
    assert.equal(sandboxExecutionSessionMatches({ ...spec, sandboxId: half }, spec), false);
    assert.equal(parseSandboxRemoteExecutionSpec({ ...spec, sandboxId: half }), null);
  }
  for (const whole of ["\\ud800", "\\\\ud800", "😀"]) {
    const named = parseSandboxRemoteExecutionSpec({ ...spec, sandboxId: whole });
    assert.equal(named?.sandboxId, whole);
    assert.equal(sandboxExecutionSessionMatches({ ...spec, sandboxId: whole }, named), true);
  }
});
