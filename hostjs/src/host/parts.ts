/**
 * Cuts a stream into parts and sends each as soon as it is full, while the next
 * one fills: at most two are in memory, whatever the size of the body.
 */
export class PartWriter {
  private buffer: Buffer;
  private used = 0;
  private full: Buffer[] = [];
  private sending: Promise<void> | undefined;
  private failed: unknown;

  /** limit is the length of a part in bytes; 0 is no bound. */
  constructor(
    private readonly limit: number,
    private readonly send: (part: Buffer) => Promise<void>,
  ) {
    // Memory that was not written to yet costs nothing, and copies of a part that grows would all wait for the collector.
    this.buffer = Buffer.allocUnsafe(limit > 0 ? limit : firstSize);
  }

  /** Whether a part is full, so that the caller shall drain before it writes on. */
  get waiting(): boolean {
    return this.full.length > 0;
  }

  /** Takes a copy of data. */
  write(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      if (this.limit > 0 && this.used === this.limit) this.cut();
      const n = Math.min(this.room(data.length - at), data.length - at);
      this.buffer.set(at === 0 && n === data.length ? data : data.subarray(at, at + n), this.used);
      this.used += n;
      at += n;
    }
  }

  /**
   * A place for n bytes that the caller then fills and takes, until the next call; undefined where they would not fit
   * into this part.
   */
  place(n: number): Place | undefined {
    if (this.limit > 0 && this.used + n > this.limit) return undefined;
    this.room(n);
    return { buffer: this.buffer, at: this.used };
  }

  /** Takes the n bytes of a place that was filled. */
  take(n: number): void {
    this.used += n;
  }

  /** Makes room for up to n more bytes and returns for how many there is. */
  private room(n: number): number {
    let size = this.buffer.length;
    while (this.limit === 0 && size - this.used < n) size *= 2;
    if (size > this.buffer.length) {
      const grown = Buffer.allocUnsafe(size);
      this.buffer.copy(grown, 0, 0, this.used);
      this.buffer = grown;
    }
    return this.buffer.length - this.used;
  }

  private cut(): void {
    this.full.push(this.buffer.subarray(0, this.used));
    this.buffer = Buffer.allocUnsafe(this.buffer.length);
    this.used = 0;
  }

  /** Waits until all full parts but one are sent. */
  async drain(): Promise<void> {
    while (this.full.length > 0) {
      await this.settle();
      const part = this.full.shift()!;
      this.sending = this.send(part).catch((error: unknown) => {
        this.failed = error;
      });
    }
  }

  private async settle(): Promise<void> {
    await this.sending;
    this.sending = undefined;
    if (this.failed !== undefined) throw this.failed;
  }

  /** Sends the rest and waits for all. An empty body is one empty part. */
  async close(): Promise<void> {
    this.cut();
    await this.drain();
    await this.settle();
  }
}

/** Bytes at an offset of a buffer. */
export interface Place {
  buffer: Buffer;
  at: number;
}

const firstSize = 64 << 10;
