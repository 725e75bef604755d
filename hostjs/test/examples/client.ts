import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";

import type { SandboxManagedRuntimeClient } from "syncplan/sandbox-managed-runtime";

/** Checks the six calls of a client whose sandbox is this machine, in an empty folder. */
export async function checkClient(client: SandboxManagedRuntimeClient, top: string): Promise<void> {
  const dir = path.join(top, "a 'b' \"c\" $d `e` \\f\n-g/-h");
  await client.makeDir(dir);
  await client.makeDir(dir);
  assert.ok(fs.statSync(dir).isDirectory());

  const bytes = new Uint8Array(300_000).map((_, i) => i % 251);
  const file = path.join(dir, "-file\nof two lines");
  await client.writeFile(file, bytes.slice().buffer);
  assert.deepEqual(new Uint8Array(fs.readFileSync(file)), bytes);
  assert.ok(Buffer.from(new Uint8Array(await client.readFile(file))).equals(bytes));
  await client.writeFile(file, new ArrayBuffer(0));
  assert.equal(new Uint8Array(await client.readFile(file)).length, 0);
  await assert.rejects(client.readFile(path.join(dir, "missing")));
  await assert.rejects(client.writeFile(path.join(dir, "missing/file"), bytes.slice().buffer));

  fs.mkdirSync(path.join(dir, "folder"));
  fs.symlinkSync("nowhere", path.join(dir, "link"));
  assert.deepEqual((await client.listFiles(dir)).sort(), ["-file\nof two lines", "link"]);

  await client.run("true", { timeoutMs: 60_000 });
  await assert.rejects(client.run("echo because >&2; exit 3", { timeoutMs: 60_000 }), /exit status 3: because/);
  await assert.rejects(client.run(`while [ -e ${top} ]; do sleep 0.01; done`, { timeoutMs: 100 }));

  await client.remove(dir);
  await client.remove(dir);
  assert.ok(!fs.existsSync(dir));
}
