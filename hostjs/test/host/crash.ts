// Applies "everything" to the world in the folder that is named, or "whole" after that word, and kills this
// process at a point at which a run may die: the n-th, or the one of that name. The
// journal goes into the world's state folder, or the one that is named. Further names are of mounts.
import { apply } from "../../src/host/apply.js";
import { everything, whole, World } from "./world.js";

const [top = "", asked = "", state = "", ...mounts] = process.argv.slice(2);
if (top === "") process.exit(); // the test runner takes every file for a test
const world = new World(top);
const at = asked.replace(/^whole /, "");
let points = 0;
const { error } = apply(
  world.request(asked === at ? everything(world) : whole(world), {
    run: "run00001",
    ...(state && { stateDir: state }),
    ...world.mounted(...mounts),
    fault: (point) => {
      if (++points === Number(at) || point === at) process.kill(process.pid, "SIGKILL");
    },
  }),
);
if (error) throw error;
