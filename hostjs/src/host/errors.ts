import { getSystemErrorMap } from "node:util";

import { PlannerError, type ErrorCode } from "../errors.js";
import { display } from "./shared.js";

/** What an error of the host says beside its code and message. */
export interface ErrorDetails {
  path?: string;
  field?: string;
  hint?: string;
  cause?: unknown;
  /** A text that the cause may repeat, and the error must not. */
  secret?: string | undefined;
}

/** The longest text of an error, in bytes (promise S6). */
const maxMessage = 4096;

/** The host's own error, worded as the Go host words it: "message (path or field): cause". */
export function hostError(code: ErrorCode, message: string, details: ErrorDetails = {}): PlannerError {
  const about = details.path || details.field;
  let text = message;
  if (about) text += ` (${display(about)})`;
  if (details.cause !== undefined) text += `: ${printable(without(details.secret, reason(details.cause)))}`;
  const error = new PlannerError(code, cut(text), details.path, details.hint, details.field);
  if (details.cause !== undefined) error.cause = details.cause;
  return error;
}

/**
 * A text as a person may safely see it (promise S8), in one line. Its backslashes stay: those of names in it are
 * doubled already.
 */
function printable(text: string): string {
  return text.trim().split(/[\r\n]+/).join("; ").split("\\").map(display).join("\\");
}

function without(secret: string | undefined, text: string): string {
  return secret ? text.replaceAll(secret, "...") : text;
}

function cut(text: string): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxMessage) return text;
  return bytes.subarray(0, maxMessage - 3).toString().replace(/\ufffd+$/, "") + "...";
}

/** A failure of the host's file system, with the code that fits. */
export function ioError(message: string, path: string, cause: unknown): PlannerError {
  if (cause instanceof PlannerError) return cause;
  const { code, hint } = systemFailures.get(codeOf(cause)) ?? { code: "io_failed" as const };
  return hostError(code, message, { path, cause, ...(hint && { hint }) });
}

const denied = { code: "permission", hint: "check the permissions and run it again" } as const;
const spent = { code: "io_failed", hint: "raise the limit of open files (ulimit -n) and run it again; nothing was lost" } as const;

const systemFailures = new Map<string, { code: "no_space" | "permission" | "io_failed"; hint?: string }>([
  ["ENOSPC", { code: "no_space", hint: "free some space and run it again; nothing was lost" }],
  ["EACCES", denied],
  ["EPERM", denied],
  ["EMFILE", spent],
  ["ENFILE", spent],
]);

/** The code that fits a failure of the host's file system. */
export function ioCode(cause: unknown): "no_space" | "permission" | "io_failed" {
  return systemFailures.get(codeOf(cause))?.code ?? "io_failed";
}

/** Whether a failure says that no more files can be opened, and nothing of the file that was to be. */
export function isSpent(cause: unknown): boolean {
  return systemFailures.get(codeOf(cause)) === spent;
}

/** The system's name of a failure, such as "ENOENT"; "" for anything else. */
export function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" ? code : "";
}

/**
 * The system's own word for a failure, without the path, which the caller names. A client may throw anything, and
 * what can't be looked at must not end its server.
 */
export function reason(error: unknown): string {
  try {
    const errno = (error as { errno?: unknown } | null)?.errno;
    const known = typeof errno === "number" ? getSystemErrorMap().get(errno) : undefined;
    return known ? known[1] : String(error instanceof Error ? error.message : error);
  } catch {
    return "an error that has no text";
  }
}
