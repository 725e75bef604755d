// Prints what the first planner of a process costs its main thread, in milliseconds of CPU. V8 checks and optimises the module in other
// threads, which process.cpuUsage would count.
import { readFileSync } from "node:fs";

import { createPlanner } from "../src/index.js";

/** Linux keeps it to the last tick of its clock, so one value says little. */
const mainThread = (): number => Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;

mainThread();
const from = mainThread();
createPlanner();
console.log(mainThread() - from);
