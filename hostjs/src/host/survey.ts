import { PlannerError } from "../errors.js";
import type { FetchPlan, Plan, SurveyMember } from "../types.js";
import { readArchives, type BodySink, type RawMember } from "./archiveReader.js";
import { hex } from "./digest.js";
import { hostError } from "./errors.js";
import { maxKept } from "./scan.js";
import type { Session } from "./session.js";
import { Source, Tail, type NextPiece } from "./source.js";
import { HashedBody, KeptBody, type Stage } from "./stage.js";
import { unzipped } from "./unzipped.js";

/** Bounds the text of a download, in bytes: some 200 for each of the entries that a tree may have. */
const maxSurveyText = 2 ** 31;

/** How many bytes pass before they are shown, also within one file. */
const showEvery = 4 << 20;

/** Bounds what is kept in memory of a download's members, as maxKept bounds each. */
const maxKeptInAll = 128 << 20;

/**
 * Asks for a survey; the core then knows what is in the sandbox. Where the answer
 * can't be relied on, because the script or the listing that an earlier run left
 * there is gone, altered or contradicts what was told then, it asks again for
 * everything.
 */
export async function survey(s: Session, stage?: Stage): Promise<void> {
  for (;;) {
    try {
      return await look(s, s.core.next(s.request), async (next) => {
        if (s.classic) return receiveClassic(s, next, stage);
        const { members, text, digest } = await receive(s, next, stage);
        s.core.readSurvey(s.request, members, text, digest);
      });
    } catch (error) {
      if (s.request.forget || !(await mayForget(s, error))) throw error;
      s.request.forget = true;
    }
  }
}

/** Whether an error is one that a full survey would not have. */
async function mayForget(s: Session, error: unknown): Promise<boolean> {
  if (error instanceof PlannerError && error.code === "corrupt") return error.field === "seen";
  return (await why(s, error)) === "script";
}

/** The reason that a script left when it refused. A client need not report an exit status, so a file tells. */
export async function why(s: Session, error: unknown): Promise<string> {
  if (s.classic || !(error instanceof PlannerError) || error.code !== "client_failed" || s.stop.stopped) return "";
  const path = s.core.whyFile(s.request);
  let text: Buffer;
  try {
    text = await s.sandbox.readFile(path);
  } catch {
    return ""; // the command failed before or after the script's own checks
  }
  await ignoring(s.sandbox.remove(path));
  return text.toString().trim();
}

/** Executes the steps of a survey or a fetch. */
async function look(s: Session, plan: Plan, read: (next: NextPiece) => Promise<void>): Promise<void> {
  for (const step of "steps" in plan ? (plan.steps ?? []) : []) {
    switch (step.do) {
      case "make_dir":
        await s.sandbox.makeDir(step.path);
        break;
      case "write":
        await s.sandbox.writeFile(step.path, Buffer.from(step.data));
        break;
      case "run":
        await runAndScan(s, step.command);
        break;
      case "read":
        s.enter("receiving");
        await read(s.classic ? whole(s, step.path) : parts(s, step.path));
        break;
      case "receive":
        await receiveFrom(s, step.command, step.data, read);
        break;
      case "remove":
        // What stays there is swept by a later push; it is not worth failing for.
        await ignoring(s.sandbox.remove(step.path));
        break;
    }
  }
}

/**
 * Runs a command whose stdout is the download, and reads the workspace until that comes. Whatever fails breaks the
 * stream off: a command that nobody reads from would never end.
 */
async function receiveFrom(s: Session, command: string, data: string | undefined, read: (next: NextPiece) => Promise<void>): Promise<void> {
  const running = s.sandbox.receive(command, data, s.options.timeoutMs);
  let begun = false;
  try {
    s.scan();
    s.enter("surveying");
    await read(async () => {
      const piece = await running.take();
      if (!begun) s.enter("receiving");
      begun = true;
      return piece;
    });
  } catch (error) {
    await running.fail(error);
  }
  await running.ended;
}

/** Runs a command, and reads the workspace while the sandbox works. */
export async function runAndScan(s: Session, command: string): Promise<void> {
  const running = s.sandbox.run(command, s.options.timeoutMs);
  await meanwhile(running, () => s.scan());
  s.enter("surveying");
  await running;
}

/**
 * Does work during a call. Where that fails the call is waited for all the same: nothing may go on in the sandbox
 * after a sync.
 */
export async function meanwhile(call: Promise<unknown>, work: () => void): Promise<void> {
  try {
    work();
  } catch (error) {
    await ignoring(call);
    throw error;
  }
}

async function ignoring(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch {
    // The caller says why it does not matter.
  }
}

/** Brings the contents that a survey did not. */
export async function fetch(s: Session, plan: FetchPlan, stage: Stage): Promise<void> {
  const wanted = plan.fetch.map(({ digest }) => digest);
  s.request.fetched = [...(s.request.fetched ?? []), ...wanted];
  await look(s, plan, async (next) => {
    const { members, text, digest } = await receive(s, next, stage);
    s.core.readFetch(s.request, members, text, digest);
  });
}

/** One download: the members of its archives, the text after them, and the digest of all but the tail. */
interface Download {
  members: SurveyMember[];
  text: Buffer;
  digest: string;
}

async function receive(s: Session, next: NextPiece, stage: Stage | undefined): Promise<Download> {
  const { survey_tail, survey_text, survey_unpacked } = s.core.about;
  const tail = new Tail(survey_tail, unzipped(next, survey_unpacked));
  const collector = new Collector(s, stage);
  const source = new Source(collector.metered(() => tail.read()));
  await readArchives(source, { text: survey_text }, (member) => collector.member(member), s.stop);
  const text = await rest(source);
  return { members: collector.members, text: Buffer.concat([text, tail.bytes]), digest: tail.digest() };
}

const noDigest = "0".repeat(64);

/** Reads the one archive of the whole workspace. */
async function receiveClassic(s: Session, next: NextPiece, stage: Stage | undefined): Promise<void> {
  const collector = new Collector(s, stage);
  await readArchives(new Source(collector.metered(next)), { single: true }, (member) => collector.member(member), s.stop);
  s.core.readSurvey(s.request, collector.members, Buffer.alloc(0), noDigest);
}

/** Reads a file of the sandbox at once. */
function whole(s: Session, path: string): NextPiece {
  let read = false;
  return async () => {
    if (read) return undefined;
    read = true;
    return s.sandbox.readFile(path);
  };
}

/** Reads a file of the sandbox, or a row of parts that a short one ends. */
function parts(s: Session, path: string): NextPiece {
  let n = 0;
  let ended = false;
  return async () => {
    if (ended) return undefined;
    const part = await s.sandbox.readFile(s.core.partPath(path, n++));
    ended = part.length !== s.options.part;
    return part;
  };
}

/** The text of a download, which is what follows its archives. */
export async function rest(source: Source, most = maxSurveyText): Promise<Buffer> {
  const all: Buffer[] = [];
  let size = 0;
  for (;;) {
    await source.fill(1);
    const part = source.take(source.available);
    if (part.length === 0) return Buffer.concat(all);
    all.push(part);
    size += part.length;
    if (size > most) throw hostError("limit_exceeded", "the sandbox's listing is too long");
  }
}

/** Turns archive members into survey members. */
export class Collector {
  readonly members: SurveyMember[] = [];
  private readonly files = new Map<string, SurveyMember>(); // by the bytes of the name, for hard links
  private count = 0;
  private bytes = 0;
  private shown = 0; // of these
  private kept = 0; // bytes of members that are kept in memory

  constructor(
    private readonly session: Session,
    private readonly stage: Stage | undefined, // undefined: bodies are hashed and dropped
  ) {}

  /** The pieces of a download as they pass: a large file does not look like a standstill. */
  metered(next: NextPiece): NextPiece {
    return async () => {
      const piece = await next();
      this.bytes += piece?.length ?? 0;
      if (this.bytes - this.shown >= showEvery) this.show();
      return piece;
    };
  }

  private show(): void {
    this.shown = this.bytes;
    this.session.show(this.count, this.bytes);
  }

  member(raw: RawMember): BodySink | undefined {
    const m: SurveyMember = { name: raw.name, kind: "none", mode: raw.mode, size: raw.size };
    this.members.push(m);
    if (raw.fault) {
      m.fault = raw.fault;
      return undefined;
    }
    switch (raw.kind) {
      case "dir":
        m.kind = "dir";
        return undefined;
      case "link":
        m.kind = "link";
        m.target = textOf(raw.target);
        return undefined;
      case "hardlink":
        this.hardLink(m, raw);
        return undefined;
      case "file":
        m.kind = "file";
        return this.body(m, raw);
    }
    return undefined;
  }

  /** Gives a second name of a file the content of the first, which is staged now if it was only kept in memory. */
  private hardLink(m: SurveyMember, raw: RawMember): void {
    const first = this.files.get(raw.target.toString("latin1"));
    if (!first) {
      m.fault = "a hard link to something outside the workspace";
      return;
    }
    Object.assign(m, { kind: "file", digest: first.digest, size: first.size });
    if (!first.data || !this.stage) return;
    const data = Buffer.from(first.data);
    const body = this.stage.put(data.length, (digest) => this.localHas(raw.name, digest), () => {});
    body.write(data);
    body.end();
  }

  private body(m: SurveyMember, raw: RawMember): BodySink | undefined {
    const done = (digest: string, staged: boolean) => {
      m.digest = digest;
      this.files.set(raw.name.toString("latin1"), m);
      if (staged) this.session.counts.downloadedFiles++;
      if (++this.count % 64 === 0) this.show();
    };
    if (!this.session.core.keepsData(raw.name)) {
      return this.stage ? this.stage.put(raw.size, (digest) => this.localHas(raw.name, digest), done) : new HashedBody(done);
    }
    if (raw.size > maxKept || this.kept + raw.size > maxKeptInAll) {
      m.fault = "too large to be looked at";
      return undefined;
    }
    this.kept += raw.size;
    return new KeptBody((digest, data) => {
      m.data = data;
      done(digest, false);
    });
  }

  /**
   * Whether the workspace has this content under this name, or can have it from nowhere, so that no decision can need
   * the body.
   */
  private localHas(name: Buffer, digest: string): boolean {
    const path = name.toString();
    const here = this.session.localEntry(path)?.digest;
    return here !== undefined && hex(here) === digest;
  }
}

/** The text of a link; one that is not UTF-8 counts as having none, which no link can be. */
function textOf(bytes: Buffer): string {
  const text = bytes.toString();
  return Buffer.from(text).equals(bytes) ? text : "";
}
