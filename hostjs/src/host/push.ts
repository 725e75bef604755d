import { PlannerError } from "../errors.js";
import type { ApplyPlan, Plan, PlanReport, Problem } from "../types.js";
import { SentList } from "../uploads.js";
import { ArchiveWriter, smallFile, type Member, type Sent } from "./archiveWriter.js";
import { writeAsset } from "./assets.js";
import { CacheBuilder, now } from "./cache.js";
import { maxContent, type Contents } from "./contents.js";
import { hex } from "./digest.js";
import { hostError } from "./errors.js";
import { PartWriter } from "./parts.js";
import { sortProblems } from "./scan.js";
import type { Session, Synced } from "./session.js";
import type { SyncReport } from "./syncReport.js";
import { readLocal } from "./bodies.js";
import { meanwhile, runAndScan, survey, why } from "./survey.js";

/**
 * Bounds how often a push plans again because the sandbox changed between the survey and the apply step, or a
 * repository here while it was sent.
 */
const maxTries = 3;

/** The length of the pieces in which an archive is given to a command, in bytes. */
const pieceSize = 512 << 10;

/** Sends the workspace into the sandbox. What changed only there stays and comes home with the next pull. */
export async function push(s: Session): Promise<Synced> {
  for (let tries = 1; ; tries++) {
    let repo: string | undefined; // here, that was used meanwhile
    try {
      return { report: await pushOnce(s) };
    } catch (error) {
      if (!isStale(error)) throw error;
      repo = error.path;
      if (tries >= maxTries) {
        if (repo === undefined) throw error;
        // The rest need not wait for it.
        s.noted.push({ path: repo, code: "changing", detail: "the repository was used each time it was sent" });
      }
    }
    s.rescan(repo !== undefined);
    s.request.resume = s.state.sending();
    s.request.look = true;
    s.request.checked = false;
    s.request.forget ||= tries + 1 === maxTries; // the last try relies on nothing that the sandbox told earlier
    s.core.forgetRemote();
    s.renew();
  }
}

async function pushOnce(s: Session): Promise<SyncReport> {
  const plan: Plan = await planPush(s);
  if (plan.phase !== "apply") return s.report(s.core.summarise());
  const contents = s.openContents();
  const send = new Send(s, plan, contents);
  await send.steps();
  const { report, next } = send.outcome;
  report.problems = sortProblems([...(report.problems ?? []), ...send.problems]);
  contents.close(next);
  if (next) s.state.saveBase(next);
  s.state.sent();
  return s.report(report);
}

async function planPush(s: Session): Promise<Plan> {
  await prove(s);
  const plan = s.core.next(s.request);
  if (plan.phase !== "survey") return plan;
  await survey(s);
  return s.core.next(s.request);
}

/**
 * Reads the workspace, and meanwhile has the sandbox look whether it is as it was
 * seen, if the plan has a step for that. That it changed is no error: it has to be
 * looked at.
 */
async function prove(s: Session): Promise<void> {
  const plan = s.core.next({ ...s.request, early: true });
  const step = plan.phase === "survey" ? plan.steps?.[0] : undefined;
  if (step?.do !== "run") return void s.scan();
  try {
    await runAndScan(s, step.command);
    s.request.checked = true;
  } catch (error) {
    const meaning = explain(await why(s, error), error);
    if (!isStale(meaning)) throw meaning;
    s.request.look = true;
  }
}

/** What a push comes to once the sandbox has applied it. */
interface Outcome {
  report: PlanReport;
  /** The document of the next base, where it is another. */
  next: Uint8Array | undefined;
}

/** Carries out the steps of one push plan. */
class Send {
  /** Of assets, and of files that were sent while they changed. */
  readonly problems: Problem[] = [];
  private readonly sent = new SentList();
  /** Of a first push, what was read while it was sent. */
  private readonly read: CacheBuilder;
  private known: Outcome | undefined;
  /** Files that did not travel because the sandbox had them. */
  private readonly reused: string[] = [];

  constructor(
    private readonly s: Session,
    private readonly plan: ApplyPlan,
    private readonly contents: Contents,
  ) {
    this.read = new CacheBuilder(s.root, now());
  }

  private get dropsBase(): boolean {
    return this.plan.drop_base ?? false;
  }

  /** Known once the workspace was uploaded. */
  get outcome(): Outcome {
    return (this.known ??= this.conclude());
  }

  private conclude(): Outcome {
    const { s } = this;
    if (s.first) this.read.save(s.state.file("scan"));
    this.keepReused();
    return this.result();
  }

  private result(): Outcome {
    const { s, sent } = this;
    return { report: s.core.summarise(sent), next: this.dropsBase ? s.core.commit(sent, false) : s.core.commit(sent) };
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
          await this.run(step.command, step.asset);
          break;
        case "send":
          s.enter("sending");
          await this.send(step.command, step.asset);
          break;
      }
    }
  }

  /**
   * Runs a command. While the sandbox works this thread finds out what that will have come to, and stores nothing
   * that says it has.
   */
  private async run(command: string, asset: string | undefined): Promise<void> {
    if (this.dropsBase) this.s.state.dropBase();
    await this.end(this.s.sandbox.run(command, this.s.options.timeoutMs), asset);
  }

  /** Waits for the end of a command that has all it needs. */
  private async end(running: Promise<unknown>, asset: string | undefined): Promise<void> {
    this.s.enter("applying in the sandbox");
    await meanwhile(running, () => void this.outcome);
    try {
      await running;
    } catch (error) {
      await this.failed(error, asset);
    }
  }

  /** A command failed. That the workspace there did not let some paths be changed is no error. */
  private async failed(error: unknown, asset: string | undefined): Promise<void> {
    const reason = await why(this.s, error);
    if (asset !== undefined || !reason.startsWith("./")) throw explain(reason, error);
    this.sent.stuck = reason;
    this.known = this.result();
  }

  /** Runs a command that reads the archive of the workspace, or of one asset, while it is made. */
  private async send(command: string, asset: string | undefined): Promise<void> {
    const running = this.s.sandbox.send(command, this.s.options.timeoutMs);
    try {
      await this.pack(pieceSize, (piece) => running.give(piece), asset);
      await running.close();
    } catch (error) {
      await running.fail(error).catch(async (cause: unknown) => {
        throw explain(await why(this.s, cause), cause);
      });
    }
    await this.end(running.ended, asset);
  }

  /** Sends an archive in parts. */
  private async upload(path: string, asset: string | undefined): Promise<void> {
    const { s } = this;
    let n = 0;
    await this.pack(s.classic ? 0 : s.options.part, (part) => s.sandbox.writeFile(s.core.partPath(path, n++), part), asset);
  }

  /** Writes the archive of the workspace, or of one asset. */
  private async pack(limit: number, send: (part: Buffer) => Promise<Buffer | void>, asset: string | undefined): Promise<void> {
    const { s } = this;
    let files = 0;
    const out: PartWriter = new PartWriter(limit, (part) => {
      s.show(files, out.bytes); // of a large file, too
      return send(part);
    });
    const over = () => {
      if (++files % 64 === 0) s.show(files, out.bytes);
    };
    const archive = new ArchiveWriter(out, s.stop, s.classic);
    if (asset !== undefined) {
      this.problems.push(...(await writeAsset(s, archive, asset)));
      return;
    }
    // In classic nothing of one that was cut off can be used.
    if (!this.dropsBase) s.state.noteSending(s.request.run);
    await this.workspace(archive, over);
  }

  private async workspace(archive: ArchiveWriter, over: () => void): Promise<void> {
    const { s } = this;
    const keep = (digest: string, data: Buffer) => this.contents.add(digest, data);
    await archive.addAll(s.root, this.members(), keep, (member, sent) => {
      this.note(member, sent);
      over();
    });
    for (const m of s.core.seal(s.request, this.sent)) archive.addBytes(m.name, 0o600, m.data);
    await archive.close();
  }

  /** What travels. What the sandbox has already is noted on the way. */
  private *members(): Generator<Member> {
    for (const { name, path, kind, mode, size, target, travels } of this.s.core.uploads()) {
      // A directory is filled and moved, by later pushes too.
      if (travels) yield { name, entry: { path, kind, mode: kind === "dir" ? mode | 0o700 : mode, size, target } };
      else {
        if (kind === "file") this.reused.push(path);
        this.sent.add();
      }
    }
  }

  /** Takes down how a member travelled. */
  private note({ entry }: Member, { name, digest, size, problem, detail = "", known }: Sent): void {
    const { s } = this;
    const bytes = digest === undefined ? undefined : Buffer.from(digest, "hex");
    this.sent.add(bytes, size, name !== undefined || problem ? { name, problem, detail } : undefined);
    if (entry.kind !== "file" || (problem && !bytes)) return;
    // Sent all the same, so base speaks of what was sent.
    if (problem) this.problems.push({ path: entry.path, code: problem, detail });
    if (s.first && !problem && bytes && known && !s.local!.ofRepos.has(entry.path)) this.read.add(entry.path, known, bytes);
    s.counts.uploadedFiles++;
  }

  /** Stores the contents that did not travel because the sandbox had them, for text merges to come. */
  private keepReused(): void {
    for (const path of this.reused) {
      const { digest: bytes, size } = this.s.localEntry(path) ?? {};
      if (!bytes || size! > maxContent) continue;
      const digest = hex(bytes);
      const data = this.contents.has(digest) ? undefined : readLocal(this.s, path, digest, smallFile);
      if (data) this.contents.add(digest, data);
    }
  }
}

function isStale(error: unknown): error is PlannerError {
  return error instanceof PlannerError && error.code === "stale_plan";
}

/** Turns a failed command into what it means. */
function explain(reason: string, error: unknown): unknown {
  switch (reason) {
    case "stale":
    case "script":
      return hostError("stale_plan", "the sandbox changed while the push was planned; nothing was changed there", { hint: "run it again" });
    case "busy":
      return hostError("busy", "another push is being applied in this sandbox", { hint: "wait for it to end and run it again" });
  }
  return error;
}
