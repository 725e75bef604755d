// Each thing that a server says reaches the sync.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { PlannerError } from "../../src/errors.js";
import { reportOf } from "../../src/host/report.js";
import type { SyncReport } from "../../src/host/syncReport.js";
import { StreamingDirectoryClient } from "../host/directory.js";
import { listing, read, remove } from "../host/pair.js";
import { put } from "../host/world.js";
import { Server } from "./server.js";

test("texts that both sides changed are merged, unless a server says otherwise", async (t) => {
  const s = new Server(t);
  const text = (first: string, last: string) => `${first}\n2\n3\n4\n${last}\n`;
  for (const [textMerge, conflicts] of [[undefined, 0], [true, 0], [false, 1]] as const) {
    put(s.local, "f", text("1", "5"));
    const runtime = await s.prepare(textMerge === undefined ? {} : { textMerge });
    put(s.sandbox, "f", text("there", "5"));
    put(s.local, "f", text("1", "here"));
    assert.equal((await runtime.restoreWorkspace()).conflicts.length, conflicts, String(textMerge));
    assert.equal(read(s.local, "f"), textMerge === false ? text("1", "here") : text("there", "here"));
  }
});

test("what is remembered lies where a server says, apart for each provider, sandbox, folder and adapter", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  const spec = { transport: "sandbox" as const, provider: "p", sandboxId: "s", remoteCwd: s.sandbox, timeoutMs: 60_000, apiKey: null };
  const others = [
    { spec }, { spec: { ...spec, provider: "q" } }, { spec: { ...spec, sandboxId: "t" } }, { spec, workspaceRemoteDir: `${s.sandbox}/below` },
    { spec, adapterKey: "other" },
  ];
  for (const [i, other] of others.entries()) {
    await s.prepare(other);
    assert.equal(fs.readdirSync(s.stateDir).length, i + 1);
  }
  for (const other of others) await s.prepare({ ...other, spec: { ...other.spec, timeoutMs: 50_000, apiKey: "key" } });
  assert.equal(fs.readdirSync(s.stateDir).length, others.length, "a second sync finds what the first remembered");
});

test("a client hears how long a command may take", async (t) => {
  const s = new Server(t);
  const times = new Set<number>();
  const plain = s.client.run.bind(s.client);
  s.client.run = (command, options) => (times.add(options.timeoutMs), plain(command, options));
  const spec = { transport: "sandbox" as const, provider: "p", sandboxId: "s", remoteCwd: s.sandbox, timeoutMs: 54_321, apiKey: null };
  for (const dialect of ["hardened", "classic"] as const) await (await s.prepare({ spec, dialect })).restoreWorkspace();
  assert.deepEqual([...times], [54_321]);
});

test("what a server preserves is not deleted", async (t) => {
  const s = new Server(t);
  for (const name of ["a", "keep/b", "other"]) put(s.local, name, "1");
  const runtime = await s.prepare({ preserveAbsentOnRestore: ["keep"] });
  for (const name of ["keep", "other"]) remove(s.sandbox, name);
  await runtime.restoreWorkspace();
  assert.deepEqual(listing(s.local), { a: "644 1", keep: "dir", "keep/b": "644 1" });
});

test("a client that has runStream gets one call each way", async (t) => {
  const s = new Server(t);
  put(s.local, "a", "1");
  const runtime = await s.prepare({ client: new StreamingDirectoryClient() });
  assert.equal(runtime.prepared!.clientCalls, 1);
  put(s.sandbox, "a", "2");
  assert.equal((await runtime.restoreWorkspace()).clientCalls, 1);
  assert.equal(read(s.local, "a"), "2");
});

test("links of an asset travel as links, unless a server says otherwise", async (t) => {
  const s = new Server(t);
  const tools = path.join(path.dirname(s.local), "tools");
  put(tools, "a", "tool");
  fs.symlinkSync("a", path.join(tools, "l"));
  for (const [key, more, l] of [["plain", {}, "link a"], ["not", { followSymlinks: false }, "link a"], ["followed", { followSymlinks: true }, "644 tool"]] as const) {
    const { assetDirs } = await s.prepare({ assets: [{ key, localDir: tools, ...more }] });
    assert.equal(listing(assetDirs[key]!)["l"], l, key);
  }
});

test("R4: bodies are no longer than 16 MiB; in the dialect classic each is one", async (t) => {
  const length = 17 << 20;
  for (const [dialect, parts] of [["hardened", 2], ["classic", 1]] as const) {
    const s = new Server(t);
    const lengths: number[] = [];
    const { writeFile, readFile } = s.client;
    s.client.writeFile = (at, bytes) => (lengths.push(bytes.byteLength), writeFile.call(s.client, at, bytes));
    s.client.readFile = async (at) => {
      const data = await readFile.call(s.client, at);
      lengths.push(data.byteLength);
      return data;
    };
    put(s.local, "large", randomBytes(length));
    const runtime = await s.prepare({ dialect });
    put(s.sandbox, "large", randomBytes(length));
    await runtime.restoreWorkspace();
    assert.equal(lengths.length, 2 * parts, `${dialect}: ${lengths}`);
    if (dialect === "hardened") assert.ok(Math.max(...lengths) <= 16 << 20, String(lengths));
    assert.ok(fs.readFileSync(path.join(s.local, "large")).equals(fs.readFileSync(path.join(s.sandbox, "large"))));
  }
});

test("S5: in the dialect classic /tmp is no workspace unless it is the spec's own folder", async (t) => {
  const s = new Server(t);
  const calls: string[] = [];
  s.client.makeDir = async (at) => {
    calls.push(at);
    throw new Error("enough");
  };
  const spec = { transport: "sandbox" as const, provider: "p", sandboxId: "s", remoteCwd: "/srv/w", timeoutMs: 60_000, apiKey: null };
  const classic = (remoteCwd: string, workspaceRemoteDir: string) => s.prepare({ spec: { ...spec, remoteCwd }, workspaceRemoteDir, dialect: "classic" });
  await assert.rejects(classic("/srv/w", "/tmp"), { code: "unsafe_root" });
  assert.deepEqual(calls, []);
  for (const remoteCwd of ["/tmp", "/tmp/"]) await assert.rejects(classic(remoteCwd, "/tmp"), { code: "client_failed" });
  assert.deepEqual(calls, ["/tmp/.paperclip-runtime/codex", "/tmp/.paperclip-runtime/codex"]);
});

test("a report has all that a sync did", () => {
  const conflict = { path: "c", kind: "content", copy: "c.copy" };
  const problem = { path: "p", code: "unreadable" };
  const report: SyncReport = {
    op: "pull", status: "conflicts", lines: [{ path: "a", word: "new" }, { path: "d", word: "deleted", dir: true }], conflicts: [conflict],
    problems: [problem], flagged: [".envrc"], writes: 1, deletes: 2, uploadedFiles: 3, uploadedBytes: 4, downloadedFiles: 5, downloadedBytes: 6,
    clientCalls: 7, displaced: ".paperclip-runtime/displaced/r", waived: ["R4"], lacks: ["digests"], stages: [],
  };
  assert.deepEqual(reportOf({ report }), {
    status: "conflicts", changes: [{ path: "a", word: "new", directory: false }, { path: "d", word: "deleted", directory: true }],
    conflicts: [conflict], problems: [problem], flagged: [".envrc"], written: 1, deleted: 2, uploadedFiles: 3, uploadedBytes: 4, downloadedFiles: 5,
    downloadedBytes: 6, clientCalls: 7, guard: null, reason: null, hint: null, displaced: ".paperclip-runtime/displaced/r", waived: ["R4"],
    lacks: ["digests"],
  });
  assert.equal(reportOf({ report: { ...report, displaced: "" } }).displaced, null, "nothing was displaced");
  const cause = new PlannerError("io_failed", "gone");
  assert.throws(() => reportOf({ error: cause }), (error) => error === cause && cause.report === undefined);
  const refused: SyncReport = { ...report, status: "refused", guard: "mass_delete", reason: "too much", hint: "allow it" };
  assert.throws(() => reportOf({ report: refused }), { code: "refused", message: "too much; nothing was written", hint: "allow it", path: "p" });
  assert.throws(() => reportOf({ report: { ...report, status: "partial" } }), { code: "partial", message: "not everything could be applied: unreadable" });
});
