import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import cluster from "node:cluster";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { test } from "node:test";

import { acquireLock } from "../../src/host/lock.js";
import type { ProgressEvent } from "../../src/host/options.js";
import { goHost } from "./goHost.js";
import { Pair } from "./pair.js";
import { tempDir } from "./world.js";

const lockModule = new URL("../../src/host/lock.js", import.meta.url).href;

/** The name of a workspace's lock on Linux. */
function socketName(path: string): string {
  const name = "syncplan-" + createHash("sha256").update(path).digest("hex").slice(0, 32);
  return "\0" + name.padEnd(107, ".");
}

/** A process that holds the lock until it is killed. */
async function holder(path: string): Promise<{ pid: number; kill(): void }> {
  const code = `
    import { acquireLock } from ${JSON.stringify(lockModule)};
    await acquireLock(${JSON.stringify(path)});
    console.log("held");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return { pid: child.pid!, kill: () => child.kill("SIGKILL") };
}

test("R5: one holder at a time, and a dead one blocks nobody", async (t) => {
  const path = tempDir(t);
  const other = await holder(path);
  t.after(other.kill);
  const told: string[] = [];
  let waiting: ReturnType<typeof acquireLock>;
  await new Promise<void>((waits, reject) => {
    waiting = acquireLock(path, { waiting: (who) => (told.push(who), waits()) });
    waiting.then(() => reject(new Error("two hold the lock")), reject);
  });
  other.kill();
  const release = await waiting!;
  assert.deepEqual(told, [`process ${other.pid}`]);
  await release();
});

/** Takes the name of a lock, as any local user can. */
async function stranger(path: string, serve: (connection: net.Socket) => void): Promise<net.Server> {
  const server = net.createServer(serve);
  server.listen(socketName(path));
  await once(server, "listening");
  return server;
}

test("R5: a holder that does not speak is told of once", async (t) => {
  const path = tempDir(t);
  let served = 0;
  const server = await stranger(path, (connection) => {
    connection.destroy();
    if (++served === 3) server.close();
  });
  const told: string[] = [];
  await (await acquireLock(path, { waiting: (who) => told.push(who) }))();
  assert.deepEqual(told, ["another process"]);
});

test("R5: whoever holds the name of a lock does not choose what is said", async (t) => {
  const path = tempDir(t);
  const server = await stranger(path, (connection) => {
    connection.on("error", () => connection.destroy()); // a waiter may leave before it was answered
    connection.end("\x1b[2Jprocess 1\n");
  });
  t.after(() => server.close());
  const told: string[] = [];
  const enough = new AbortController();
  const waiting = (who: string) => {
    told.push(who);
    enough.abort();
  };
  await assert.rejects(acquireLock(path, { signal: enough.signal, waiting }), { code: "cancelled" });
  assert.deepEqual(told, ["another process"]);
});

test("R5: a wait ends with the signal, and after its time", async (t) => {
  const path = tempDir(t);
  const release = await acquireLock(path);
  await assert.rejects(acquireLock(path, { longest: 50 }), { code: "busy" });
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 50);
  await assert.rejects(acquireLock(path, { signal: abort.signal }), { code: "cancelled" });
  await release();
  await (await acquireLock(path, { longest: 60_000 }))();
});

test("R5: a sync that waits tells who holds the workspace, and ends with the signal", async (t) => {
  const p = new Pair(t);
  const release = await acquireLock(p.local);
  t.after(release);
  const abort = new AbortController();
  const holders: string[] = [];
  const onProgress = ({ holder }: ProgressEvent) => {
    if (holder === undefined) return;
    holders.push(holder);
    abort.abort();
  };
  const { error } = await p.run("push", { signal: abort.signal, onProgress });
  assert.equal(error?.code, "cancelled");
  assert.deepEqual(holders, [`process ${process.pid}`]);
});

test("R5: waiters of one process take turns", async (t) => {
  const path = tempDir(t);
  let inside = 0;
  let most = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const release = await acquireLock(path);
      most = Math.max(most, ++inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      inside--;
      await release();
    }),
  );
  assert.equal(most, 1);
});

// The workers of a cluster share what they listen at, unless it is said otherwise.
test("R5: the workers of a cluster take turns", async (t) => {
  const path = tempDir(t);
  const program = join(path, "worker.mjs");
  // What two workers say may arrive in another order than it was said: they make and remove one folder.
  fs.writeFileSync(program, `
    import fs from "node:fs";
    import { acquireLock } from ${JSON.stringify(lockModule)};
    for (;;) {
      const release = await acquireLock(${JSON.stringify(path)});
      fs.mkdirSync(${JSON.stringify(join(path, "inside"))});
      process.send("in");
      await new Promise((resolve) => process.once("message", resolve));
      fs.rmdirSync(${JSON.stringify(join(path, "inside"))});
      await release();
    }`);
  cluster.setupPrimary({ exec: program });
  const workers = [cluster.fork(), cluster.fork()];
  t.after(() => Promise.all(workers.map((w) => (w.kill("SIGKILL"), once(w, "exit")))));
  let turns = 0;
  await new Promise<void>((resolve, reject) => {
    for (const worker of workers) {
      worker.once("exit", () => reject(new Error("two hold the lock")));
      worker.on("message", () => {
        if (++turns === 6) return resolve();
        setTimeout(() => worker.send("go on"), 50);
      });
    }
  });
});

test("R5: the Go host waits for the lock of this one", async (t) => {
  const p = new Pair(t);
  p.here("a", "1");
  const release = await acquireLock(p.local);
  const pushing = goHost(p, "push");
  const early = await Promise.race([pushing.then(() => "pushed"), new Promise((resolve) => setTimeout(resolve, 500, "waits"))]);
  assert.equal(early, "waits");
  await release();
  assert.equal((await pushing)["status"], "ok");
});

test("R5: whoever asks who holds a lock, however often, takes no more than some files from its holder", async (t) => {
  const path = tempDir(t);
  const release = await acquireLock(path);
  const ask = () =>
    new Promise<boolean>((resolve) => {
      const connection = net.connect(socketName(path));
      t.after(() => connection.destroy());
      connection.on("error", () => resolve(false)).on("close", () => resolve(false)).on("data", () => resolve(true));
    });
  const answers = await Promise.all(Array.from({ length: 100 }, ask));
  assert.equal(answers.filter(Boolean).length, 64);
  const next = acquireLock(path);
  await release();
  await (await next)();
});
