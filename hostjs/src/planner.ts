import { planner as shipped } from "#load";
import { PlannerError } from "./errors.js";
import { assertBytes, Instance, type Answer } from "./instance.js";
import type {
  About, Base, Content, Excludes, Kept, Outcome, Plan, PlanReport, PlanRequest, Remote, Request, Result, Sent, Snapshot, SnapshotInput, SurveyMember,
} from "./types.js";
import { readUploads, SentList, type UploadEntry } from "./uploads.js";

/** An instance whose memory is larger than this is replaced once it keeps nothing, in bytes. */
const maxMemory = 256 << 20;

/** How a planner is made. */
export interface PlannerOptions {
  /** The module, where it is not the one that this package ships. */
  wasm?: Uint8Array | WebAssembly.Module;
  /** Keeps the module's memory small, at some cost a call; for a thread that holds much else. The default is false. */
  frugal?: boolean;
}

declare global {
  // The types of Node alone do not name it. Beside those of a browser, the two are one.
  namespace WebAssembly {
    interface Module {}
  }
}

let compiled: WebAssembly.Module | undefined;

/** The module that this package ships, compiled once a process. */
export function compiledModule(): WebAssembly.Module {
  return (compiled ??= compile(shipped()));
}

function compile(bytes: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes as BufferSource);
  } catch (error) {
    const wrong = new PlannerError("unsupported", "the .wasm file can't be compiled", undefined, "use the planner.wasm that this version of the package ships");
    wrong.cause = error;
    throw wrong;
  }
}

/** Makes a planner. It is cheap after the first: take one for each run. */
export function createPlanner(options: PlannerOptions = {}): Planner {
  const { wasm, frugal = false } = options;
  return new Planner(wasm === undefined ? compiledModule() : wasm instanceof WebAssembly.Module ? wasm : compile(wasm), frugal);
}

/** What a scan does with a name. */
export const Verdict = {
  travels: 0,
  /** It is left out, with all below it. */
  excluded: 1,
  /** A file whose content counts for the state of a repository. */
  ofRepo: 2,
} as const;

/** Names a value that a call of this planner kept. */
export function kept(key: string): Kept {
  return { kept: key };
}

/**
 * The pure core: every rule of a sync, and no input or output. All methods are
 * synchronous and throw a PlannerError.
 *
 * Large values can stay in the module: a method that takes a key keeps its result
 * under it, and kept(key) names it later. What is kept is gone after a trap.
 */
export class Planner {
  private instance: Instance | undefined;
  private readonly keys = new Set<string>();

  constructor(
    private readonly module: WebAssembly.Module,
    private readonly frugal: boolean,
  ) {
    this.instance = new Instance(module, frugal);
  }

  /** Bytes of memory that the module holds. */
  get memory(): number {
    return this.instance?.size ?? 0;
  }

  /** One call of the module's table of calls, for hosts that frame themselves. */
  call(request: object, sections: readonly Uint8Array[] = []): Answer {
    const answer = this.run((instance) => instance.call(request, sections));
    if ("keep" in request) this.keys.add(request.keep as string);
    return answer;
  }

  /** One call, text for text, as "planner plan" answers it. */
  callText(request: string): string {
    return this.run((instance) => instance.callText(request));
  }

  private run<T>(use: (instance: Instance) => T): T {
    if (this.keys.size === 0 && this.memory > maxMemory) this.instance = undefined;
    const instance = (this.instance ??= new Instance(this.module, this.frugal));
    try {
      return use(instance);
    } catch (error) {
      if (error instanceof PlannerError) throw error;
      // A trap, or memory that can't grow: the instance may hold half a result.
      this.instance = undefined;
      this.keys.clear();
      const trap = new PlannerError("limit_exceeded", "the planner ran out of memory or failed; it was replaced, and what it kept is gone");
      trap.cause = instance.lastWords ? new Error(instance.lastWords, { cause: error }) : error;
      throw trap;
    }
  }

  private ask<T>(request: object, attached?: Attachments): T {
    return this.call(request, attached?.sections).result as T;
  }

  about(): About {
    return this.ask({ call: "about" });
  }

  /** Forgets kept values, all where none is named. */
  drop(...keys: string[]): void {
    this.ask({ call: "drop", words: keys });
    if (keys.length === 0) this.keys.clear();
    for (const key of keys) this.keys.delete(key);
  }

  planPush(request: PlanRequest, key?: string): Plan {
    return this.next({ op: "push", ...request }, key);
  }

  planPull(request: PlanRequest, key?: string): Plan {
    return this.next({ op: "pull", ...request }, key);
  }

  /**
   * What a host does next. The plan of a brief answer lacks the uploads and decisions of a push, which uploads hands
   * out.
   */
  next(request: Request, key?: string, brief = false): Plan {
    const a = new Attachments();
    return this.ask({ call: "next", ...keep(key), ...(brief && { brief }), request: a.request(request) }, a);
  }

  /** Some uploads of the plan of a push, from the one of that number on; none behind the last. */
  uploads(plan: Kept, from: number): UploadEntry[] {
    return readUploads(this.call({ call: "uploads", plan, skip: from }).sections[0]!);
  }

  /** The decisions alone; the request says what was found in the sandbox. */
  decide(request: Request): Outcome {
    const a = new Attachments();
    return this.ask({ call: "decide", request: a.request(request) }, a);
  }

  /** The last members of the archive of a push, made once it is known what was packed. */
  seal(request: Request, plan: Plan | Kept, sent: readonly Sent[] | SentList): { name: string; data: Uint8Array }[] {
    const a = new Attachments();
    const call = { call: "seal", request: a.request(request), plan, ...(sent instanceof SentList ? a.sent(sent) : { sent }) };
    const { result, sections } = this.call(call, a.sections);
    const { members = [] } = result as { members?: { name: string; text: { section: number } }[] };
    return members.map((m) => ({ name: m.name, data: sections[m.text.section]! }));
  }

  /** Keeps the base that follows an applied plan under a key. */
  commit(base: Base | Kept | undefined, plan: Plan | Kept, results: readonly Result[] | SentList, key: string): void {
    const a = new Attachments();
    this.ask({ call: "commit", keep: key, base, plan, ...a.outcome(results) }, a);
  }

  /** Keeps what a download tells of the sandbox under a key. */
  readSurvey(request: Request, members: readonly SurveyMember[], text: Uint8Array, digest: string, key: string): void {
    this.readDownload("read_survey", request, members, text, digest, key);
  }

  /** Keeps what is known of the sandbox after a fetch under a key. */
  readFetch(request: Request, members: readonly SurveyMember[], text: Uint8Array, digest: string, key: string): void {
    this.readDownload("read_fetch", request, members, text, digest, key);
  }

  private readDownload(call: string, request: Request, members: readonly SurveyMember[], text: Uint8Array, digest: string, key: string): void {
    const a = new Attachments();
    this.ask({ call, keep: key, request: a.request(request), members: objects(members, "members").map((m) => a.member(m)), text: a.add(text), digest }, a);
  }

  /** The file in which a script in the sandbox leaves why it refused. */
  whyFile(request: Request): string {
    const a = new Attachments();
    return this.ask<{ path: string }>({ call: "why_file", request: a.request(request) }, a).path;
  }

  /** The path of the nth part of a body, counted from 0. */
  partPath(path: string, n: number): string {
    return this.ask<{ path: string }>({ call: "part_path", path, skip: n }).path;
  }

  /** The report of a plan; without results, of what it would do. */
  summarise(plan: Plan | Kept, results?: readonly Result[] | SentList): PlanReport {
    const a = new Attachments();
    return this.ask({ call: "summarise", plan, ...(results && { ...a.outcome(results), applied: true }) }, a);
  }

  /** A report as lines for people. */
  render(report: PlanReport, how: { would?: boolean; verbose?: boolean } = {}): string {
    return this.ask<{ text: string }>({ call: "render", report, ...how }).text;
  }

  /** The binary form of a snapshot. */
  encodeSnapshot(snapshot: SnapshotInput): Uint8Array {
    const a = new Attachments();
    const call = { call: "encode_snapshot", snapshot: a.snapshot(snapshot) };
    return this.call(call, a.sections).sections[0]!;
  }

  /** The snapshot of a binary form. */
  decodeSnapshot(data: Uint8Array): Snapshot {
    const text = this.callText(JSON.stringify({ call: "decode_snapshot", data: base64(data) }));
    return plain<Snapshot>(text);
  }

  /** Keeps a snapshot under a key; it is validated once. */
  keepSnapshot(snapshot: SnapshotInput, key: string): void {
    const a = new Attachments();
    this.ask({ call: "snapshot", keep: key, snapshot: a.snapshot(snapshot) }, a);
  }

  /** Keeps the base of a stored document under a key. */
  keepBase(document: Uint8Array, key: string): void {
    const a = new Attachments();
    this.ask({ call: "decode_base", keep: key, data: a.add(document) }, a);
  }

  /** The document of a base that a host stores. */
  encodeBase(base: Base | Kept): Uint8Array {
    const call = { call: "encode_base", base };
    return this.call(call).sections[0]!;
  }

  /** Whether storing the one base in place of the other would change nothing. */
  sameBase(base: Base | Kept | undefined, other: Base | Kept | undefined): boolean {
    return this.ask<{ same?: boolean }>({ call: "same_base", base, other }).same ?? false;
  }

  /** Keeps compiled rules under a key. */
  keepRules(rules: Excludes, key: string): void {
    assertObject(rules, "rules");
    this.ask({ call: "rules", keep: key, exclude: rules.exclude, seed_exclude: rules.seed_exclude, ignores: rules.ignores });
  }

  /** Whether a path, or a directory above it, is left out. */
  excluded(rules: Excludes | Kept, path: string, dir: boolean): boolean {
    return this.ask<{ excluded?: boolean }>({ call: "match", rules, path, dir }).excluded ?? false;
  }

  /**
   * Judges the names in a directory that is not excluded itself, those of directories with a slash after them. The
   * result has a Verdict for each.
   */
  scanDir(rules: Kept, path: string, names: readonly string[]): Uint8Array {
    const verdicts = this.run((instance) => instance.scanDir(rules.kept, path, names));
    if (!verdicts) throw new PlannerError("invalid_request", "no rules are kept under this key, or a name holds a NUL", path, undefined, "rules");
    return verdicts;
  }

  /** The state of a repository, from its files that count, named below .git. */
  repoState(files: readonly { name: string; data: Uint8Array }[]): string {
    const a = new Attachments();
    const call = { call: "repo_state", files: objects(files, "files").map((f) => ({ name: f.name, data: a.add(f.data) })) };
    return this.ask<{ state: string }>(call, a).state;
  }

  /** Whether a survey wants the bytes of the archive member of this name. */
  keepsData(name: Uint8Array): boolean {
    return this.run((instance) => instance.keepsData(name));
  }

  /** Throws where one of the paths may not travel. */
  checkPaths(paths: readonly string[]): void {
    this.ask({ call: "check_path", words: paths });
  }

  /** Throws where a path is no workspace's in a sandbox. */
  checkRoot(path: string): void {
    this.ask({ call: "check_root", path });
  }

  /** Throws where a text is no adapter or asset key. */
  checkSegment(key: string): void {
    this.ask({ call: "check_segment", path: key });
  }

  /** A name as a person may safely see it. */
  display(name: string | Uint8Array): string {
    const a = new Attachments();
    const call = { call: "display", ...(typeof name === "string" ? { words: [name] } : { data: a.add(name) }) };
    return this.ask<{ words: string[] }>(call, a).words[0]!;
  }

  /** Merges two texts that grew out of a third. */
  mergeText(base: Uint8Array, local: Uint8Array, remote: Uint8Array): { merged: Uint8Array; conflicts: number } {
    const a = new Attachments();
    const call = { call: "merge_text", text_base: a.add(base), text_local: a.add(local), text_remote: a.add(remote) };
    const { result, sections } = this.call(call, a.sections);
    return { merged: sections[0] ?? new Uint8Array(), conflicts: (result as { conflicts?: number }).conflicts ?? 0 };
  }

  /** Words as one shell command. */
  quote(...words: string[]): string {
    return this.ask<{ line: string }>({ call: "quote", words }).line;
  }

  /** The name of a conflict copy beside path that is not taken; skip passes over that many free ones. */
  copyName(path: string, digest: string, taken: readonly string[] = [], skip = 0): string {
    return this.ask<{ path: string }>({ call: "copy_name", path, digest, words: taken, skip }).path;
  }
}

function keep(key: string | undefined): { keep?: string } {
  return key === undefined ? {} : { keep: key };
}

function plain<T>(text: string): T {
  const { result, error } = JSON.parse(text);
  if (error) throw new PlannerError(error.code, error.message, error.path, error.hint, error.field);
  return result as T;
}

/** Throws where an argument of the caller's is no object. */
function assertObject(value: unknown, field: string): void {
  if (typeof value === "object" && value !== null) return;
  throw new PlannerError("invalid_request", "it is no object", undefined, undefined, field);
}

/** A list of the caller's, of which each is an object. */
function objects<T>(list: readonly T[], field: string): readonly T[] {
  if (!Array.isArray(list)) throw new PlannerError("invalid_request", "it is no list", undefined, undefined, field);
  list.forEach((value, i) => assertObject(value, `${field}[${i}]`));
  return list;
}

function base64(data: Uint8Array): string {
  assertBytes(data);
  let text = "";
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
  return btoa(text);
}

type Section = { section: number };

/** Collects the bytes of a request, which travel beside its JSON. */
class Attachments {
  readonly sections: Uint8Array[] = [];

  add(data: Uint8Array): Section {
    return { section: this.sections.push(data) - 1 };
  }

  /** How the decisions of a plan ended: one by one, or of a push how its uploads went. */
  outcome(results: readonly Result[] | SentList): object {
    return results instanceof SentList ? this.sent(results) : { results };
  }

  sent({ packed, notes, stuck }: SentList): object {
    return { packed: this.add(packed), notes, ...(stuck !== undefined && { stuck }) };
  }

  snapshot(s: SnapshotInput): Snapshot | Section | Kept {
    return s instanceof Uint8Array ? this.add(s) : s;
  }

  member(m: SurveyMember): object {
    return { ...m, name: base64(m.name), ...(m.data && { data: this.add(m.data) }) };
  }

  request(r: Request): object {
    assertObject(r, "request");
    const { base, local, remote, contents, ...rest } = r;
    return {
      format_version: 1,
      ...rest,
      ...(base && { base: this.base(base) }),
      ...(local && { local: this.snapshot(local) }),
      ...(remote && { remote: this.remote(remote) }),
      ...(contents && { contents: objects(contents, "request.contents").map((c: Content) => (c.data ? { ...c, data: this.add(c.data) } : c)) }),
    };
  }

  private base(b: NonNullable<PlanRequest["base"]>): Base | Kept | object {
    assertObject(b, "request.base");
    return "entries" in b && b.entries instanceof Uint8Array ? { ...b, entries: this.add(b.entries) } : b;
  }

  private remote(r: NonNullable<PlanRequest["remote"]>): Remote | Kept | object {
    assertObject(r, "request.remote");
    return "snapshot" in r && r.snapshot ? { ...r, snapshot: this.snapshot(r.snapshot) } : r;
  }
}
