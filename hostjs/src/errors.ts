import type { RuntimeReport } from "./host/report.js";

/** The codes of errors, a closed list that the Go packages and the command line share. */
export type ErrorCode =
  | "usage" | "invalid_request" | "invalid_path" | "invalid_snapshot" | "invalid_pattern" | "newer_version" | "limit_exceeded"
  | "corrupt" | "stale_plan" | "unsafe_root" | "unsupported" | "client_failed" | "timeout" | "cancelled" | "busy" | "no_space"
  | "permission" | "io_failed";

/**
 * How a sync ended that carries its report: a guard refused it and nothing was written, or only a part could be
 * applied.
 */
export type UnfinishedCode = "refused" | "partial";

/** The one error type of this package. */
export class PlannerError extends Error {
  override readonly name = "PlannerError";
  /** What was done, or why nothing was. There is none where no sync began. */
  report?: RuntimeReport;

  constructor(
    readonly code: ErrorCode | UnfinishedCode,
    message: string,
    readonly path?: string,
    readonly hint?: string,
    readonly field?: string,
  ) {
    super(message);
  }
}
