import { stagedName, type Run } from "./applyRun.js";

/**
 * Makes what comes below a directory that displaces something while that directory lies in staging, and returns how
 * many decisions those are. A run that is killed then leaves the old version or all of the new one: of a part the next
 * plan would take what is missing for deleted here (invariant 6).
 */
export function fill(run: Run, i: number, write: (j: number) => void): number {
  const d = run.decision(i);
  if (!d.displace || d.want!.kind !== "dir" || run.results[i]) return 0;
  const path = run.dest(i);
  let dir;
  try {
    dir = run.staging(i).openDir(stagedName(i));
  } catch {
    return 0; // the change itself reports it
  }
  let below = 0;
  try {
    run.leave();
    run.filled = { dir, path };
    for (let j = i + 1; j < run.results.length && run.dest(j).startsWith(path + "/"); j++, below++) {
      if (run.decision(j).action === "write") write(j);
    }
  } finally {
    run.leave();
    run.filled = undefined;
    dir.close();
  }
  return below;
}

/** Gives what was filled into the directory of a decision the failure of that, and returns how many decisions those are. */
export function settleBelow(run: Run, i: number, below: number): number {
  const result = run.results[i];
  if (result?.status !== "failed") return below;
  for (let j = i + 1; j <= i + below; j++) if (run.results[j]?.status === "done") run.results[j] = result;
  return below;
}
