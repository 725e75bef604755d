import { constants } from "node:fs";
import fs from "node:fs/promises";
import path from "node:path";

import { codeOf, ioError } from "./errors.js";
import { isWithin } from "./workspace.js";

/**
 * Makes one directory a copy of another. Entries that the source lacks are removed,
 * but for those in preserveAbsent, exact relative paths, with all below them and the
 * folders that hold them.
 */
export async function mirrorDirectory(sourceDir: string, targetDir: string, options: { preserveAbsent?: string[] } = {}): Promise<void> {
  // A source that can't be read must not empty the target.
  const names = await namesIn(sourceDir);
  await fs.mkdir(targetDir, { recursive: true });
  await new Mirror(sourceDir, targetDir, options.preserveAbsent ?? []).directory("", names);
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
