import fs from "node:fs";
import path from "node:path";

import type { ArchiveWriter, Member } from "./archiveWriter.js";
import type { Core } from "./core.js";
import { ioError, isSpent } from "./errors.js";
import type { Entry } from "../types.js";
import { Verdict } from "../planner.js";
import type { AssetOptions } from "./options.js";
import { join, sorted } from "./paths.js";
import type { Problem } from "../types.js";
import type { Session } from "./session.js";
import { type Name, readNames } from "./tree.js";
import { isWithin, realFolder } from "./workspace.js";

interface AssetMember extends Member {
  /** The file itself, links resolved. */
  source: string;
}

/** Lists the members of one asset's archive. */
class AssetWalk {
  readonly members: AssetMember[] = [];
  readonly problems: Problem[] = [];
  private readonly above: { dev: bigint; ino: bigint }[] = []; // the directories that the walk is in, to end cycles

  constructor(
    private readonly s: Session,
    private readonly asset: AssetOptions,
  ) {}

  private problem(rel: string, code: string, detail?: string): void {
    this.problems.push({ path: join("asset " + this.asset.key, rel), code, ...(detail && { detail }) });
  }

  /** Lists a directory whose real path is given, under its name in the asset. */
  dir(real: string, rel: string): void {
    this.s.stop.throwIfStopped("stopped while an asset was packed");
    const info = fs.statSync(real, { bigint: true, throwIfNoEntry: false });
    if (!info) return this.problem(rel, "unreadable");
    if (this.above.some((up) => up.dev === info.dev && up.ino === info.ino)) {
      return this.problem(rel, "unsafe_link", "the link leads back to a folder that holds it");
    }
    this.above.push(info);
    try {
      this.names(real, rel);
    } finally {
      this.above.pop();
    }
  }

  private names(real: string, rel: string): void {
    let names: Name[];
    try {
      names = sorted(readNames(real));
    } catch (error) {
      if (isSpent(error)) throw ioError("the asset can't be read", real, error);
      return this.problem(rel, "unreadable");
    }
    const found: { name: string; path: string; info: fs.Stats; rel: string }[] = [];
    for (const name of names) {
      if (typeof name !== "string" || !this.s.core.validPath(join(rel, name))) {
        this.problem(join(this.s.core.display(rel), this.s.core.display(name)), "invalid_name");
        continue;
      }
      const below = join(rel, name);
      const at = this.look(path.join(real, name), below);
      if (at) found.push({ name, rel: below, ...at });
    }
    const verdicts = this.s.core.scanDir(rel, found.map(({ name, info }) => (info.isDirectory() ? name + "/" : name)), assetRules);
    found.forEach((f, i) => {
      if (verdicts[i] !== Verdict.excluded) this.entry(f.path, f.rel, f.info);
    });
  }

  /** What stands at a name, links followed where the asset asks for it. */
  private look(full: string, rel: string): { path: string; info: fs.Stats } | undefined {
    let info: fs.Stats | undefined;
    try {
      info = fs.lstatSync(full, { throwIfNoEntry: false });
    } catch {
      this.problem(rel, "unreadable");
    }
    if (!info) return undefined;
    if (!info.isSymbolicLink() || !this.asset.followSymlinks) return { path: full, info };
    let real: string;
    try {
      real = fs.realpathSync(full);
      info = fs.lstatSync(real);
    } catch {
      this.problem(rel, "unsafe_link", "the link leads nowhere");
      return undefined;
    }
    // The directory of the link has no links in its path.
    if (!isWithin(full, this.s.root) || isWithin(real, this.s.root)) return { path: real, info };
    this.problem(rel, "unsafe_link", "the link lies in the workspace and leads out of it");
    return undefined;
  }

  private entry(source: string, rel: string, info: fs.Stats): void {
    const mode = info.mode & 0o777;
    const add = (entry: Omit<Entry, "path">) => this.members.push({ name: rel, entry: { path: rel, ...entry }, source });
    if (info.isDirectory()) {
      add({ kind: "dir", mode: mode | 0o700 });
      this.dir(source, rel);
    } else if (info.isFile()) {
      add({ kind: "file", mode, size: info.size });
    } else if (info.isSymbolicLink()) {
      const target = this.linkText(source);
      if (target === undefined) this.problem(rel, "unreadable");
      else add({ kind: "link", mode, target });
    } else {
      this.problem(rel, "special_file");
    }
  }

  private linkText(source: string): string | undefined {
    try {
      return fs.readlinkSync(source);
    } catch {
      return undefined;
    }
  }
}

const assetRules = "asset rules";

/** The real path of an asset's folder. */
export function assetPath(asset: AssetOptions, core: Core): string {
  return realFolder("asset's folder", "asset " + asset.key, asset.dir, (p) => core.checkRoot(p));
}

/**
 * Packs an asset. Links travel as links, or are followed where the asset asks for
 * it; one that lies in the workspace, where the sandbox could have planted it, only to
 * a target there (promise S9).
 */
export async function writeAsset(s: Session, archive: ArchiveWriter, key: string): Promise<Problem[]> {
  const asset = s.options.assets.find((a) => a.key === key)!;
  const { exclude = [] } = asset;
  // What either meaning of a pattern leaves out is not sent: it may be a secret.
  s.core.compileRules({ exclude, seed_exclude: exclude }, assetRules);
  const walk = new AssetWalk(s, asset);
  walk.dir(assetPath(asset, s.core), "");
  const problems = [...walk.problems];
  for (const m of walk.members) {
    const sent = await archive.addFrom(m.source, m);
    if (sent.problem) problems.push({ path: join("asset " + key, m.name), code: sent.problem, detail: sent.detail ?? "" });
    else if (m.entry.kind === "file") s.counts.uploadedFiles++;
  }
  await archive.close();
  return problems;
}
