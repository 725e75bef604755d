import crypto from "node:crypto";

/** The SHA-256 of some bytes, in hexadecimal. */
export function sha256(data: Uint8Array): string {
  // Node before 20.12 lacks the call that makes no object.
  return typeof crypto.hash === "function" ? crypto.hash("sha256", data) : crypto.createHash("sha256").update(data).digest("hex");
}
