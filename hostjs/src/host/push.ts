import { PlannerError } from "../errors.js";
import type { ApplyPlan, Decision, Plan, Problem, Result, Sent as SentReport, Upload } from "../types.js";
import { ArchiveWriter, smallFile, type Member, type Sent } from "./archiveWriter.js";
import { writeAsset } from "./assets.js";
import { CacheBuilder, now } from "./cache.js";
import { maxContent, type Contents } from "./contents.js";
import { hostError } from "./errors.js";
import { PartWriter } from "./parts.js";
import { sortProblems } from "./scan.js";
import type { Session, SyncReport } from "./session.js";
import { readLocal } from "./bodies.js";
import { survey, why } from "./survey.js";

/** Bounds how often a push plans again because the sandbox changed between the survey and the apply step. */
const maxTries = 3;

/** Sends the workspace into the sandbox. What changed only there stays and comes home with the next pull. */
export async function push(s: Session): Promise<SyncReport> {
  for (let left = maxTries; ; ) {
    try {
      return await pushOnce(s);
    } catch (error) {
      if (!(error instanceof PlannerError) || error.code !== "stale_plan" || --left === 0) throw error;
    }
    s.rescan();
    s.request.resume = s.state.sending();
    s.request.look = true;
    s.core.forgetRemote();
    s.renew();
  }
}

async function pushOnce(s: Session): Promise<SyncReport> {
  const plan: Plan = await planPush(s);
  if (s.dryRun || plan.phase !== "apply") return s.report(s.core.summarise());
  const contents = s.openContents();
  const send = new Send(s, plan, contents);
  await send.steps();
  const report = s.core.summarise(send.results);
  report.problems = sortProblems([...(report.problems ?? []), ...send.problems]);
  const next = send.dropsBase ? s.core.commit(send.results, false) : s.core.commit(send.results);
  if (s.first) send.read.save(s.state.file("scan"));
  send.keepReused();
  contents.close(next);
  if (next) s.state.saveBase(next);
  s.state.sent();
  return s.report(report);
}

async function planPush(s: Session): Promise<Plan> {
  s.scan();
  const plan = s.core.next(s.request);
  if (plan.phase !== "survey") return plan;
  await survey(s);
  return s.core.next(s.request);
}

/** Carries out the steps of one push plan. */
class Send {
  readonly results: Result[];
  /** Of assets, and of files that were sent while they changed. */
  readonly problems: Problem[] = [];
  /** Of a first push, what was read while it was sent. */
  readonly read: CacheBuilder;
  private readonly decisions: readonly Decision[];
  private readonly uploads: readonly Upload[];
  private bytes = 0;

  constructor(
    private readonly s: Session,
    private readonly plan: ApplyPlan,
    private readonly contents: Contents,
  ) {
    this.decisions = plan.decisions ?? [];
    this.uploads = plan.uploads ?? [];
    this.results = this.decisions.map(() => ({ status: "done" }));
    this.read = new CacheBuilder(s.root, now());
  }

  get dropsBase(): boolean {
    return this.plan.drop_base ?? false;
  }

  async steps(): Promise<void> {
    const { s } = this;
    for (const step of this.plan.steps ?? []) {
      switch (step.do) {
        case "make_dir":
          await s.sandbox.makeDir(step.path);
          break;
        case "upload":
          s.enter("sending");
          await this.upload(step.path, step.asset);
          break;
        case "run":
          s.enter("applying in the sandbox");
          if (this.dropsBase) s.state.dropBase();
          try {
            await s.sandbox.run(step.command, s.options.timeoutMs);
          } catch (error) {
            throw await explain(s, error);
          }
          break;
      }
    }
  }

  /** Sends the archive of the workspace, or of one asset, in parts. */
  private async upload(path: string, asset: string | undefined): Promise<void> {
    const { s } = this;
    const before = s.sandbox.counts.sent;
    let n = 0;
    const out = new PartWriter(s.classic ? 0 : s.options.part, (part) => s.sandbox.writeFile(s.core.partPath(path, n++), part));
    const archive = new ArchiveWriter(out, s.stop, s.classic);
    try {
      if (asset !== undefined) {
        this.problems.push(...(await writeAsset(s, archive, asset)));
        return;
      }
      // In classic nothing of one that was cut off can be used.
      if (!this.dropsBase) s.state.noteSending(s.request.run);
      await this.workspace(archive);
    } finally {
      s.counts.uploadedBytes += s.sandbox.counts.sent - before;
    }
  }

  private async workspace(archive: ArchiveWriter): Promise<void> {
    const { s } = this;
    const index: number[] = []; // of the uploads that travel
    const members: Member[] = [];
    this.uploads.forEach((up, i) => {
      if (up.from) return;
      index.push(i);
      members.push(this.member(up));
    });
    const reports: SentReport[] = this.uploads.map(() => ({}));
    const keep = (digest: string, data: Buffer) => this.contents.add(digest, data);
    await archive.addAll(s.root, members, keep, (i, sent) => {
      const upload = index[i]!;
      reports[upload] = this.note(members[i]!, this.uploads[upload]!.decision ?? 0, sent);
      if (i % 64 === 0) s.show(i + 1, this.bytes);
    });
    for (const m of s.core.seal(s.request, reports)) archive.addBytes(m.name, 0o600, m.data);
    await archive.close();
  }

  private member(up: Upload): Member {
    const d = this.decisions[up.decision ?? 0]!;
    const entry = { ...d.want!, path: d.path };
    // A directory is filled and moved; the apply script gives it the mode it shall have.
    if (entry.kind === "dir") entry.mode = (entry.mode ?? 0) | 0o700;
    return { name: up.name, entry };
  }

  /** Takes down how a member travelled. */
  private note(member: Member, decision: number, sent: Sent): SentReport {
    const { s } = this;
    if (sent.problem && sent.digest === undefined) {
      this.results[decision] = { status: "failed", code: sent.problem, detail: sent.detail ?? "" };
      return { problem: sent.problem };
    }
    // Sent all the same, so base speaks of what was sent.
    if (sent.problem) this.problems.push({ path: member.entry.path, code: sent.problem, detail: sent.detail ?? "" });
    if (member.entry.kind !== "file") return {};
    const { digest = "", size = 0 } = sent;
    this.results[decision] = { status: "done", digest, size };
    if (s.first && sent.info && s.localEntry(member.entry.path)?.digest === undefined) {
      this.read.add(member.entry.path, sent.info, Buffer.from(digest, "hex"));
    }
    this.bytes += size;
    s.counts.uploadedFiles++;
    return { digest, ...(sent.name && { name: sent.name }) };
  }

  /** Stores the contents that did not travel because the sandbox had them, for text merges to come. */
  keepReused(): void {
    for (const up of this.uploads) {
      const d = this.decisions[up.decision ?? 0]!;
      const { digest, size = 0 } = d.want!;
      if (!up.from || !digest || size > maxContent || this.results[up.decision ?? 0]!.status !== "done" || this.contents.has(digest)) continue;
      const data = readLocal(this.s, d.path, digest, smallFile);
      if (data) this.contents.add(digest, data);
    }
  }
}

/** Turns a failed command into what it means. */
async function explain(s: Session, error: unknown): Promise<unknown> {
  switch (await why(s, error)) {
    case "stale":
    case "script":
      return hostError("stale_plan", "the sandbox changed while the push was planned; nothing was changed there", { hint: "run it again" });
    case "busy":
      return hostError("busy", "another push is being applied in this sandbox", { hint: "wait for it to end and run it again" });
  }
  return error;
}
