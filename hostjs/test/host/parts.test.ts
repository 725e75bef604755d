import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";

import { PartWriter } from "../../src/host/parts.js";
import { random, sha256 } from "./world.js";

/** Writes pieces of any length, half of them in place, and drains as a caller shall. */
async function fill(out: PartWriter, any: (n: number) => number, times: number): Promise<Buffer> {
  const given: Buffer[] = [];
  for (let i = 0; i < times; i++) {
    const data = Buffer.from(Array.from({ length: any(90) }, () => any(256)));
    const place = any(2) === 0 ? out.place(data.length) : undefined;
    if (place) {
      data.copy(place.buffer, place.at);
      out.take(data.length);
    } else out.write(data);
    given.push(data);
    if (out.waiting) await out.drain();
  }
  await out.close();
  return Buffer.concat(given);
}

for (const gives of [true, false]) {
  test(`parts are sent one after another, each whole, where the memory of one ${gives ? "is given back" : "is kept"}`, async () => {
    const any = random(11);
    for (const limit of [1, 7, 64, 1000, 100_000]) {
      const parts: Buffer[] = [];
      let sending = 0;
      const out = new PartWriter(limit, async (part) => {
        assert.equal(++sending, 1, "one at a time");
        const digest = sha256(part);
        parts.push(Buffer.from(part));
        for (let turns = any(3); turns > 0; turns--) await setImmediate();
        assert.equal(sha256(part), digest, "what is sent is not written to");
        sending--;
        return gives && part.length === limit ? part : undefined;
      });
      const data = await fill(out, any, 300);
      assert.deepEqual(Buffer.concat(parts), data);
      assert.equal(out.bytes, data.length);
      const lengths = parts.map((part) => part.length);
      assert.ok(lengths.slice(0, -1).every((n) => n === limit) && lengths.at(-1)! <= limit, `parts of ${limit}: ${lengths}`);
    }
  });
}

test("without a bound there is one part, of any length, and an empty body is one too", async () => {
  for (const times of [0, 1, 3000]) {
    const parts: Buffer[] = [];
    const out = new PartWriter(0, async (part) => void parts.push(part));
    const data = await fill(out, random(12), times);
    assert.deepEqual(parts, [data]);
    assert.equal(parts[0]!.length, parts[0]!.buffer.byteLength, "a client is given the whole of its memory");
    assert.equal(out.bytes, data.length);
  }
});

test("a part that can't be sent ends the archive, and no later one is sent", async () => {
  let sent = 0;
  const gone = new Error("gone");
  const out = new PartWriter(8, async () => {
    sent++;
    throw gone;
  });
  await assert.rejects(async () => {
    for (;;) {
      out.write(Buffer.alloc(20));
      await out.drain();
    }
  }, gone);
  assert.equal(sent, 1);
  const last = new PartWriter(8, async () => {
    throw gone;
  });
  last.write(Buffer.alloc(1));
  await assert.rejects(last.close(), gone);
});
