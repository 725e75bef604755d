import { readFileSync } from "node:fs";

/** The bytes of the module that this package ships. */
export function planner(): Uint8Array {
  return readFileSync(new URL("./planner.wasm", import.meta.url));
}
