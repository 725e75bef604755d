import fs from "node:fs";

/** The table of what is mounted where; only Linux has it. */
export const systemMounts = "/proc/self/mounts";

/**
 * The paths below a real one at which something is mounted, relative to it, as a table tells. The numbers of file
 * systems would not do: one that is mounted twice has one.
 */
export function mountedBelow(root: string, table: string): ReadonlySet<string> {
  const found = new Set<string>();
  for (const line of textOf(table).split("\n")) {
    const at = unescaped(line.split(" ")[1] ?? "");
    if (at.startsWith(`${root}/`)) found.add(at.slice(root.length + 1));
  }
  return found;
}

function textOf(table: string): string {
  try {
    return fs.readFileSync(table, "utf8");
  } catch {
    return "";
  }
}

/** A table has octal numbers for some bytes. */
const unescaped = (word: string) => word.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
