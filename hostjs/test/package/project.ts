import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";

import { tempDir } from "../host/world.js";
import { packageRoot } from "../support.js";

/** Runs a program, and returns what it wrote; it must end well within five minutes. */
export function run(cwd: string, program: string, args: string[], env: NodeJS.ProcessEnv = {}): string {
  const { status, signal, error, stdout, stderr } = spawnSync(program, args, { cwd, encoding: "utf8", timeout: 300_000, env: { ...process.env, ...env } });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}: ${error ?? signal ?? `exit status ${status}`}\n${(stdout + stderr).slice(-4000)}`);
  return stdout;
}

/** Runs npm without a network, its cache and logs in a folder of the caller's. */
function npm(cwd: string, cache: string, args: string[]): string {
  return run(cwd, "npm", args, { npm_config_cache: cache, npm_config_offline: "true", npm_config_ignore_scripts: "true", npm_config_update_notifier: "false" });
}

/** Packs this package and what it depends on into a folder, all as they are here. Returns the files, this package's first. */
export function pack(to: string): string[] {
  const cache = path.join(to, "cache");
  const packages = npm(packageRoot, cache, ["ls", "--omit=dev", "--all", "--parseable"]).trim().split("\n");
  const packed = JSON.parse(npm(packageRoot, cache, ["pack", ...packages, "--pack-destination", to, "--json"])) as { filename: string }[];
  return packed.map(({ filename }) => path.join(to, filename));
}

/** A fresh project with files of these texts, into which packed packages are installed. It goes away with the test. */
export function project(t: TestContext, packed: string[], files: Record<string, string>): string {
  const dir = tempDir(t);
  for (const [name, text] of Object.entries({ "package.json": "{}", ...files })) fs.writeFileSync(path.join(dir, name), text);
  npm(dir, path.join(dir, "cache"), ["install", "--no-audit", "--no-fund", ...packed]);
  return dir;
}
