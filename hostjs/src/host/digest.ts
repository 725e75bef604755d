import crypto from "node:crypto";

/** The SHA-256 of some bytes, or of the UTF-8 of a text, in hexadecimal. */
export function sha256(data: Uint8Array | string): string {
  // Node before 20.12 lacks the call that makes no object.
  return typeof crypto.hash === "function" ? crypto.hash("sha256", data) : crypto.createHash("sha256").update(data).digest("hex");
}

/** A digest in hexadecimal. */
export function hex({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("hex");
}
