import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { onAbort } from "../../src/host/abort.js";

test("one signal stops any number of syncs, and Node takes them for no leak", async (t) => {
  const warnings: Error[] = [];
  const warn = (warning: Error) => void warnings.push(warning);
  process.on("warning", warn);
  t.after(() => process.off("warning", warn));
  const abort = new AbortController();
  let stopped = 0;
  const [leave] = Array.from({ length: 20 }, () => onAbort(abort.signal, () => stopped++));
  leave!();
  abort.abort();
  await setImmediate();
  assert.equal(stopped, 19);
  assert.deepEqual(warnings, []);
});
