import assert from "node:assert/strict";
import { test } from "node:test";

import { seal } from "../src/fletcher64.js";

function sealOf(words: ArrayLike<number>): number[] {
  const sealed = new Uint32Array(2 + words.length);
  sealed.set(words, 2);
  seal(sealed);
  return [...sealed.subarray(0, 2)];
}

test("the checksum is the sum of the words, and the sum of the sums", () => {
  for (const [words, want] of [
    [[], [0, 0]],
    [[1, 2, 3, 0], [6, 16]],
    [[0xffffffff, 0], [4, 8]],
    [[0xfffffffa, 1], [0, 0xfffffffa]],
    [Array(10).fill(1), [10, 55]],
    [new Uint32Array(new TextEncoder().encode("abcdefgh").buffer), [0xcccac8c6, 0x312e2b2c]],
  ] as [ArrayLike<number>, number[]][]) assert.deepEqual(sealOf(words), want);
});

test("the largest words are summed exactly", () => {
  const [prime, word] = [4294967291n, 0xffffffffn];
  for (const n of [1024, 1026, 5000, 300_000]) {
    const count = BigInt(n);
    const want = [(count * word) % prime, (((count * (count + 1n)) / 2n) * word) % prime].map(Number);
    assert.deepEqual(sealOf(new Uint32Array(n).fill(0xffffffff)), want, `${n} words`);
  }
});
