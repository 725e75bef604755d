import { constants, gunzipSync } from "node:zlib";

import { damaged } from "./archiveReader.js";
import type { NextPiece } from "./source.js";

/**
 * A download as it was before the sandbox compressed it, if it did. It is small then, and unpacked at once; of one that
 * breaks off, what had arrived.
 */
export function unzipped(next: NextPiece, most: number): NextPiece {
  let begun = false;
  let failure: unknown;
  return async () => {
    if (failure) throw failure;
    if (begun) return next();
    begun = true;
    const first = await atLeast(2, next);
    if (first?.subarray(0, 2).toString("latin1") !== "\x1f\x8b") return first;
    const packed = [first];
    let size = first.length;
    try {
      for (let more; size <= most && (more = await next()); size += more.length) packed.push(more);
    } catch (error) {
      failure = error;
    }
    try {
      return gunzipSync(Buffer.concat(packed), { maxOutputLength: most, finishFlush: failure ? constants.Z_SYNC_FLUSH : constants.Z_FINISH });
    } catch (error) {
      // Without its number, which is none of the system.
      throw failure ?? damaged(new Error((error as Error).message));
    }
  };
}

/** The first piece of at least n bytes, made of several if need be; a shorter one at the end. */
async function atLeast(n: number, next: NextPiece): Promise<Buffer | undefined> {
  let piece = await next();
  for (let more; piece && piece.length < n && (more = await next()); ) piece = Buffer.concat([piece, more]);
  return piece;
}
