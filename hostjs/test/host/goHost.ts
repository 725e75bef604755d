import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

import type { Pair } from "./pair.js";

/** The binary that "make build" leaves in bin. */
const planner = fileURLToPath(new URL("../../../../bin/planner", import.meta.url));

/** Runs a push or pull of the Go host on a pair, and returns its summary. */
export async function goHost(p: Pair, op: "push" | "pull"): Promise<Record<string, unknown>> {
  const args = [op, "--json", "--sandbox", "dir:" + p.sandbox, "--state", p.options.stateDir, p.local];
  const child = spawn(planner, args, { stdio: ["ignore", "pipe", "inherit"] });
  let out = "";
  child.stdout.on("data", (data) => (out += String(data)));
  await once(child, "close");
  const last = out.trim().split("\n").at(-1) ?? "";
  return JSON.parse(last) as Record<string, unknown>;
}
