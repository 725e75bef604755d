import type { Session, Synced } from "./session.js";
import { planPull } from "./pull.js";

/** What a push and a pull would do now, from one survey. It changes no file in either tree. */
export function preview(s: Session): Promise<Synced> {
  return s.withStage(async (stage) => {
    await planPull(s, stage, s.openContents());
    const pull = s.core.summarise();
    s.core.next({ ...s.request, op: "push" });
    const push = s.core.summarise();
    return { done: true, value: { push: s.report(push), report: s.report(pull) } };
  });
}
