import { kept, type Planner } from "../planner.js";
import { SnapshotBuilder } from "../snapshotBuilder.js";
import type { About, Content, Direction, Excludes, Plan, PlanOptions, PlanReport, PlanRequest, Result, SurveyMember } from "../types.js";
import type { SentList, UploadEntry } from "../uploads.js";
import type { RepoFile, Scanned, ScanRules } from "./scan.js";
import type { Name } from "./tree.js";

/** The request of one run. Its large parts stay in the module, and the core adds them. */
export interface Request extends Omit<PlanRequest, "base" | "local" | "remote" | "contents"> {
  op: Direction;
  options: PlanOptions;
}

/** The core during one run: it holds base, both trees and the plan, and decides everything. */
export class Core implements ScanRules {
  readonly about: About;
  private readonly has = { base: false, local: false, remote: false };
  private contents: Content[] | undefined;

  constructor(private readonly planner: Planner) {
    this.about = planner.about();
  }

  get maxPath(): number {
    return this.about.max_path;
  }

  get maxTarget(): number {
    return this.about.max_target;
  }

  /** Compiles exclude rules, those of this run unless they are named otherwise. */
  compileRules(rules: Excludes, key = "rules"): void {
    this.planner.keepRules(rules, key);
  }

  scanDir(path: string, names: readonly string[], rules = "rules"): Uint8Array {
    return this.planner.scanDir(kept(rules), path, names);
  }

  repoState(files: readonly RepoFile[]): string {
    return this.planner.repoState(files);
  }

  display(name: Name): string {
    return this.planner.display(name);
  }

  validPath(path: string): boolean {
    try {
      this.planner.checkPaths([path]);
      return true;
    } catch {
      return false;
    }
  }

  checkRoot(path: string): void {
    this.planner.checkRoot(path);
  }

  copyName(path: string, digest: string, skip: number): string {
    return this.planner.copyName(path, digest, [], skip);
  }

  keepsData(name: Buffer): boolean {
    return this.planner.keepsData(name);
  }

  keepBase(document: Buffer): void {
    this.planner.keepBase(document, "base");
    this.has.base = true;
  }

  /** Takes the workspace as it was scanned; unread says that its files were not read. */
  keepLocal(scanned: Scanned, unread: boolean): void {
    this.planner.keepSnapshot(snapshotOf(scanned, unread), "local");
    this.has.local = true;
  }

  keepContents(contents: Content[]): void {
    this.contents = contents;
  }

  /** Forgets what was found in the sandbox, to plan without it. */
  forgetRemote(): void {
    this.has.remote = false;
  }

  private full(request: Request): PlanRequest & { op: Direction } {
    return {
      ...request,
      ...(this.has.base && { base: kept("base") }),
      ...(this.has.local && { local: kept("local") }),
      ...(this.has.remote && { remote: kept("remote") }),
      ...(this.contents && { contents: this.contents }),
    };
  }

  /** The path of the nth part of a body, counted from 0. */
  partPath(path: string, n: number): string {
    return this.planner.partPath(path, n);
  }

  /** What to do next. A push lacks its long lists here. */
  next(request: Request): Plan {
    return this.planner.next(this.full(request), "plan", request.op === "push");
  }

  /** The uploads of the plan of a push. */
  *uploads(): Generator<UploadEntry> {
    for (let from = 0; ; ) {
      const batch = this.planner.uploads(kept("plan"), from);
      if (batch.length === 0) return;
      from += batch.length;
      yield* batch;
    }
  }

  /**
   * The file in which a script in the sandbox leaves why it refused. It checks everything in a request but what the
   * run has not found out yet.
   */
  whyFile(request: Request): string {
    return this.planner.whyFile(this.full(request));
  }

  /** Turns a download into what is in the sandbox. In classic no text follows the archive. */
  readSurvey(request: Request, members: readonly SurveyMember[], text: Uint8Array, digest: string): void {
    this.has.remote = false;
    this.planner.readSurvey(this.full(request), members, text, digest, "remote");
    this.has.remote = true;
  }

  /** Corrects what is in the sandbox by what a fetch brought. */
  readFetch(request: Request, members: readonly SurveyMember[], text: Uint8Array, digest: string): void {
    this.planner.readFetch(this.full(request), members, text, digest, "remote");
  }

  /** The last members of the archive of a push. */
  seal(request: Request, sent: SentList): { name: string; data: Uint8Array }[] {
    return this.planner.seal(this.full(request), kept("plan"), sent);
  }

  /** The report of the plan; without results of what it would do. */
  summarise(results?: readonly Result[] | SentList): PlanReport {
    return this.planner.summarise(kept("plan"), results);
  }

  /**
   * The document of the base after the plan was applied, or undefined where it is the same as the one that is stored.
   */
  commit(results: readonly Result[] | SentList, stored = this.has.base): Uint8Array | undefined {
    const base = this.has.base ? kept("base") : undefined;
    this.planner.commit(base, kept("plan"), results, "next");
    return stored && this.planner.sameBase(kept("next"), base) ? undefined : this.planner.encodeBase(kept("next"));
  }
}

/** The binary form of a scanned tree. */
export function snapshotOf(scanned: Scanned, unread: boolean): Uint8Array {
  const builder = new SnapshotBuilder();
  for (const e of scanned.entries) builder.add(e.path, e.kind, e.mode, e.size, e.digest, e.target);
  const { problems, incomplete, occupied } = scanned;
  return builder.finish({ unread, problems, incomplete, occupied });
}
