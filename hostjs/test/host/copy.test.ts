import assert from "node:assert/strict";
import { test } from "node:test";

import { copyOf } from "../../src/host/copy.js";

test("a long body is copied in slices, between which a server has its turns", async () => {
  const body = Buffer.alloc((20 << 20) + 3, "some text");
  let turns = 0;
  let waiting: NodeJS.Immediate;
  const turn = () => {
    turns++;
    waiting = setImmediate(turn);
  };
  turn();
  const copy = Buffer.from(await copyOf(body));
  clearImmediate(waiting!);
  assert.ok(copy.equals(body));
  assert.ok(turns > 4, `${turns} turns`);
});

test("bytes of every form are copied, and nothing else is", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(3));
  shared.set([1, 2, 3]);
  const whole = Uint8Array.of(0, 1, 2, 3, 4);
  for (const form of [shared, shared.buffer, whole.subarray(1, 4), new DataView(whole.buffer, 1, 3), Buffer.from(whole).subarray(1, 4), Uint8Array.of(1, 2, 3).buffer]) {
    assert.deepEqual(new Uint8Array(await copyOf(form)), Uint8Array.of(1, 2, 3));
  }
  const copy = new Uint8Array(await copyOf(whole));
  whole.fill(9);
  assert.deepEqual(copy, Uint8Array.of(0, 1, 2, 3, 4), "the client's buffer stays its own");
  assert.equal((await copyOf(new Uint8Array(0))).byteLength, 0);
  for (const none of ["text", undefined, null, [1, 2], {}, 5]) await assert.rejects(copyOf(none), TypeError);
});
