import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";

import { checkClient } from "./client.js";
import { StreamingDirectoryClient } from "../../examples/directoryClient.js";
import { tempDir } from "../host/world.js";

test("a client of a folder does what the six calls mean", (t) => checkClient(new StreamingDirectoryClient(), tempDir(t)));

test("a command that can't be started, since no more files can be opened, fails and does not end the server", () => {
  const module = JSON.stringify(new URL("../../examples/directoryClient.js", import.meta.url).href);
  const script = `import(${module}).then(async ({ StreamingDirectoryClient }) => {
    const client = new StreamingDirectoryClient();
    const { openSync } = await import("node:fs");
    try { for (;;) openSync("/dev/null"); } catch {}
    const calls = [client.run("true", { timeoutMs: 9000 }), client.runStream("true", { timeoutMs: 9000 })];
    for (const r of await Promise.allSettled(calls)) console.log(r.status, r.reason.code);
  })`;
  const out = execFileSync("sh", ["-c", 'ulimit -n 60; exec "$0" "$@"', process.execPath, "-e", script], { encoding: "utf8" });
  assert.equal(out, "rejected EMFILE\nrejected EMFILE\n");
});
