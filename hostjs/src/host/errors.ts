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
  const code = ioCode(cause);
  return hostError(code, message, { path, cause, ...(code !== "io_failed" && { hint: ioHints[code] }) });
}

const ioHints = {
  no_space: "free some space and run it again; nothing was lost",
  permission: "check the permissions and run it again",
};

/** The code that fits a failure of the host's file system. */
export function ioCode(cause: unknown): keyof typeof ioHints | "io_failed" {
  switch (codeOf(cause)) {
    case "ENOSPC":
      return "no_space";
    case "EACCES":
    case "EPERM":
      return "permission";
  }
  return "io_failed";
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
