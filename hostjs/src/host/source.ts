import { createHash } from "node:crypto";

/** The pieces of a download, one after another; undefined after the last. */
export type NextPiece = () => Promise<Buffer | undefined>;

/** Hands out the bytes of a download, whose parts come one after another. */
export class Source {
  private chunk: Buffer = Buffer.alloc(0);
  private at = 0;
  private ended = false;

  constructor(private readonly next: NextPiece) {}

  /** Bytes that are here already. */
  get available(): number {
    return this.chunk.length - this.at;
  }

  /** Waits until at least n bytes are here, or the end. */
  async fill(n: number): Promise<void> {
    while (this.available < n && !this.ended) {
      const more = await this.next();
      if (!more) this.ended = true;
      else if (this.available === 0) [this.chunk, this.at] = [more, 0];
      else [this.chunk, this.at] = [Buffer.concat([this.chunk.subarray(this.at), more]), 0];
    }
  }

  /** At most n of the bytes that are here, which stay. */
  peek(n: number): Buffer {
    return this.chunk.subarray(this.at, this.at + n);
  }

  /** At most n of the bytes that are here. */
  take(n: number): Buffer {
    const part = this.peek(n);
    this.at += part.length;
    return part;
  }
}

/** Keeps back the last n bytes of a download and hashes all before. */
export class Tail {
  private readonly hash = createHash("sha256");
  private kept: Buffer = Buffer.alloc(0);
  private ready: Buffer[] = [];
  private ended = false;

  constructor(
    private readonly length: number,
    private readonly next: NextPiece,
  ) {}

  /** The next bytes that are certainly not the last ones; undefined at the end. */
  async read(): Promise<Buffer | undefined> {
    while (this.ready.length === 0 && !this.ended) {
      const more = await this.next();
      if (more) this.push(more);
      else this.ended = true;
    }
    return this.ready.shift();
  }

  private push(more: Buffer): void {
    // A part is large: it is cut, not copied.
    if (more.length < this.length) more = Buffer.concat([this.kept, more]);
    else this.release(this.kept);
    const end = Math.max(0, more.length - this.length);
    this.release(more.subarray(0, end));
    this.kept = more.subarray(end);
  }

  private release(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.hash.update(bytes);
    this.ready.push(bytes);
  }

  /** The bytes kept back, once all others were read. */
  get bytes(): Buffer {
    return this.kept;
  }

  /** The digest of all other bytes, in hexadecimal. */
  digest(): string {
    return this.hash.digest("hex");
  }
}
