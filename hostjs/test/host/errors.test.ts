import assert from "node:assert/strict";
import { test } from "node:test";

import { PlannerError } from "../../src/errors.js";
import { hostError, ioError, type ErrorDetails } from "../../src/host/errors.js";

/** A failure as Node reports one of the system. */
const system = (code: string, errno: number) => Object.assign(new Error(`${code}: text with a path, open '/x'`), { code, errno });

test("an error says what it is about and why, as the Go host words it", () => {
  const cases: [ErrorDetails, string][] = [
    [{}, "it failed"],
    [{ path: "a/b" }, "it failed (a/b)"],
    [{ field: "input.x" }, "it failed (input.x)"],
    [{ path: "a/b", field: "input.x" }, "it failed (a/b)"],
    [{ path: "a\nb" }, "it failed (a\\x0ab)"],
    [{ cause: new Error(" why\r\nit is ") }, "it failed: why; it is"],
    [{ cause: new Error("\u001b[31m c:\\dir") }, "it failed: \\x1b[31m c:\\dir"],
    [{ cause: system("ENOENT", -2) }, "it failed: no such file or directory"],
    [{ path: "a", cause: "text" }, "it failed (a): text"],
    [{ cause: null }, "it failed: null"],
    [{ cause: new Error("run X or X"), secret: "X" }, "it failed: run ... or ..."],
  ];
  for (const [details, message] of cases) {
    const error = hostError("io_failed", "it failed", { ...details, hint: "a hint" });
    assert.equal(error.message, message);
    assert.deepEqual([error.code, error.path, error.field, error.hint], ["io_failed", details.path, details.field, "a hint"]);
    assert.equal(error.cause, details.cause);
  }
});

test("S6: an error of any length is cut between characters", () => {
  for (let n = 4000; n < 4100; n++) {
    const { message } = hostError("io_failed", "x".repeat(n), { cause: new Error("ünï".repeat(50)) });
    assert.ok(Buffer.byteLength(message) <= 4096 && Buffer.byteLength(message) > 4090, `${n}: ${Buffer.byteLength(message)}`);
    assert.ok(message.endsWith("...") && !message.includes("\ufffd"), message.slice(-20));
  }
  assert.equal(hostError("io_failed", "x".repeat(4096)).message.length, 4096);
});

test("D14: a failure of the file system has the code that fits, and one that is known stays", () => {
  const cases = [
    [system("ENOSPC", -28), "no_space", "free some space and run it again; nothing was lost"],
    [system("EACCES", -13), "permission", "check the permissions and run it again"],
    [system("EPERM", -1), "permission", "check the permissions and run it again"],
    [system("EIO", -5), "io_failed", undefined],
    [null, "io_failed", undefined],
  ] as const;
  for (const [cause, code, hint] of cases) {
    const error = ioError("it failed", "a", cause);
    assert.deepEqual([error.code, error.path, error.hint, error.cause], [code, "a", hint, cause]);
  }
  const known = new PlannerError("busy", "known");
  assert.equal(ioError("it failed", "a", known), known);
});
