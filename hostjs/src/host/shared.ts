import { createPlanner, type Planner } from "../planner.js";

let planner: Planner | undefined;

/** A planner of this thread for small calls that keep nothing. */
export function sharedPlanner(): Planner {
  return (planner ??= createPlanner());
}

/** Gives this thread the planner that it shares, where another thread has compiled the module. */
export function share(made: Planner): void {
  planner = made;
}

/** A path as a person may safely see it (promise S8). */
export function display(path: string | Uint8Array): string {
  const plain = typeof path === "string" && /^[ -[\]-~]*$/.test(path);
  return plain ? path : sharedPlanner().display(path);
}
