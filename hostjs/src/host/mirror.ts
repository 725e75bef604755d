import { constants } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";

import { assertFields, assertKind } from "./checked.js";
import { codeOf, hostError, ioError } from "./errors.js";
import { isWithin, realPath } from "./workspace.js";

/**
 * Makes one directory a copy of another. Entries that the source lacks are removed,
 * but for those in preserveAbsent, exact relative paths, with all below them and the
 * folders that hold them. What is no file, directory or link is left out. It rejects
 * with a PlannerError, of code unsafe_root where one lies in the other.
 */
export async function mirrorDirectory(sourceDir: string, targetDir: string, options: { preserveAbsent?: string[] } = {}): Promise<void> {
  assertKind(sourceDir, "sourceDir", "a string");
  assertKind(targetDir, "targetDir", "a string");
  assertFields(options, "options", {}, { preserveAbsent: "a list of strings" });
  // A source that can't be read must not empty the target.
  const names = await namesIn(sourceDir);
  try {
    assertMirrorable(realPath(path.resolve(sourceDir)), realPath(path.resolve(targetDir)));
    await fs.mkdir(targetDir, { recursive: true });
    await new Mirror(sourceDir, targetDir, options.preserveAbsent ?? []).directory("", names);
  } catch (error) {
    throw ioError("the folder can't be mirrored", targetDir, error);
  }
}

/**
 * Refuses a source that would be removed as what the target has too much, or a target that would be copied into
 * itself for ever.
 */
function assertMirrorable(source: string, target: string): void {
  if (!isWithin(source, target) && !isWithin(target, source)) return;
  throw hostError("unsafe_root", "the source and the target are the same folder or one lies in the other", { path: target, hint: "mirror into a folder of its own" });
}

class Mirror {
  constructor(
    private readonly source: string,
    private readonly target: string,
    private readonly preserved: readonly string[],
  ) {}

  async directory(rel: string, names: readonly string[]): Promise<void> {
    const wanted = new Set(names);
    for (const name of await namesIn(path.join(this.target, rel))) {
      if (!wanted.has(name)) await this.clear(path.posix.join(rel, name));
    }
    for (const name of names) await this.entry(path.posix.join(rel, name));
  }

  /** Removes an entry of the target, but for what is preserved. */
  private async clear(rel: string): Promise<void> {
    if (this.preserved.some((p) => isWithin(rel, p))) return;
    const full = path.join(this.target, rel);
    if (!this.preserved.some((p) => isWithin(p, rel))) return fs.rm(full, { recursive: true, force: true });
    for (const name of await namesIn(full)) await this.clear(path.posix.join(rel, name));
  }

  private async entry(rel: string): Promise<void> {
    const from = path.join(this.source, rel);
    const to = path.join(this.target, rel);
    const info = await fs.lstat(from);
    if (info.isDirectory()) {
      await this.makeDirectory(to);
      return this.directory(rel, await namesIn(from));
    }
    await fs.rm(to, { recursive: true, force: true });
    if (info.isSymbolicLink()) return fs.symlink(await fs.readlink(from), to);
    if (!info.isFile()) return; // whoever opens a FIFO waits for its other end
    await fs.copyFile(from, to, constants.COPYFILE_FICLONE);
    await fs.chmod(to, info.mode & 0o777);
  }

  /** Makes a directory, in place of anything else: through a link that stands there entries would land elsewhere. */
  private async makeDirectory(full: string): Promise<void> {
    const old = await fs.lstat(full).catch((error: unknown) => {
      if (codeOf(error) === "ENOENT") return undefined;
      throw error;
    });
    if (old?.isDirectory()) return;
    if (old) await fs.rm(full);
    await fs.mkdir(full);
  }
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return await fs.readdir(dir);
  } catch (error) {
    throw ioError("the folder can't be read", dir, error);
  }
}
