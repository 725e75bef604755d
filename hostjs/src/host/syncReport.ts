import type { PlanReport } from "../types.js";
import type { StageTime } from "./options.js";

/** What one push or pull did. */
export interface SyncReport extends PlanReport {
  uploadedFiles: number;
  uploadedBytes: number;
  downloadedFiles: number;
  downloadedBytes: number;
  clientCalls: number;
  /** Where displaced versions of this run lie, relative to the workspace; "" if none. */
  displaced: string;
  stages: StageTime[];
}
