/** The codes of errors, a closed list that the Go packages and the command line share. */
export type ErrorCode =
  | "usage" | "invalid_request" | "invalid_path" | "invalid_snapshot" | "invalid_pattern" | "newer_version" | "limit_exceeded"
  | "corrupt" | "stale_plan" | "unsafe_root" | "unsupported" | "client_failed" | "timeout" | "cancelled" | "busy" | "no_space"
  | "permission" | "io_failed";

/** The one error type of this package. */
export class PlannerError extends Error {
  override readonly name = "PlannerError";
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly path?: string,
    readonly hint?: string,
    readonly field?: string,
  ) {
    super(message);
  }
}
