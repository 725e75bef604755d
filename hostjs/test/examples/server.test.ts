import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { directorySandbox } from "../../examples/directorySandbox.js";
import { createRunServer, type Run } from "../../examples/server.js";
import { goHost } from "../host/goHost.js";
import { listing, read, remove, type Pair } from "../host/pair.js";
import { put, tempDir } from "../host/world.js";

type Done = Extract<Run, { state: "done" }>;
type Failed = Extract<Run, { state: "failed" }>;

/** The server on a free port of loopback, over a workspace and the sandboxes one and two. */
class Running {
  readonly local: string;
  readonly sandboxes: { one: string; two: string };
  /** Where the server, which names no folder, keeps what it remembers. */
  readonly stateDir: string;
  url = "";

  private constructor(readonly top: string) {
    this.local = path.join(top, "local");
    this.sandboxes = { one: path.join(top, "one"), two: path.join(top, "two") };
    this.stateDir = path.join(top, "xdg/syncplan");
  }

  static async start(t: TestContext): Promise<Running> {
    const r = new Running(tempDir(t));
    for (const dir of [r.local, ...Object.values(r.sandboxes)]) fs.mkdirSync(dir);
    const before = process.env["XDG_STATE_HOME"];
    process.env["XDG_STATE_HOME"] = path.join(r.top, "xdg");
    const sandboxes = Object.fromEntries(Object.entries(r.sandboxes).map(([name, dir]) => [name, directorySandbox(dir)]));
    const server = createRunServer({ workspace: r.local, sandboxes, adapterKey: "planner" }).listen(0, "127.0.0.1");
    await once(server, "listening");
    r.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    t.after(async () => {
      if (before === undefined) delete process.env["XDG_STATE_HOME"];
      else process.env["XDG_STATE_HOME"] = before;
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    });
    return r;
  }

  async post(body: string): Promise<{ status: number; body: Record<string, string> }> {
    const response = await fetch(this.url + "/runs", { method: "POST", body });
    return { status: response.status, body: (await response.json()) as Record<string, string> };
  }

  /** Starts a run and waits for its end. */
  async run(sandbox: "one" | "two", command: string): Promise<Run> {
    const { status, body } = await this.post(JSON.stringify({ sandbox, command }));
    assert.equal(status, 202, JSON.stringify(body));
    for (;;) {
      const response = await fetch(`${this.url}/runs/${body["id"]}`);
      const run = (await response.json()) as Run;
      if (run.state !== "running") return run;
      await sleep(10);
    }
  }

  async done(sandbox: "one" | "two", command: string): Promise<Done> {
    const run = await this.run(sandbox, command);
    assert.equal(run.state, "done", JSON.stringify(run));
    return run as Done;
  }

  /** A push or pull of the Go host with the state of this server. */
  go(sandbox: string, op: "push" | "pull"): Promise<Record<string, unknown>> {
    return goHost({ local: this.local, sandbox, options: { stateDir: this.stateDir } } as Pair, op);
  }
}

test("two runs at a time change one workspace, and no version is lost", async (t) => {
  const r = await Running.start(t);
  put(r.local, "notes", "one\ntwo\nthree\nfour\nfive\n");
  put(r.local, "blob", "\0base");
  // Each command waits until the other runs too.
  const meet = (mine: string, other: string) => `touch ${r.top}/${mine} && until [ -e ${r.top}/${other} ]; do sleep 0.01; done`;
  const [one, two] = await Promise.all([
    r.done("one", `${meet("a", "b")} && sed -i s/one/ONE/ notes && printf '\\0A' >blob && echo a >from-one`),
    r.done("two", `${meet("b", "a")} && sed -i s/five/FIVE/ notes && printf '\\0B' >blob && echo b >from-two`),
  ]);
  assert.equal(read(r.local, "notes"), "ONE\ntwo\nthree\nfour\nFIVE\n");
  assert.deepEqual([read(r.local, "from-one"), read(r.local, "from-two")], ["a\n", "b\n"]);
  const conflicts = [...one.report.conflicts, ...two.report.conflicts];
  assert.deepEqual(conflicts.map((c) => c.path), ["blob"], "the run that came home second found the other's blob");
  assert.deepEqual([read(r.local, "blob"), read(r.local, conflicts[0]!.copy!)].sort(), ["\0A", "\0B"]);
});

test("a workspace that the Go host pushed comes home through the server", async (t) => {
  const r = await Running.start(t);
  put(r.local, "notes", "one\ntwo\nthree\n");
  put(r.local, "gone", "known to both");
  const pushed = await r.go(r.sandboxes.one, "push");
  assert.equal(pushed["status"], "ok");
  remove(r.sandboxes.one, "gone");
  const { report } = await r.done("one", `echo new >new && sed -i s/three/THREE/ notes && sed -i s/one/ONE/ ${r.local}/notes`);
  assert.deepEqual(listing(r.local), { notes: "644 ONE\ntwo\nTHREE\n", new: "644 new\n" }, "without the Go host's base nothing would be deleted or merged");
  assert.equal(report.deleted, 1);
});

test("a workspace that the server pushed comes home through the Go host", async (t) => {
  const r = await Running.start(t);
  put(r.local, "notes", "one\ntwo\nthree\n");
  put(r.local, "gone", "known to both");
  await r.done("one", "true");
  put(r.sandboxes.one, "notes", "one\ntwo\nTHREE\n");
  remove(r.sandboxes.one, "gone");
  put(r.local, "notes", "ONE\ntwo\nthree\n");
  const pulled = await r.go(r.sandboxes.one, "pull");
  assert.equal(pulled["status"], "ok", JSON.stringify(pulled));
  assert.deepEqual(listing(r.local), { notes: "644 ONE\ntwo\nTHREE\n" });
});

test("a run that fails says why, and a refused one carries its report", async (t) => {
  const r = await Running.start(t);
  for (let i = 0; i < 30; i++) put(r.local, `f${i}`, "x");
  const before = listing(r.local);
  const failed = (await r.run("one", "echo half >done; echo because >&2; exit 3")) as Failed;
  assert.deepEqual([failed.state, failed.error.code], ["failed", "command_failed"]);
  assert.match(failed.error.message, /exit status 3: because/);
  assert.deepEqual(listing(r.local), { ...before, done: "644 half\n" }, "what a failing command did comes home all the same");
  fs.rmSync(path.join(r.local, "done"));
  const refused = (await r.run("one", "rm -f f*")) as Failed;
  assert.deepEqual([refused.error.code, refused.error.report?.guard], ["refused", "sandbox_emptied"]);
  assert.deepEqual(listing(r.local), before);
});

test("requests that are wrong are told so", async (t) => {
  const r = await Running.start(t);
  const run = { sandbox: "one", command: "true" };
  for (const body of ["", "null", "[]", "{", JSON.stringify({ ...run, sandbox: "three" }), JSON.stringify({ ...run, sandbox: "__proto__" }), JSON.stringify({ ...run, command: 1 }), JSON.stringify({ ...run, command: "x".repeat(70_000) })]) {
    assert.equal((await r.post(body)).status, 400, body.slice(0, 50));
  }
  for (const [method, at] of [["GET", "/runs/none"], ["GET", "/"], ["DELETE", "/runs"]] as const) {
    assert.equal((await fetch(r.url + at, { method })).status, 404, `${method} ${at}`);
  }
});
