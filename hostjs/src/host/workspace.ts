import fs from "node:fs";
import path from "node:path";

import type { PlannerError } from "../errors.js";
import { codeOf, hostError } from "./errors.js";

function unsafe(folder: string, message: string, hint: string): PlannerError {
  return hostError("unsafe_root", message, { path: folder, hint });
}

/**
 * The real path of a folder that is sent, or an error of code unsafe_root and the field for
 * one that is missing, no directory, or a system folder, which checkRoot knows. what calls it
 * for people.
 */
export function realFolder(what: string, field: string | undefined, folder: string, checkRoot: (path: string) => void): string {
  const refuse = (message: string, rest: { hint?: string; cause?: unknown }) =>
    hostError("unsafe_root", message, { path: folder, ...(field !== undefined && { field }), ...rest });
  if (folder === "") throw refuse(`no ${what} is named`, { hint: 'name the folder to sync, such as "."' });
  let real: string;
  try {
    real = fs.realpathSync(path.resolve(folder));
  } catch {
    throw refuse(`the ${what} does not exist or can't be reached`, { hint: "name an existing folder" });
  }
  let isFolder: boolean;
  try {
    isFolder = fs.statSync(real).isDirectory();
  } catch (cause) {
    throw refuse(`the ${what} can't be read`, { cause });
  }
  if (!isFolder) throw refuse(`the ${what} is a file`, { hint: "name the folder that holds it" });
  if (path.dirname(real) === real || isSystemFolder(real, checkRoot)) {
    throw refuse(`the ${what} is a system folder`, { hint: "name a folder of its own" });
  }
  return real;
}

function isSystemFolder(real: string, checkRoot: (path: string) => void): boolean {
  // What no path in a sandbox may hold is checked there, too; no system folder does.
  if (!real.startsWith("/") || /[\0-\x1f\x7f]/.test(real)) return false;
  try {
    checkRoot(real);
    return false;
  } catch {
    return true;
  }
}

/** Refuses a workspace and a sandbox of which one lies in the other. Returns the real path of the sandbox. */
export function assertApart(workspace: string, sandbox: string): string {
  const real = fs.existsSync(sandbox) ? fs.realpathSync(sandbox) : sandbox;
  if (!isWithin(workspace, real) && !isWithin(real, workspace)) return real;
  throw unsafe(real, "the workspace and the sandbox are the same folder or one lies in the other", "use a sandbox folder outside the workspace");
}

/**
 * Refuses a folder for the state, which need not exist yet, that lies in the workspace or in the
 * sandbox: a base that a sandbox can change deletes what it likes.
 */
export function assertStateApart(dir: string, workspace: string, sandbox: string | undefined): void {
  const real = realPath(path.resolve(dir));
  const hint = "name a state folder outside of it";
  if (isWithin(real, workspace)) throw unsafe(dir, "the state folder lies in the workspace, and would travel with it", hint);
  if (sandbox !== undefined && isWithin(real, sandbox)) {
    throw unsafe(dir, "the state folder lies in the sandbox, which could change what is remembered", hint);
  }
}

/** Resolves the links of a path of which only a beginning need exist. */
export function realPath(folder: string): string {
  for (let at = folder; ; at = path.dirname(at)) {
    try {
      return path.join(fs.realpathSync(at), path.relative(at, folder));
    } catch (error) {
      if (codeOf(error) !== "ENOENT" || path.dirname(at) === at) return folder; // whoever uses it says what is wrong
    }
  }
}

/** Whether a path is a folder or lies in it. Both are real paths. */
export function isWithin(inner: string, folder: string): boolean {
  return inner === folder || inner.startsWith(folder.endsWith(path.sep) ? folder : folder + path.sep);
}
