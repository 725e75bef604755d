import { readFileSync } from "node:fs";

import { PlannerError } from "./errors.js";

/** The bytes of the module that this package ships. */
export function planner(): Uint8Array {
  try {
    return readFileSync(new URL("./planner.wasm", import.meta.url));
  } catch (cause) {
    const text = `the module of this package can't be read: ${(cause as Error).message}`;
    const error = new PlannerError("io_failed", text, undefined, "install the package again; a bundle has to be an ES module, with planner.wasm beside it");
    error.cause = cause;
    throw error;
  }
}
