import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import fs from "node:fs";
import { open } from "node:fs/promises";
import path from "node:path";
import { test } from "node:test";

import { prepareSandboxManagedRuntime } from "syncplan/sandbox-managed-runtime";

import { sessionClient, type SandboxSession } from "../../examples/aiSdkClient.js";
import { listing, read, remove } from "../host/pair.js";
import { put, tempDir } from "../host/world.js";
import { checkClient } from "./client.js";

/** A session over this machine that streams in small pieces. */
class FakeSession implements SandboxSession {
  /** The most bytes that readFile gives before it fails, to look like a transfer that is cut. */
  limit = Infinity;

  run({ command, abortSignal }: { command: string; abortSignal?: AbortSignal }): Promise<{ exitCode: number; stdout: string; stderr: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn("sh", ["-c", command], { stdio: ["ignore", "pipe", "pipe"], signal: abortSignal });
      const [out, err]: [string[], string[]] = [[], []];
      child.stdout.on("data", (data) => out.push(String(data)));
      child.stderr.on("data", (data) => err.push(String(data)));
      child.on("error", reject);
      child.on("close", (code) => resolve({ exitCode: code ?? 137, stdout: out.join(""), stderr: err.join("") }));
    });
  }

  async readFile({ path }: { path: string }): Promise<ReadableStream<Uint8Array> | null> {
    if (!fs.existsSync(path)) return null;
    const file = await open(path);
    let given = 0;
    return new ReadableStream({
      pull: async (controller) => {
        const piece = new Uint8Array(1000);
        const { bytesRead } = await file.read(piece);
        given += bytesRead;
        if (bytesRead > 0 && given <= this.limit) return controller.enqueue(piece.subarray(0, bytesRead));
        await file.close();
        if (bytesRead === 0) controller.close();
        else controller.error(new Error("the transfer was cut"));
      },
    });
  }

  async writeFile({ path, content }: { path: string; content: ReadableStream<Uint8Array> }): Promise<void> {
    const file = await open(path, "w");
    try {
      await content.pipeTo(new WritableStream({ write: async (piece) => void (await file.write(piece)) }));
    } finally {
      await file.close();
    }
  }
}

test("the client over a session does what a runtime asks of it", async (t) => {
  await checkClient(sessionClient(new FakeSession()), tempDir(t));
});

test("a workspace goes out over a session and comes home merged", async (t) => {
  const top = tempDir(t);
  const [local, sandbox] = [path.join(top, "local"), path.join(top, "sandbox")];
  put(local, "notes", "one\ntwo\nthree\n");
  put(local, "d/gone", "x".repeat(100_000));
  const session = new FakeSession();
  const spec = { transport: "sandbox" as const, provider: "fake", sandboxId: "one", remoteCwd: sandbox, timeoutMs: 60_000, apiKey: null };
  const runtime = await prepareSandboxManagedRuntime({
    spec, adapterKey: "ai", client: sessionClient(session), workspaceLocalDir: local, stateDir: path.join(top, "state"),
  });
  assert.deepEqual(listing(sandbox), listing(local));
  put(sandbox, "notes", "one\ntwo\nTHREE\n");
  put(sandbox, "new", "y".repeat(100_000));
  remove(sandbox, "d/gone");
  put(local, "notes", "ONE\ntwo\nthree\n");
  const before = listing(local);
  session.limit = 2000;
  await assert.rejects(runtime.restoreWorkspace(), { code: "client_failed" });
  assert.deepEqual(listing(local), before, "a transfer that was cut changes nothing");
  session.limit = Infinity;
  const report = await runtime.restoreWorkspace();
  assert.equal(report.status, "ok");
  assert.equal(read(local, "notes"), "ONE\ntwo\nTHREE\n");
  assert.deepEqual(Object.keys(listing(local)), Object.keys(listing(sandbox)));
});
