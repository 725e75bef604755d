// What a client gives back of other runs and other workspaces (promises D5 and S1 to S7): see hostgo/replay_test.go.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { PlannerError } from "../../src/errors.js";
import { listing, Pair, read } from "./pair.js";
import { DirectoryClient } from "./directory.js";
import { put, random } from "./world.js";

/**
 * Answers some calls with what an earlier one was answered, as it came or made to fit the run that asks, and says that
 * a call was done which was not.
 */
class Replayer extends DirectoryClient {
  lying = false;

  constructor(
    private readonly any: (below: number) => number,
    private readonly answers: Buffer[], // all that were given
  ) {
    super();
  }

  private lies(): boolean {
    return this.lying && this.any(4) === 0;
  }

  override async run(command: string, options: { timeoutMs: number }): Promise<void> {
    if (!this.lies()) await super.run(command, options);
  }

  override async writeFile(name: string, bytes: ArrayBuffer): Promise<void> {
    if (!this.lies()) await super.writeFile(name, bytes);
  }

  override async readFile(name: string): Promise<Buffer> {
    const got = Buffer.from((await super.readFile(name)) as Buffer);
    this.answers.push(got);
    return this.lies() ? this.old(name) : got;
  }

  private old(name: string): Buffer {
    const old = this.answers[this.any(this.answers.length)]!;
    const run = /down-([0-9a-z]+)/.exec(name)?.[1];
    if (!run || this.any(3) === 0) return old;
    const text = old.toString("latin1").replace(/(syncplan-survey 2 [a-z]+ )[0-9a-z]+\n/, `$1${run}\n`);
    return Buffer.from(text.slice(0, -65) + "0".repeat(64) + "\n", "latin1");
  }
}

for (let seed = 1; seed <= 5; seed++) {
  test(`answers of other runs and workspaces lose nothing that was written here (${seed})`, async (t) => {
    const any = random(seed);
    const answers: Buffer[] = [];
    const [other, p] = [new Pair(t), new Pair(t)];
    const liar = new Replayer(any, answers);
    [other.client, p.client] = [new Replayer(any, answers), liar];
    p.options.plan = { exclude: ["skip"] };
    for (let i = 0; i < 3; i++) {
      other.here(".git/HEAD", "another");
      other.here("a", "another workspace");
      other.there(`d/${i}`, "another sandbox");
      await other.push();
      await other.pull();
    }
    const guarded = { ".git/HEAD": "ref: refs/heads/main\n", ".git/hooks/x": "mine", "skip/mine": "mine", "../canary": "mine" };
    for (const [name, content] of Object.entries(guarded)) put(p.local, name, content);

    const ours = new Map<string, string>(); // by path, what is not known to be in the sandbox
    const step = async (op: "push" | "pull"): Promise<unknown> => {
      const there = listing(p.sandbox);
      const { report, error } = await p.run(op);
      const after = listing(p.sandbox);
      if (error || report?.status === "refused") return error;
      for (const [name, text] of ours) if (op === "push" || [there, after].some((tree) => tree[name]?.includes(text))) ours.delete(name);
      return undefined;
    };
    const check = () => {
      const all = Object.values(listing(p.local)).join("\n") + displaced(p.local);
      for (const [name, text] of ours) assert.ok(all.includes(text), `${text} of ${name} is lost`);
      for (const [name, content] of Object.entries(guarded)) assert.equal(read(p.local, name), content);
      assert.deepEqual(fs.readdirSync(path.join(p.local, ".git/hooks")), ["x"]);
    };
    for (let i = 0; i < 10; i++) {
      const name = ["a", "b", "d/a", "d/b"][any(4)]!;
      ours.set(name, `local-${seed}-${i}.`);
      p.here(name, `line\n${ours.get(name)}\nline\n`);
      p.there(["a", "c", "d/a", "e"][any(4)]!, `there ${i}\n`);
      liar.lying = any(4) > 0;
      const error = await step(i > 0 && any(2) ? "pull" : "push");
      assert.ok(!error || error instanceof PlannerError, String(error));
      check();
    }
    liar.lying = false;
    p.options.plan = { exclude: ["skip"], allow: ["sandbox_replaced", "sandbox_emptied", "mass_delete"] };
    for (const op of ["pull", "push", "pull"] as const) {
      assert.equal(await step(op), undefined);
      check();
    }
    const plain = (root: string) => Object.entries(listing(root)).filter(([name]) => !/^(skip|\.git)/.test(name));
    assert.deepEqual(plain(p.local), plain(p.sandbox));
  });
}

/** What a sync keeps of versions that it displaced. */
function displaced(root: string): string {
  const folder = path.join(root, ".paperclip-runtime/displaced");
  if (!fs.existsSync(folder)) return "";
  const files = fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter((f) => f.isFile());
  return files.map((f) => fs.readFileSync(path.join(f.parentPath, f.name), "latin1")).join("\n");
}
