import assert from "node:assert/strict";
import fs from "node:fs";
import { test } from "node:test";

import type { ArchiveWriter, Sent } from "../../src/host/archiveWriter.js";
import { writeAsset } from "../../src/host/assets.js";
import { Core } from "../../src/host/core.js";
import type { Session } from "../../src/host/session.js";
import { Stop } from "../../src/host/stop.js";
import { createPlanner } from "../../src/planner.js";
import { put, tempDir } from "./world.js";

/** Packs a folder as the asset tools, each file of which goes as told. */
async function pack(dir: string, sent: Sent, stop = new Stop()) {
  const counts = { uploadedFiles: 0 };
  const options = { assets: [{ key: "tools", dir }] };
  const session = { root: "/elsewhere", core: new Core(createPlanner()), options, stop, counts } as unknown as Session;
  const archive = { addFrom: async () => sent, close: async () => undefined } as unknown as ArchiveWriter;
  return { problems: await writeAsset(session, archive, "tools"), ...counts };
}

test("a file of an asset that did not travel is reported, and not counted", async (t) => {
  const dir = tempDir(t);
  put(dir, "sub/f", "1");
  assert.deepEqual(await pack(dir, {}), { problems: [], uploadedFiles: 1 });
  const { problems, uploadedFiles } = await pack(dir, { problem: "unreadable", detail: "why" });
  const unreadable = (name: string) => ({ path: "asset tools/" + name, code: "unreadable", detail: "why" });
  assert.deepEqual([problems, uploadedFiles], [["sub", "sub/f"].map(unreadable), 0]);
});

test("R6: an asset is stopped while it is listed", async (t) => {
  const stop = new Stop();
  stop.stop();
  await assert.rejects(pack(tempDir(t), {}, stop), { code: "cancelled" });
});

test("where no more folders can be opened an asset ends: the sandbox would get a part of it for the whole", async (t) => {
  const dir = tempDir(t);
  put(dir, "sub/f", "1");
  const list = fs.readdirSync as (...args: unknown[]) => unknown;
  const fail = (code: string) =>
    t.mock.method(fs, "readdirSync", (...args: unknown[]) => {
      if (String(args[0]).endsWith("/sub")) throw Object.assign(new Error(code), { code });
      return list(...args);
    });
  fail("EMFILE");
  await assert.rejects(pack(dir, {}), { code: "io_failed", hint: /ulimit -n/ });
  t.mock.restoreAll();
  fail("EACCES");
  assert.deepEqual((await pack(dir, {})).problems, [{ path: "asset tools/sub", code: "unreadable" }]);
});
