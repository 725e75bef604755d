export { PlannerError, type ErrorCode } from "./errors.js";
export { comparePaths } from "./order.js";
export { compiledModule, createPlanner, kept, Verdict, type Planner, type PlannerOptions } from "./planner.js";
export { SnapshotBuilder } from "./snapshotBuilder.js";
export type * from "./types.js";
export { SentList, type SentNote, type UploadEntry } from "./uploads.js";
