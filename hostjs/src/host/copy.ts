import { setImmediate } from "node:timers/promises";
import { types } from "node:util";

/** The most that is copied in one turn of the event loop, in bytes. */
export const slice = 4 << 20;

/**
 * A copy of what a client returned, whose own buffer stays its own. In the dialect classic that is as long as the
 * workspace, and the server must get its turns meanwhile.
 */
export async function copyOf(bytes: unknown): Promise<ArrayBuffer> {
  const from = viewOf(bytes);
  if (!from) throw new TypeError("readFile returned neither a Buffer nor a Uint8Array nor an ArrayBuffer");
  const to = new Uint8Array(from.length);
  for (let at = 0; at < from.length; at += slice) {
    if (at > 0) await setImmediate();
    to.set(from.subarray(at, at + slice), at);
  }
  return to.buffer;
}

/** The bytes of a buffer of any form, or undefined for anything else. */
export function viewOf(bytes: unknown): Uint8Array | undefined {
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return types.isAnyArrayBuffer(bytes) ? new Uint8Array(bytes) : undefined;
}
