/**
 * Cuts a stream into parts and sends each as soon as it is full, while the next
 * one fills: at most two are in memory, whatever the size of the body.
 */
export class PartWriter {
  private buffer: Buffer | undefined; // of a part that was begun
  private used = 0;
  private spare: Buffer | undefined; // memory for the next part
  private full: Buffer[] = [];
  private sending: Promise<void> | undefined;
  private failed: unknown;
  private taken = 0; // bytes in all

  /** limit is the length of a part in bytes; 0 is no bound. */
  constructor(
    private readonly limit: number,
    /** May return memory for a part to come, where it needs that of this one no more. */
    private readonly send: (part: Buffer) => Promise<Buffer | void>,
  ) {}

  /** Whether a part is full, so that the caller shall drain before it writes on. */
  get waiting(): boolean {
    return this.full.length > 0;
  }

  /** How many bytes it was given. */
  get bytes(): number {
    return this.taken;
  }

  /** Takes a copy of data. */
  write(data: Uint8Array): void {
    this.taken += data.length;
    for (let at = 0; at < data.length; ) {
      if (this.limit > 0 && this.used === this.limit) this.cut();
      const buffer = this.room(data.length - at);
      const n = Math.min(buffer.length - this.used, data.length - at);
      buffer.set(at === 0 && n === data.length ? data : data.subarray(at, at + n), this.used);
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
    return { buffer: this.room(n), at: this.used };
  }

  /** Takes the n bytes of a place that was filled. */
  take(n: number): void {
    this.used += n;
    this.taken += n;
  }

  /** The buffer of this part, where it has no bound with room for n more bytes. */
  private room(n: number): Buffer {
    // Memory that was not written to yet costs nothing, and copies of a part that grows would all wait for the
    // collector.
    const buffer = (this.buffer ??= this.spare ?? Buffer.allocUnsafeSlow(this.limit > 0 ? this.limit : firstSize));
    if (buffer === this.spare) this.spare = undefined;
    let size = buffer.length;
    while (this.limit === 0 && size - this.used < n) size *= 2;
    if (size === buffer.length) return buffer;
    return (this.buffer = this.moved(size));
  }

  private cut(): void {
    this.full.push(this.used === this.buffer?.length ? this.buffer : this.moved(this.used));
    this.buffer = undefined;
    this.used = 0;
  }

  /** What this part holds, in a buffer of another size. */
  private moved(size: number): Buffer {
    const other = Buffer.allocUnsafeSlow(size);
    if (this.buffer) {
      this.buffer.copy(other, 0, 0, this.used);
      release(this.buffer);
    }
    return other;
  }

  /** Waits until all full parts but one are sent. */
  async drain(): Promise<void> {
    while (this.full.length > 0) {
      await this.settle();
      const part = this.full.shift()!;
      this.sending = this.send(part).then(
        (memory) => void (this.spare = memory ?? undefined),
        (error: unknown) => void (this.failed = error),
      );
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

/**
 * Frees a large buffer that nobody uses any more: what is sent to nobody is gone. The
 * collector would let it stand until long after the sync.
 */
function release({ buffer }: Buffer): void {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.postMessage(buffer, [buffer as ArrayBuffer]);
  port1.close();
}

/** Bytes at an offset of a buffer. */
export interface Place {
  buffer: Buffer;
  at: number;
}

const firstSize = 64 << 10;
