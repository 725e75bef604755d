import assert from "node:assert/strict";
import { test } from "node:test";

import { Calls } from "../../src/host/calls.js";
import type { FromWorker } from "../../src/host/messages.js";

test("a stop ends the calls of a client, and leaves those that tell what was done before it", async () => {
  const asked: FromWorker[] = [];
  const calls = new Calls({ postMessage: (message: FromWorker) => void asked.push(message) });
  const told = [calls.make({ name: "takeReport", list: "lines", items: [] })];
  const read = [calls.make({ name: "readFile", path: "/x" })];
  calls.receive({ kind: "abort" });
  read.push(calls.make({ name: "readFile", path: "/y" }));
  told.push(calls.make({ name: "takeReport", list: "problems", items: [] }));
  for (const call of read) await assert.rejects(call, { code: "cancelled" });
  calls.receive({ kind: "answer", id: 2 }); // what the client answers after all is nobody's
  calls.receive({ kind: "failure", id: 2, error: { code: "client_failed", message: "late" } });
  const ids = asked.flatMap((m) => (m.kind === "call" && m.call.name === "takeReport" ? [m.id] : []));
  for (const id of ids) calls.receive({ kind: "answer", id });
  await Promise.all(told);
  assert.deepEqual(ids, [1, 3], "the later call of the client was not even asked for");
});
