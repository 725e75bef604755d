import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { packageRoot, vectors } from "./support.js";

type Schema = { [key: string]: any };

/** The part of JSON Schema that the schema of plans uses. */
function check(root: Schema, schema: Schema, value: any, at: string): void {
  if (schema["$ref"]) return check(root, root["$defs"][schema["$ref"].slice("#/$defs/".length)], value, at);
  if ("const" in schema) assert.equal(value, schema["const"], at);
  if (schema["enum"]) assert.ok(schema["enum"].includes(value), `${at}: ${value}`);
  if (schema["type"] === "integer") assert.ok(Number.isSafeInteger(value) && value >= schema["minimum"] && value <= schema["maximum"], at);
  else if (schema["type"] === "array") {
    assert.ok(Array.isArray(value), at);
    value.forEach((v: any, i: number) => check(root, schema["items"], v, `${at}[${i}]`));
  } else if (schema["type"] === "object") {
    for (const key of schema["required"]) assert.ok(key in value, `${at}.${key} is missing`);
    for (const key of Object.keys(value)) {
      assert.ok(key in schema["properties"], `${at}.${key} is not in the schema`);
      check(root, schema["properties"][key], value[key], `${at}.${key}`);
    }
  } else if (schema["type"]) assert.equal(typeof value, schema["type"], at);
  if (schema["pattern"]) assert.match(value, new RegExp(schema["pattern"]), at);
}

test("every plan of the vectors has the form that the schema tells", () => {
  const schema = JSON.parse(fs.readFileSync(path.join(packageRoot, "dist/plan.schema.json"), "utf8")) as Schema;
  let plans = 0;
  for (const v of vectors()) {
    for (const line of v.out.trimEnd().split("\n")) {
      const { result } = JSON.parse(line);
      if (!result?.phase) continue;
      check(schema, schema, result, v.name);
      plans++;
    }
  }
  assert.ok(plans > 100);
  assert.throws(() => check(schema, schema, { format_version: 1, op: "push", run: "r", phase: "apply", more: 1 }, "plan"));
});
