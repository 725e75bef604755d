import fs from "node:fs";
import path from "node:path";

import type { PlanOptions } from "../types.js";

/**
 * What the file system of the workspace does with names and permissions. It asks
 * by looking the workspace up under its own name in other letters, so nothing is
 * written.
 */
export function fileSystemFacts(root: string): NonNullable<PlanOptions["facts"]> {
  const windows = process.platform === "win32";
  const darwin = process.platform === "darwin";
  return { fold_case: foldsCase(root, windows || darwin), normalize: darwin, no_executable: windows, backslash: windows };
}

/** Falls back to what is usual where the name has no letters. */
function foldsCase(root: string, usual: boolean): boolean {
  const name = path.basename(root);
  const other = [...name].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join("");
  if (other === name) return usual;
  try {
    const own = fs.statSync(root, { bigint: true });
    const found = fs.statSync(path.join(path.dirname(root), other), { bigint: true });
    return found.dev === own.dev && found.ino === own.ino;
  } catch {
    return false; // nothing is there, or nothing that leads to the workspace
  }
}
