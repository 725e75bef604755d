/** Hands bytes from one side to the other, a piece at a time: whoever gives one waits until it was used. */
export class Channel {
  private given: Given | undefined;
  private asking: Asking | undefined;
  private ended = false;
  private told = false; // whether who asks knows that it ended
  private failure: Error | undefined;

  /** Resolves when the other side has used the whole piece. One at a time may give. */
  give(piece: Uint8Array): Promise<void> {
    if (this.given) this.fail(new Error("stdout was called again before the piece before was used"));
    return heard(
      new Promise((resolve, reject) => {
        if (this.failure) return reject(this.failure);
        if (piece.length === 0) return resolve();
        this.given = { rest: piece, resolve, reject };
        this.meet();
      }),
    );
  }

  /** What is left of a piece, or undefined at the end. One at a time may ask. */
  next(): Promise<Uint8Array | undefined> {
    if (this.asking) this.fail(new Error("stdin was called again before it had answered"));
    return heard(
      new Promise((resolve, reject) => {
        if (this.failure) return reject(this.failure);
        this.asking = { resolve, reject };
        this.meet();
      }),
    );
  }

  /** Says that the first n bytes of what next returned were used. */
  used(n: number): void {
    const { given } = this;
    if (!given) return; // it broke off
    given.rest = given.rest.subarray(n);
    if (given.rest.length > 0) return;
    this.given = undefined;
    given.resolve();
  }

  /** Says that nothing more comes. Throws where the channel has failed: what came is not all then. */
  end(): void {
    if (this.failure) throw this.failure;
    this.ended = true;
    this.meet();
  }

  /** Throws unless the side that asks was told of the end. */
  assertRead(): void {
    if (!this.told) throw new Error("it ended before it had all of its input");
  }

  /** Breaks off: both sides get the error from now on. */
  fail(error: Error): void {
    this.failure ??= error;
    this.given?.reject(this.failure);
    this.asking?.reject(this.failure);
    this.given = this.asking = undefined;
  }

  private meet(): void {
    if (!this.asking || !(this.given || this.ended)) return;
    this.told ||= !this.given;
    this.asking.resolve(this.given?.rest);
    this.asking = undefined;
  }
}

/**
 * The same promise, whose rejection ends no server where the client does not wait for it. The other side learns of it
 * too.
 */
export function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined);
  return promise;
}

interface Given {
  rest: Uint8Array;
  resolve(): void;
  reject(error: Error): void;
}

interface Asking {
  resolve(rest: Uint8Array | undefined): void;
  reject(error: Error): void;
}
