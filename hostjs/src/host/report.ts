import { PlannerError } from "../errors.js";
import { hostError } from "./errors.js";
import type { Conflict, Guard, Problem } from "../types.js";
import type { SyncReport } from "./syncReport.js";

/** What one push or pull did. Every list is sorted by path. */
export interface RuntimeReport {
  /**
   * partial: something that should have changed could not, and running again is safe. refused: nothing was written. error: the sync
   * ended before it could tell what it did; its counts say how far it came.
   */
  status: "ok" | "conflicts" | "partial" | "refused" | "error";
  /** Each path that changed, with a word for what happened to it. */
  changes: { path: string; word: string; directory: boolean }[];
  /** Where both sides changed something, and where the version that is not at the path lies. */
  conflicts: Conflict[];
  /** What could not be treated as an ordinary file, or was refused. */
  problems: Problem[];
  /** Files that make tools run code, and that the sandbox changed. */
  flagged: string[];
  /** Entries written in the tree into which the changes flow. */
  written: number;
  deleted: number;
  /** Files whose contents were sent. */
  uploadedFiles: number;
  /** Bytes that the calls of the client wrote, and of their commands. */
  uploadedBytes: number;
  /** Files whose contents were fetched. */
  downloadedFiles: number;
  /** Bytes that the calls of the client read. */
  downloadedBytes: number;
  /** Calls of the client, failed ones included. */
  clientCalls: number;
  /** The guard that refused, or null. */
  guard: Guard | null;
  /** Why it refused, and what would unlock it; null where nothing was refused. */
  reason: string | null;
  hint: string | null;
  /** The folder of displaced local versions, relative to the workspace, or null. */
  displaced: string | null;
  /** The promises that the dialect classic does not keep. */
  waived: string[];
  /** Why all of the sandbox was looked at: it lacks "digests", "listings", or the "earlier" listing. */
  lacks: string[];
}

/** The report of a sync or merge that was done. It throws the error of one that was not, with the report in it where there is one. */
export function reportOf({ report, error }: { report?: SyncReport; error?: PlannerError }): RuntimeReport {
  const known = report && runtimeReport(report);
  if (error && known) error.report = known;
  const failed = error ?? (known ? unfinished(known) : hostError("io_failed", "the sync ended without a report"));
  if (failed) throw failed;
  return known!;
}

function runtimeReport(r: SyncReport): RuntimeReport {
  return {
    status: r.status,
    changes: (r.lines ?? []).map(({ path, word, dir = false }) => ({ path, word, directory: dir })),
    conflicts: r.conflicts ?? [],
    problems: r.problems ?? [],
    flagged: r.flagged ?? [],
    written: r.writes ?? 0,
    deleted: r.deletes ?? 0,
    uploadedFiles: r.uploadedFiles,
    uploadedBytes: r.uploadedBytes,
    downloadedFiles: r.downloadedFiles,
    downloadedBytes: r.downloadedBytes,
    clientCalls: r.clientCalls,
    guard: r.guard ?? null,
    reason: r.reason ?? null,
    hint: r.hint ?? null,
    displaced: r.displaced || null,
    waived: r.waived ?? [],
    lacks: r.lacks ?? [],
  };
}

/** The error of a sync that wrote nothing or only a part, with the report in it. */
function unfinished(report: RuntimeReport): PlannerError | undefined {
  if (report.status === "ok" || report.status === "conflicts") return undefined;
  const refused = report.status === "refused";
  const message = refused ? `${report.reason}; nothing was written` : whatIsMissing(report);
  const error = new PlannerError(refused ? "refused" : "partial", message, report.problems[0]?.path, report.hint ?? "run it again; what was done stays done");
  error.report = report;
  return error;
}

function whatIsMissing({ problems }: RuntimeReport): string {
  const first = problems[0];
  return first ? `not everything could be applied: ${first.code}${first.detail ? `, ${first.detail}` : ""}` : "not everything could be applied";
}
