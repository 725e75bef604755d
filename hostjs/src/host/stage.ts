import { createHash, type Hash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import type { BodySink } from "./archiveReader.js";
import { smallFile } from "./archiveWriter.js";
import { sha256 } from "./digest.js";
import { ioError } from "./errors.js";
import { digestOf } from "./tree.js";

/** Told of each body that was read whole: its digest, and whether it is kept. */
export type BodyDone = (digest: string, staged: boolean) => void;

/**
 * Keeps bodies from a sandbox under their digests, so that no name from there
 * ever touches the disk (promise S7).
 */
export class Stage {
  private readonly sizes = new Map<string, number>();
  private tries = 0;

  /** A stage in a folder that belongs to it alone, with what an earlier one kept there. */
  constructor(private readonly dir: string) {
    try {
      for (const file of fs.readdirSync(dir, { withFileTypes: true })) this.adopt(file);
    } catch (error) {
      throw ioError("the folder for downloads can't be used", dir, error);
    }
  }

  /** Takes over a content, unless the run that wrote it died half way. */
  private adopt(file: fs.Dirent): void {
    const full = path.join(this.dir, file.name);
    if (/^[0-9a-f]{64}$/.test(file.name) && file.isFile()) {
      const fd = fs.openSync(full, "r");
      try {
        const { size } = fs.fstatSync(fd);
        if (digestOf(fd) === file.name) {
          this.sizes.set(file.name, size);
          return;
        }
      } finally {
        fs.closeSync(fd);
      }
    }
    fs.rmSync(full, { recursive: true });
  }

  /** The contents that are here, in no order. */
  digests(): string[] {
    return [...this.sizes.keys()];
  }

  has(digest: string): boolean {
    return this.sizes.has(digest);
  }

  /** Takes a body of the given size, in bytes, and keeps it unless known says that its content is not needed. */
  put(size: number, known: (digest: string) => boolean, done: BodyDone): BodySink {
    return size <= smallFile ? new SmallBody(this, size, known, done) : new LargeBody(this, size, known, done);
  }

  /** Opens a content for reading. The caller closes it. */
  open(digest: string): number {
    try {
      return fs.openSync(this.path(digest), "r");
    } catch (error) {
      throw ioError("a download can't be read again", this.dir, error);
    }
  }

  /** A content of at most max bytes, or undefined. */
  bytes(digest: string, max: number): Buffer | undefined {
    const size = this.sizes.get(digest);
    if (size === undefined || size > max) return undefined;
    try {
      return fs.readFileSync(this.path(digest));
    } catch (error) {
      throw ioError("a download can't be read again", this.dir, error);
    }
  }

  path(digest: string): string {
    return path.join(this.dir, digest);
  }

  newPath(): string {
    return path.join(this.dir, `new-${process.pid}-${++this.tries}`);
  }

  /** Runs one step on the files of the stage. */
  keeping<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      throw ioError("a download can't be kept", this.dir, error);
    }
  }

  note(digest: string, size: number): void {
    this.sizes.set(digest, size);
  }
}

class SmallBody implements BodySink {
  private readonly parts: Buffer[] = [];

  constructor(
    private readonly stage: Stage,
    private readonly size: number,
    private readonly known: (digest: string) => boolean,
    private readonly done: BodyDone,
  ) {}

  write(bytes: Buffer): void {
    this.parts.push(bytes);
  }

  end(): void {
    const body = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts);
    const digest = sha256(body);
    const staged = !this.stage.has(digest) && !this.known(digest);
    if (staged) {
      this.stage.keeping(() => fs.writeFileSync(this.stage.path(digest), body, { mode: 0o600 }));
      this.stage.note(digest, this.size);
    }
    this.done(digest, staged);
  }

  abort(): void {
    this.parts.length = 0;
  }
}

class LargeBody implements BodySink {
  private readonly hash: Hash = createHash("sha256");
  private readonly temporary: string;
  private readonly fd: number;

  constructor(
    private readonly stage: Stage,
    private readonly size: number,
    private readonly known: (digest: string) => boolean,
    private readonly done: BodyDone,
  ) {
    this.temporary = stage.newPath();
    this.fd = stage.keeping(() => fs.openSync(this.temporary, "wx", 0o600));
  }

  write(bytes: Buffer): void {
    this.hash.update(bytes);
    this.stage.keeping(() => writeAll(this.fd, bytes));
  }

  end(): void {
    const digest = this.hash.digest("hex");
    const staged = !this.stage.has(digest) && !this.known(digest);
    this.stage.keeping(() => {
      fs.closeSync(this.fd);
      if (staged) fs.renameSync(this.temporary, this.stage.path(digest));
      else fs.unlinkSync(this.temporary);
    });
    if (staged) this.stage.note(digest, this.size);
    this.done(digest, staged);
  }

  abort(): void {
    fs.closeSync(this.fd);
    fs.unlinkSync(this.temporary);
  }
}

/** Writes all of data; the system may take less in one call. */
export function writeAll(fd: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; ) at += fs.writeSync(fd, data, at, data.length - at, null);
}

/** A body that is only hashed. */
export class HashedBody implements BodySink {
  private readonly hash = createHash("sha256");

  constructor(private readonly done: BodyDone) {}

  write(bytes: Buffer): void {
    this.hash.update(bytes);
  }

  end(): void {
    this.done(this.hash.digest("hex"), false);
  }

  abort(): void {}
}

/** A body that is kept in memory. */
export class KeptBody implements BodySink {
  private readonly parts: Buffer[] = [];

  constructor(private readonly done: (digest: string, data: Buffer) => void) {}

  write(bytes: Buffer): void {
    this.parts.push(bytes);
  }

  end(): void {
    const data = Buffer.concat(this.parts);
    this.done(sha256(data), data);
  }

  abort(): void {
    this.parts.length = 0;
  }
}
