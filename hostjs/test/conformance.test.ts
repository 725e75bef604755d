import assert from "node:assert/strict";
import { test } from "node:test";

import { createPlanner } from "../src/planner.js";
import { vectors } from "./support.js";

test("every golden vector gets the recorded bytes", () => {
  const list = vectors();
  assert.ok(list.length > 200);
  const planner = createPlanner();
  for (const v of list) {
    assert.equal(v.calls.map((c) => planner.callText(c) + "\n").join(""), v.out, v.name);
  }
});
