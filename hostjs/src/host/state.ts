import { randomBytes } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

import { PlannerError } from "../errors.js";
import { sha256 } from "./digest.js";
import { codeOf, hostError, ioCode, ioError } from "./errors.js";
import { writeAll } from "./stage.js";
import { assertStateApart } from "./workspace.js";

const baseHead = "syncplan-base ";

/** The most runs that are remembered as cut off. */
const maxResume = 8;

/**
 * What one workspace, sandbox and adapter share: base, the contents for text merges, and the journal of a running
 * apply.
 */
export class State {
  /**
   * The folder <dir>/<key>, made if missing, where key is a digest of what the state is about. sandbox is the
   * folder of a sandbox on this host.
   */
  readonly dir: string;

  constructor(dir: string, workspace: string, identity: string, adapter: string, sandbox?: string) {
    assertStateApart(dir, workspace, sandbox);
    const key = sha256(`${workspace}\0${identity}\0${adapter}`);
    this.dir = path.join(dir, key.slice(0, 32));
    try {
      fs.mkdirSync(this.dir, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw hostError(ioCode(error), "the state folder can't be made", { path: this.dir, cause: error, hint: "name another state folder" });
    }
    this.checkOwner();
  }

  /**
   * Refuses a folder that somebody else made, whose name is easily foretold: they could put a base there that
   * deletes, or a link that leads what is written elsewhere. On Windows a folder's list of writers comes from its
   * user's profile.
   */
  private checkOwner(): void {
    const user = process.geteuid?.();
    const info = fs.lstatSync(this.dir);
    if (user === undefined || (info.isDirectory() && info.uid === user && (info.mode & 0o002) === 0)) return;
    throw hostError("unsafe_root", "the state folder belongs to somebody else, or anybody may write to it", {
      path: this.dir,
      hint: "name another state folder, or make this one yours alone (chown, chmod 700) if you know what is in it",
    });
  }

  file(name: string): string {
    return path.join(this.dir, name);
  }

  hasNoBase(): boolean {
    try {
      return fs.lstatSync(this.file("base"), { throwIfNoEntry: false }) === undefined;
    } catch (error) {
      throw ioError("the stored base can't be read", this.file("base"), error);
    }
  }

  /**
   * Hands the document of the stored base to keep, if there is one. A damaged one
   * is an error of code corrupt, and stays as it is.
   */
  loadBase(keep: (document: Buffer) => void): void {
    const data = readIfThere("the stored base can't be read", this.file("base"));
    if (!data) return;
    const body = sealed(data, baseHead);
    if (!body) throw this.damagedBase();
    try {
      keep(body);
    } catch (error) {
      if (!(error instanceof PlannerError)) throw error;
      throw error.code === "newer_version" ? this.newerBase(error) : this.damagedBase(error);
    }
  }

  private newerBase(cause: PlannerError): PlannerError {
    const hint = cause.hint;
    return hostError("newer_version", "the stored base was written by a newer release", { path: this.file("base"), cause, ...(hint && { hint }) });
  }

  private damagedBase(cause?: PlannerError): PlannerError {
    return hostError("corrupt", "the stored base is damaged", {
      path: this.file("base"),
      hint: "move the file away to compare the trees afresh; then nothing is deleted and differences become conflicts",
      cause,
    });
  }

  /** Replaces the stored base, whole or not at all. */
  saveBase(body: Uint8Array): void {
    writeSealed(this.file("base"), baseHead, body);
  }

  /** Removes the stored base, if there is one. */
  dropBase(): void {
    try {
      fs.rmSync(this.file("base"), { force: true });
    } catch (error) {
      throw ioError("the stored base can't be removed", this.file("base"), error);
    }
  }

  /** The runs whose upload was begun and whose push did not end, the oldest first. */
  sending(): string[] {
    const text = readIfThere("the list of unfinished pushes can't be read", this.file("sending"));
    const runs = (text?.toString("latin1") ?? "").split(/\s+/).filter((run) => /^[0-9a-z]{8,32}$/.test(run));
    return runs.slice(-maxResume);
  }

  /**
   * Remembers a run until the push ended. It need not survive a crash of the machine: then everything is sent again.
   */
  noteSending(run: string): void {
    const text = [...this.sending(), run].join("\n") + "\n";
    try {
      fs.writeFileSync(this.file("sending"), text, { mode: 0o600 });
    } catch (error) {
      throw ioError("an unfinished push can't be noted", this.file("sending"), error);
    }
  }

  /** Forgets what noteSending noted. */
  sent(): void {
    try {
      fs.rmSync(this.file("sending"), { force: true });
    } catch (error) {
      throw ioError("a finished push can't be noted", this.file("sending"), error);
    }
  }
}

/**
 * The folder for bases, caches and journals: $XDG_STATE_HOME/syncplan, or
 * .local/state/syncplan in the home directory.
 */
export function defaultStateDir(): string {
  const named = process.env["XDG_STATE_HOME"] ?? "";
  if (path.isAbsolute(named)) return path.join(named, "syncplan");
  return path.join(os.homedir(), ".local", "state", "syncplan");
}

/** The content of a file of the state, or undefined where there is none. */
export function readIfThere(message: string, file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw ioError(message, file, error);
  }
}

/** What follows the first line of a document, if that line is the head and the digest of the rest. */
export function sealed(data: Buffer, head: string): Buffer | undefined {
  const end = data.indexOf(0x0a);
  if (end < 0) return undefined;
  const body = data.subarray(end + 1);
  return data.toString("latin1", 0, end) === head + sha256(body) ? body : undefined;
}

/** Writes a document with its head and digest in a first line, whole or not at all, and flushes it. */
export function writeSealed(file: string, head: string, body: Uint8Array): void {
  writeAtomic(file, [Buffer.from(`${head}${sha256(body)}\n`), body]);
}

/** Writes parts to a new file and renames it over the old one. */
function writeAtomic(file: string, parts: readonly Uint8Array[]): void {
  const temporary = path.join(path.dirname(file), `.new-${randomBytes(6).toString("hex")}`);
  try {
    const fd = fs.openSync(temporary, "wx", 0o600);
    try {
      for (const part of parts) writeAll(fd, part);
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(temporary, file);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw ioError("the state can't be written", file, error);
  }
}
