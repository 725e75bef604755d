import type { ApplyPlan, Content, Need, Plan, Result } from "../types.js";
import { apply } from "./apply.js";
import { displacedBy } from "./applyRun.js";
import { bodiesOf, readLocal } from "./bodies.js";
import { maxContent, type Contents } from "./contents.js";
import type { Session, Synced } from "./session.js";
import type { Stage } from "./stage.js";
import { fetch, survey } from "./survey.js";

/**
 * Brings home what changed in the sandbox and merges it into the workspace.
 * Conflicts and problems are data in the report, not errors; a guard that refused
 * is in the report's guard.
 */
export function pull(s: Session): Promise<Synced> {
  return s.withStage(async (stage) => {
    const contents = s.openContents();
    const plan = await planPull(s, stage, contents);
    if (plan.phase !== "apply") return { done: false, value: { report: s.report(s.core.summarise()) } };
    const pulled = carryOut(s, plan, stage, contents);
    return { done: pulled.error === undefined, value: pulled };
  });
}

/** Applies a plan and stores what base is now. After an error some decisions may be done, and base takes those. */
function carryOut(s: Session, plan: ApplyPlan, stage: Stage, contents: Contents): Synced {
  s.enter("applying");
  const { results, error } = apply({
    root: s.root,
    run: s.request.run,
    stateDir: s.state.dir,
    decisions: plan.decisions ?? [],
    open: bodiesOf(s, stage),
    copyName: (path, digest, skip) => s.core.copyName(path, digest, skip),
    stop: s.stop,
    progress: (done) => {
      if (done % 64 === 0) s.show(done, 0);
    },
  });
  if (!results) throw error;
  const report = s.core.summarise(results);
  const next = s.core.commit(results);
  keepPulled(s, plan, results, stage, contents);
  contents.close(next);
  if (next) s.state.saveBase(next);
  return { report: s.report(report, displacedBy(s.request.run, s.root)), ...(error !== undefined && { error }) };
}

/** Surveys the sandbox and asks the core until it knows what to do. */
export async function planPull(s: Session, stage: Stage, contents: Contents): Promise<Plan> {
  s.request.fetched = stage.digests();
  await survey(s, stage);
  let plan = s.core.next(s.request);
  if (plan.phase === "fetch") {
    await fetch(s, plan, stage);
    plan = s.core.next(s.request);
  }
  if (plan.phase !== "content") return plan;
  s.core.keepContents(gather(s, plan.needs, stage, contents));
  return s.core.next(s.request);
}

/**
 * Answers the needs of text merges. Whatever can't be had, or is not the bytes that were asked for any more, is
 * missing, and the merge a conflict.
 */
function gather(s: Session, needs: readonly Need[], stage: Stage, contents: Contents): Content[] {
  const most = s.core.about.max_text_merge;
  return needs.flatMap((n) => [
    answer(n.base, contents.get(n.base)),
    answer(n.local, readLocal(s, n.path, n.local, most)),
    answer(n.remote, stage.bytes(n.remote, most)),
  ]);
}

function answer(digest: string, data: Buffer | undefined): Content {
  return data ? { digest, data } : { digest, missing: true };
}

/**
 * Stores the contents that base now speaks of, for text merges to come. One that is too large or not here is left
 * out, and a later merge becomes a conflict.
 */
function keepPulled(s: Session, plan: ApplyPlan, results: readonly Result[], stage: Stage, contents: Contents): void {
  (plan.decisions ?? []).forEach((d, i) => {
    if (results[i]?.status === "failed" || !d.advance || d.base?.kind !== "file") return;
    const digest = d.base.digest ?? "";
    const data = stage.bytes(digest, maxContent) ?? readLocal(s, d.path, digest, maxContent);
    if (data) contents.add(digest, data);
  });
}
