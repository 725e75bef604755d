// A client that runs commands with streams: one call each way, and an end of either side is never taken for the whole.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout } from "node:timers/promises";

import { Channel } from "../../src/host/channel.js";
import { Streams, type RunStream } from "../../src/host/streams.js";
import { StreamingDirectoryClient } from "./directory.js";
import { goHost } from "./goHost.js";
import { listing, Pair, read, runtimeDir } from "./pair.js";
import { sha256 } from "./world.js";

/** A pair whose client runs commands with streams as given. */
function streaming(t: TestContext, runStream?: RunStream): Pair {
  const p = new Pair(t);
  p.stream(runStream);
  return p;
}

const plain = new StreamingDirectoryClient();

interface Cost {
  calls: number;
  up: number;
  down: number;
}

/** What each of some syncs cost: a first push, a push and a pull of changes, and of nothing. */
async function costs(p: Pair, sync: (op: "push" | "pull") => Promise<Cost>): Promise<Cost[]> {
  const found: Cost[] = [];
  for (let i = 0; i < 50; i++) p.here(`d${i % 5}/f${i}`, `content ${i} `.repeat(1000));
  p.here("large", Buffer.alloc(3 << 20, "large"));
  found.push(await sync("push"), await sync("push"));
  p.there("d1/f1", "edited");
  p.there("new", Buffer.alloc(1 << 20, "new"));
  await setTimeout(50); // in the tick of the survey they would be doubtful, and the push would look again
  found.push(await sync("pull"), await sync("pull"));
  p.here("d2/f2", "edited here");
  found.push(await sync("push"));
  assert.deepEqual(listing(p.local), listing(p.sandbox));
  return found;
}

test("a client that streams gets one call each way, as many calls and bytes as in the Go host", async (t) => {
  const ours = streaming(t);
  const names = ours.calls();
  const cost = await costs(ours, async (op) => {
    const { clientCalls, uploadedBytes, downloadedBytes } = await ours[op]();
    return { calls: clientCalls, up: uploadedBytes, down: downloadedBytes };
  });
  assert.deepEqual(names, ["runStream", "run", "runStream", "runStream", "run", "runStream"]);
  const theirs = new Pair(t);
  const same = await costs(theirs, async (op) => {
    const { client_calls, uploaded_bytes, downloaded_bytes } = await goHost(theirs, op);
    return { calls: Number(client_calls), up: Number(uploaded_bytes), down: Number(downloaded_bytes) };
  });
  // The lines of a listing hold numbers of inodes, which have more digits in one sandbox than in the other.
  const inodes = ({ calls, up, down }: Cost, i: number) => ({ calls, up, down: Math.abs(down - (same[i]?.down ?? 0)) < 32 ? same[i]?.down : down });
  assert.deepEqual(cost.map(inodes), same);
  assert.ok(!fs.readdirSync(path.join(ours.sandbox, runtimeDir, "planner")).some((name) => /^(up|down|in)-/.test(name)));
});

test("an asset travels as a stream, too", async (t) => {
  const p = streaming(t);
  const dir = path.join(p.top, "asset");
  fs.mkdirSync(dir);
  fs.writeFileSync(path.join(dir, "skill.md"), "skill");
  p.options.assets = [{ key: "skills", dir }];
  p.here("a", "1");
  const { clientCalls } = await p.push();
  assert.equal(clientCalls, 2);
  assert.equal(read(p.sandbox, `${runtimeDir}/planner/skills/skill.md`), "skill");
});

test("an input that is stopped on its way applies nothing, and the next push completes it", async (t) => {
  const abort = new AbortController();
  let running: Promise<void> | undefined;
  const p = streaming(t, (command, streams) => {
    const { stdin } = streams;
    let pieces = 0;
    running = plain.runStream(command, {
      ...streams,
      stdin: (into) => {
        if (++pieces === 20) abort.abort();
        return stdin!(into);
      },
    });
    return running;
  });
  const large = randomBytes(8 << 20);
  p.here("a", "1");
  p.here("large", large);
  const { error } = await p.run("push", { signal: abort.signal });
  assert.equal(error?.code, "cancelled");
  await assert.rejects(running!, "the command is not left waiting for the rest");
  assert.deepEqual(listing(p.sandbox), {});
  p.stream();
  await p.push();
  assert.deepEqual(listing(p.sandbox), listing(p.local));
});

const broken: Record<string, RunStream> = {
  "fails at once": () => Promise.reject(new Error("no such sandbox")),
  "fails without a wait for its input": async (_, { stdin }) => {
    void stdin!(new Uint8Array(1000));
    throw new Error("no such sandbox");
  },
  "fails while it reads": async (_, { stdin }) => {
    await stdin!(new Uint8Array(1000));
    throw new Error("no such sandbox");
  },
};
for (const [what, runStream] of Object.entries(broken)) {
  test(`a command that ${what} is the client's error`, async (t) => {
    const p = streaming(t, runStream);
    p.here("large", Buffer.alloc(4 << 20, "l"));
    const { error } = await p.run("push");
    assert.equal(error?.code, "client_failed");
    assert.equal((error?.cause as Error).message, "no such sandbox");
  });
}

test("a command that ends well before it has read its input has not applied it", async (t) => {
  const p = streaming(t, async () => undefined);
  p.here("a", "1");
  const { error } = await p.run("push");
  assert.equal(error?.code, "client_failed");
  p.stream();
  assert.equal((await p.push()).uploadedFiles, 1, "nothing was taken for sent");
});

test("D8: a command that ended well without having read that its input is over was not run, and loses nothing", async (t) => {
  const p = streaming(t, async (_, { stdin }) => void (await stdin!(new Uint8Array(1 << 20))));
  p.here("a", "1");
  assert.match((await p.run("push")).error!.message, /before it had all of its input/);
  p.stream();
  await p.pull();
  assert.equal(read(p.local, "a"), "1");
  await p.push();
  assert.deepEqual(listing(p.sandbox), listing(p.local));
});

test("a sandbox that changed is looked at again, and its edit comes home", async (t) => {
  const p = streaming(t);
  p.here("a", "1");
  await p.push();
  p.here("b", "2");
  p.there("a", "edited");
  assert.equal((await p.push()).status, "ok");
  await p.pull();
  assert.equal(read(p.local, "a"), "edited");
  assert.equal(read(p.sandbox, "b"), "2");
});

test("D5: an output that ends early changes nothing, and one that is lost is the client's error", async (t) => {
  const p = streaming(t);
  p.here("a", "1");
  await p.push();
  p.there("b", randomBytes(200_000));
  const before = listing(p.local);
  const cut = (fail: boolean): RunStream => async (command, streams) => {
    let left = 100_000;
    await plain.runStream(command, {
      ...streams,
      stdout: async (piece) => {
        const part = piece.subarray(0, left);
        left -= part.length;
        if (part.length > 0) await streams.stdout!(part);
      },
    });
    if (fail) throw new Error("the connection was lost");
  };
  p.stream(cut(false));
  assert.equal((await p.run("pull")).error?.code, "corrupt");
  p.stream(cut(true));
  const { error } = await p.run("pull");
  assert.equal((error?.cause as Error | undefined)?.message, "the connection was lost");
  assert.deepEqual(listing(p.local), before);
  p.stream();
  await p.pull();
  assert.deepEqual(listing(p.local), listing(p.sandbox));
});

test("D5: a command whose output is damaged is broken off, and the damage is what is told", async (t) => {
  const p = streaming(t);
  p.here("a", "1");
  await p.push();
  p.there("large", randomBytes(4 << 20));
  p.stream((command, streams) => plain.runStream(command, { ...streams, stdout: (piece) => streams.stdout!(Buffer.alloc(piece.length, "x")) }));
  assert.equal((await p.run("pull")).error?.code, "corrupt");
  p.stream();
  await p.pull();
  assert.deepEqual(listing(p.local), listing(p.sandbox));
});

test("R6: a command with streams that hangs is stopped by the signal", async (t) => {
  const p = streaming(t);
  p.here("a", "1");
  await p.push();
  p.here("b", "2");
  for (const op of ["push", "pull"] as const) {
    const abort = new AbortController();
    p.stream(() => new Promise(() => abort.abort(new Error("enough"))));
    const { error } = await p.run(op, { signal: abort.signal });
    assert.equal(error?.code, "cancelled", op);
    assert.equal((error?.cause as Error).message, "enough");
  }
});

test("a stream whose command failed is none that ended, however late it is read", async () => {
  const streams = new Streams();
  const call = { name: "receive", command: "true", timeoutMs: 1000 } as const;
  await assert.rejects(streams.run(() => Promise.reject(new Error("the line is down")), { ...call, stream: 1 }), /the line is down/);
  await assert.rejects(streams.take(1), /the command ended/);
  await streams.run(() => Promise.resolve(), { ...call, stream: 2 });
  assert.equal(await streams.take(2), undefined);
});

test("what a command wrote last is read, also where its client did not wait until it was", async () => {
  const streams = new Streams();
  const runStream: RunStream = async (_, { stdout }) => void stdout!(Uint8Array.of(1, 2, 3));
  await streams.run(runStream, { name: "receive", stream: 1, command: "", timeoutMs: 1 });
  assert.deepEqual(new Uint8Array((await streams.take(1))!), Uint8Array.of(1, 2, 3));
  assert.equal(await streams.take(1), undefined);
});

test("D14: a scan that can't be kept ends a pull, whose command is not left waiting for a reader", async (t) => {
  const p = streaming(t);
  p.here("a", "1");
  await p.push();
  p.there("a", "2");
  const [state] = fs.readdirSync(p.options.stateDir);
  const cache = path.join(p.options.stateDir, state!, "scan");
  fs.rmSync(cache);
  fs.mkdirSync(path.join(cache, "in the way"), { recursive: true });
  let running: Promise<void> | undefined;
  p.stream((command, streams) => (running = plain.runStream(command, streams)));
  const signal = AbortSignal.timeout(120_000);
  const { error } = await p.run("pull", { signal });
  assert.equal(error?.code, "io_failed");
  assert.ok(!signal.aborted, "the pull waited for nobody to stop it");
  await assert.rejects(running!);
  fs.rmSync(cache, { recursive: true });
  await p.pull();
  assert.equal(read(p.local, "a"), "2");
});

test("a client that does not wait for its turn is told so, and neither hangs nor ends the server", async (t) => {
  const p = streaming(t, async (_, { stdin }) => void (await Promise.all([stdin!(new Uint8Array(9)), stdin!(new Uint8Array(9))])));
  p.here("a", "1");
  assert.match((await p.run("push")).error!.message, /stdin was called again before it had answered/);
  p.stream();
  await p.push();
  p.there("b", randomBytes(200_000));
  const halves = (piece: Uint8Array) => [piece.subarray(0, piece.length / 2), piece.subarray(piece.length / 2)];
  p.stream((command, streams) => plain.runStream(command, { ...streams, stdout: async (piece) => void halves(piece).map(streams.stdout!) }));
  assert.match((await p.run("pull")).error!.message, /stdout was called again before the piece before was used/);
  p.stream();
  await p.pull();
  assert.deepEqual(listing(p.local), listing(p.sandbox));
});

const bytesOf = (piece: Uint8Array) => Uint8Array.from(piece).buffer;
const goodPieces: Record<string, (piece: Uint8Array) => unknown> = {
  "an ArrayBuffer": bytesOf,
  "a view of another kind": (piece) => new DataView(bytesOf(piece)),
};
const wrongPieces: Record<string, unknown> = { text: "text", nothing: undefined, null: null, list: [1, 2], object: {} };

/** A client that hands on what a command wrote in another form. */
const inForm = (form: (piece: Uint8Array) => unknown): RunStream => (command, streams) =>
  plain.runStream(command, { ...streams, ...(streams.stdout && { stdout: (piece) => streams.stdout!(form(piece) as Uint8Array) }) });

for (const [name, form] of Object.entries(goodPieces)) {
  test(`a client whose command writes ${name} is understood`, async (t) => {
    const p = streaming(t);
    p.here("a", "1");
    await p.push();
    p.there("a", "2");
    p.stream(inForm(form));
    await p.pull();
    assert.equal(read(p.local, "a"), "2");
  });
}

for (const [name, piece] of Object.entries(wrongPieces)) {
  test(`a client whose command writes ${name} neither hangs nor writes anything`, async (t) => {
    const p = streaming(t);
    p.here("a", "1");
    await p.push();
    p.there("a", "2");
    p.stream(inForm(() => piece));
    const { error } = await p.run("pull", { signal: AbortSignal.timeout(120_000) });
    assert.equal(error?.code, "client_failed");
    assert.match(error!.message, /stdout was given neither a Buffer/);
    assert.equal(read(p.local, "a"), "1");
  });
}

test("a piece of any length is handed on in slices", async () => {
  const streams = new Streams();
  const piece = randomBytes((9 << 20) + 1);
  const ended = streams.run((_, { stdout }) => stdout!(piece), { name: "receive", stream: 1, command: "", timeoutMs: 1 });
  const lengths: number[] = [];
  const hash = createHash("sha256");
  for (let part; (part = await streams.take(1)); lengths.push(part.byteLength)) hash.update(new Uint8Array(part));
  await ended;
  assert.deepEqual(lengths, [4 << 20, 4 << 20, (1 << 20) + 1]);
  assert.equal(hash.digest("hex"), sha256(piece));
});

test("a channel hands on every byte in order, and each side learns of the other's end", async () => {
  const channel = new Channel();
  const given = channel.give(Uint8Array.of(1, 2, 3));
  assert.deepEqual([...(await channel.next())!], [1, 2, 3]);
  channel.used(2);
  assert.deepEqual([...(await channel.next())!], [3], "what was left comes again");
  channel.used(1);
  await given;
  await channel.give(new Uint8Array());
  const waiting = channel.next();
  channel.end();
  assert.equal(await waiting, undefined);
  assert.equal(await channel.next(), undefined);

  const failing = new Channel();
  const lost = failing.give(Uint8Array.of(1));
  const why = new Error("why");
  failing.fail(why);
  failing.fail(new Error("later"));
  await assert.rejects(lost, why);
  await assert.rejects(failing.give(Uint8Array.of(2)), why);
  await assert.rejects(failing.next(), why);
  failing.used(1); // of a piece that was taken right before
});

for (const streams of [false, true]) {
  test(`a large file on its way is told of, ${streams ? "with" : "without"} streams`, async (t) => {
    const p = new Pair(t);
    if (streams) p.stream();
    p.options.part = 4 << 20;
    const most = new Map<string, number>();
    const onProgress = ({ stage, bytes }: { stage: string; bytes: number }) => void most.set(stage, Math.max(most.get(stage) ?? 0, bytes));
    p.here("large", Buffer.alloc(20 << 20, "large"));
    assert.equal((await p.run("push", { onProgress })).error, undefined);
    p.there("large", Buffer.alloc(20 << 20, "other"));
    assert.equal((await p.run("pull", { onProgress })).error, undefined);
    for (const stage of ["sending", "receiving"]) assert.ok(most.get(stage)! >= 16 << 20, `${stage}: ${most.get(stage)} bytes`);
  });
}
