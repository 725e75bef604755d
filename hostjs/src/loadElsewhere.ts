import { PlannerError } from "./errors.js";

/** Where there is no file system, the caller supplies the module. */
export function planner(): Uint8Array {
  throw new PlannerError("unsupported", "the module can't be read here", undefined, "pass createPlanner({ wasm }) the bytes of syncplan/planner.wasm, or the compiled module");
}
