// The text of the programs that use the package as it was installed.

/** What the programs write on stdout. */
export const written = JSON.stringify({ status: "ok", a: "2", entries: ["a"], merge: 4, abi: "1.0", wasm: "0061736d", schema: "object" }) + "\n";

/** A round trip of a workspace, with every subpath at hand. It goes into a function main with one parameter, the folder it may use. */
const body = `
  const [local, sandbox] = [top + "/local", top + "/sandbox"];
  for (const dir of [local, sandbox]) fs.mkdirSync(dir, { recursive: true });
  fs.writeFileSync(local + "/a", "1");
  const spec = { transport: "sandbox" as const, provider: "dir", sandboxId: "one", remoteCwd: sandbox, timeoutMs: 60_000, apiKey: null };
  const client = new DirectoryClient();
  const runtime = await prepareSandboxManagedRuntime({ spec, adapterKey: "test", client, workspaceLocalDir: local, stateDir: top + "/state" });
  fs.writeFileSync(sandbox + "/a", "2");
  const { status } = await runtime.restoreWorkspace();
  const { entries } = await merge.captureDirectorySnapshot(local, { exclude: [".paperclip-runtime"] });
  console.log(JSON.stringify({
    status,
    a: fs.readFileSync(local + "/a", "utf8"),
    entries: [...entries.keys()],
    merge: Object.keys(merge).length,
    abi: createPlanner().about().abi,
    wasm: Buffer.from(wasm.subarray(0, 4)).toString("hex"),
    schema: typeof schema,
  }));
`;

const imports = `
import fs from "node:fs";
import { createPlanner } from "syncplan";
import { prepareSandboxManagedRuntime } from "syncplan/sandbox-managed-runtime";
import * as merge from "syncplan/workspace-restore-merge";
import schema from "syncplan/plan.schema.json" with { type: "json" };
`;

const javaScript = (text: string) => text.replace(" as const", "");

/** In TypeScript, or with the types taken away as an ES module. */
export const program = (typed: boolean) => `${imports}
import { DirectoryClient } from "./directoryClient.js";
const wasm = fs.readFileSync(new URL(import.meta.resolve("syncplan/planner.wasm")));
async function main(top${typed ? ": string" : ""}) {${typed ? body : javaScript(body)}}
await main(process.argv[2]${typed ? "!" : ""});
`;

/** With require. */
export const commonProgram = `
const fs = require("node:fs");
const { createPlanner } = require("syncplan");
const { prepareSandboxManagedRuntime } = require("syncplan/sandbox-managed-runtime");
const merge = require("syncplan/workspace-restore-merge");
const schema = require("syncplan/plan.schema.json");
const { DirectoryClient } = require("./directoryClient.mjs");
const wasm = fs.readFileSync(require.resolve("syncplan/planner.wasm"));
async function main(top) {${javaScript(body)}}
main(process.argv[2]);
`;

/** The code of the package's page, with what a server has around it: both sides edit a file. Its parameter is a folder that it may use. */
export const pageProgram = (imports: string, use: string) => `${imports}
import fs from "node:fs";
import { DirectoryClient } from "./directoryClient.js";
const [local, remoteCwd] = [process.argv[2] + "/local", process.argv[2] + "/sandbox"];
for (const dir of [local, remoteCwd]) fs.mkdirSync(dir);
fs.writeFileSync(local + "/a", "1");
const spec = { transport: "sandbox" as const, provider: "dir", sandboxId: "one", remoteCwd, timeoutMs: 60_000, apiKey: null };
const client = new DirectoryClient();
${use.replace('"/srv/project"', "local").replace(/^\/\/ ….*$/m, 'fs.writeFileSync(local + "/a", "here"); fs.writeFileSync(remoteCwd + "/a", "there");')}
`;

/** What it writes on stdout. */
export const pageWritten = /^content at a; the sandbox's version is at a\.conflict-[0-9a-f]{8}\n$/;

/** For a bundler that takes the bytes of the module into the bundle. */
export const bundledProgram = `${imports}
import { DirectoryClient } from "./directoryClient.js";
import wasm from "syncplan/planner.wasm";
async function main(top) {${javaScript(body)}}
await main(process.argv[2]);
`;

/** The pure operations, for places without files: returns what differs from the recorded answers of the vectors. */
export const pure = `
import { createPlanner, PlannerError } from "syncplan";

export function check(wasm, vectors) {
  const planner = createPlanner({ wasm });
  const wrong = vectors.filter((v) => v.calls.map((call) => planner.callText(call) + "\\n").join("") !== v.out).map((v) => v.name);
  const entries = [{ path: "a", kind: "file", mode: 0o644, size: 1, digest: "a1".repeat(32) }];
  const request = { run: "abcdefgh", root: "/w", adapter: "planner", marker: "0".repeat(32), local: planner.encodeSnapshot({ entries }) };
  const listing = planner.render(planner.summarise(planner.planPush(request)), { would: true });
  let code;
  try {
    planner.checkRoot("/usr");
  } catch (error) {
    code = error instanceof PlannerError && error.code;
  }
  return { vectors: vectors.length, wrong, listing, code, same: JSON.stringify(planner.decodeSnapshot(request.local).entries) === JSON.stringify(entries) };
}
`;

/** In a browser: it tells the server that it comes from what it found. */
export const page = `
import { check } from "./pure.js";
const found = async () => check(await WebAssembly.compileStreaming(fetch("/planner.wasm")), await (await fetch("/vectors.json")).json());
const result = await found().catch((error) => ({ error: String(error) }));
await fetch("/found", { method: "POST", body: JSON.stringify(result) });
`;

/** In a runtime with files, where the package finds its module itself. */
export const elsewhere = `
import fs from "node:fs";
import { check } from "./pure.js";
console.log(JSON.stringify(check(undefined, JSON.parse(fs.readFileSync("vectors.json", "utf8")))));
`;
