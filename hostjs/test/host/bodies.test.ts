import assert from "node:assert/strict";
import test from "node:test";

import { bodiesOf } from "../../src/host/bodies.js";
import type { Session } from "../../src/host/session.js";
import type { Stage } from "../../src/host/stage.js";

// Of a file that another host changes between the listing of a pull and its fetch.
test("R1: a content that did not come says what to do", () => {
  const open = bodiesOf({} as Session, { has: () => false } as unknown as Stage);
  assert.throws(() => open("0".repeat(64)), /pull again/);
});
