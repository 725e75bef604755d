import { createPlanner, type Planner } from "../planner.js";

let planner: Planner | undefined;

/** A planner of this thread for small calls that keep nothing. */
export function sharedPlanner(): Planner {
  return (planner ??= createPlanner());
}

/**
 * The planner that this thread shares, for its next task, from a module that another thread has compiled. It keeps
 * nothing, but its memory is that of the task before: to fill a new one costs more than many a task.
 */
export function plannerForTask(module: WebAssembly.Module): Planner {
  planner ??= createPlanner({ wasm: module, frugal: true });
  planner.drop();
  return planner;
}

/** A path as a person may safely see it (promise S8). */
export function display(path: string | Uint8Array): string {
  const plain = typeof path === "string" && /^[ -[\]-~]*$/.test(path);
  return plain ? path : sharedPlanner().display(path);
}
