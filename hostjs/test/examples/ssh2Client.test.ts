import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { prepareSandboxManagedRuntime } from "syncplan/sandbox-managed-runtime";

import { Ssh2Client } from "../../examples/ssh2Client.js";
import { listing, read, remove } from "../host/pair.js";
import { put, tempDir } from "../host/world.js";
import { checkClient } from "./client.js";
import { startSshd } from "./sshd.js";

test("a workspace goes out over ssh and comes home merged", async (t) => {
  const client = await Ssh2Client.connect(await startSshd(t));
  t.after(() => client.close());
  const top = tempDir(t);
  const [local, sandbox] = [path.join(top, "local"), path.join(top, "it's the sandbox")];
  put(local, "notes", "one\ntwo\nthree\n");
  put(local, "large", Buffer.alloc(5 << 20, "x"));
  put(local, "run.sh", "#!/bin/sh\n");
  put(local, "gone", "");
  fs.chmodSync(path.join(local, "run.sh"), 0o755);
  const spec = { transport: "sandbox" as const, provider: "ssh", sandboxId: "box", remoteCwd: sandbox, timeoutMs: 60_000, apiKey: null };
  const runtime = await prepareSandboxManagedRuntime({ spec, adapterKey: "ssh", client, workspaceLocalDir: local, stateDir: path.join(top, "state") });
  assert.deepEqual(listing(sandbox), listing(local));
  put(local, "notes", "ONE\ntwo\nthree\n");
  put(sandbox, "notes", "one\ntwo\nTHREE\n");
  put(sandbox, "d/new", Buffer.alloc(3 << 20, "y"));
  remove(sandbox, "gone");
  const report = await runtime.restoreWorkspace();
  assert.equal(report.status, "ok");
  assert.equal(read(local, "notes"), "ONE\ntwo\nTHREE\n");
  assert.deepEqual(Object.keys(listing(local)), Object.keys(listing(sandbox)));
});

test("the ssh client does what a runtime asks of it", async (t) => {
  const client = await Ssh2Client.connect(await startSshd(t));
  t.after(() => client.close());
  await checkClient(client, tempDir(t));
});

test("a server with another key is refused, and a lost connection is an error", async (t) => {
  const config = await startSshd(t);
  await assert.rejects(Ssh2Client.connect({ ...config, hostVerifier: () => false }), /verification/);
  const client = await Ssh2Client.connect(config);
  const started = path.join(tempDir(t), "started");
  const command = `touch ${started}; while [ -e ${started} ]; do sleep 0.01; done`;
  const running = assert.rejects(client.run(command, { timeoutMs: 60_000 }), /connection was lost/);
  while (!fs.existsSync(started)) await sleep(10);
  await client.close();
  await running;
  await assert.rejects(client.makeDir("/tmp"), /Not connected/);
});
