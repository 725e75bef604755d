import fs from "node:fs";
import path from "node:path";

/** The folder of the package, wherever the tests were compiled to. */
export const packageRoot = new URL("../../", import.meta.url).pathname;

export interface Vector {
  name: string;
  calls: string[];
  out: string;
}

/** The golden vectors: the calls of each, and the recorded answers, a line each. */
export function vectors(): Vector[] {
  const root = path.join(packageRoot, "../testdata/golden");
  const list: Vector[] = [];
  for (const file of fs.readdirSync(root, { recursive: true }) as string[]) {
    if (!file.endsWith(".json") || file.endsWith(".out.json") || file === "manifest.json") continue;
    const { call, calls = [call] } = JSON.parse(fs.readFileSync(path.join(root, file), "utf8")) as { call?: unknown; calls?: unknown[] };
    // A string is the exact text of a malformed call.
    const texts = calls.map((c) => (typeof c === "string" ? c : JSON.stringify(c)));
    list.push({ name: file, calls: texts, out: fs.readFileSync(path.join(root, file.replace(/\.json$/, ".out.json")), "utf8") });
  }
  return list;
}
