// The package as it is published: packed, installed without a network into fresh
// projects, and used there.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test, type TestContext } from "node:test";

import { build } from "esbuild";
import webpack from "webpack";

import { tempDir } from "../host/world.js";
import { packageRoot, vectors } from "../support.js";
import { posted } from "./browser.js";
import * as programs from "./programs.js";
import { pack, project, run } from "./project.js";

const require = createRequire(import.meta.url);
const esm = JSON.stringify({ type: "module" });
const client = fs.readFileSync(path.join(packageRoot, "build/examples/directoryClient.js"), "utf8");
const limit = { timeout: 600_000 };

/** The package and what it depends on. */
let packed: string[];
const store = fs.mkdtempSync(path.join(os.tmpdir(), "syncplan-test-"));
before(() => (packed = pack(store)));
after(() => fs.rmSync(store, { recursive: true }));

test("the package holds its page and what was built from its sources, and nothing else", limit, () => {
  const list = run(".", "tar", ["-tzf", packed[0]!]).trim().split("\n").sort();
  const sources = (fs.readdirSync(path.join(packageRoot, "src"), { recursive: true }) as string[]).filter((name) => /(?<!\.d)\.ts$/.test(name));
  const compiled = sources.map((name) => name.slice(0, -3)).flatMap((name) => [name === "host/worker" ? `${name}.cjs` : `${name}.js`, `${name}.d.ts`]);
  const expected = [...[...compiled, "planner.wasm", "plan.schema.json"].map((name) => `package/dist/${name}`), "package/README.md", "package/package.json"];
  assert.deepEqual(list, expected.sort());
});

// TypeScript before 5.7 takes "Buffer<ArrayBuffer>", as a later one writes a type that was left out, for an error.
test("the declarations name no generic buffers", () => {
  const dist = path.join(packageRoot, "dist");
  const declarations = (fs.readdirSync(dist, { recursive: true }) as string[]).filter((name) => name.endsWith(".d.ts"));
  assert.deepEqual(declarations.filter((name) => /\b(Buffer|Uint8Array)</.test(fs.readFileSync(path.join(dist, name), "utf8"))), []);
});

test("an ES module", limit, (t) => {
  const dir = project(t, packed, { "package.json": esm, "program.js": programs.program(false), "directoryClient.js": client });
  assert.equal(run(dir, process.execPath, ["program.js", tempDir(t)]), programs.written);
});

test("the first Node 20, which lacks what came with later ones", limit, (t) => {
  const dir = project(t, packed, {
    "package.json": esm, "program.js": programs.program(false), "directoryClient.js": client, "first.cjs": "delete AbortSignal.any;",
  });
  const options = { NODE_OPTIONS: "--require ./first.cjs" }; // also in threads
  assert.equal(run(dir, process.execPath, ["program.js", tempDir(t)], options), programs.written);
});

test("CommonJS, by require", limit, (t) => {
  const dir = project(t, packed, { "program.js": programs.commonProgram, "directoryClient.mjs": client });
  assert.equal(run(dir, process.execPath, ["program.js", tempDir(t)]), programs.written);
});

test("TypeScript under nodenext, and the shapes that a server declares today", limit, (t) => {
  const shapes = fs.readFileSync(path.join(packageRoot, "test/dropin/shapes.test.ts"), "utf8");
  const options = {
    module: "nodenext", target: "es2022", lib: ["es2022"], strict: true, resolveJsonModule: true, outDir: "out",
    typeRoots: [path.join(packageRoot, "node_modules/@types")], types: ["node"],
  };
  const dir = project(t, packed, {
    "package.json": esm,
    "tsconfig.json": JSON.stringify({ compilerOptions: options }),
    "program.ts": programs.program(true),
    "shapes.ts": shapes.replaceAll(/"..\/..\/src\/(.*).js"/g, '"syncplan/$1"'),
    "directoryClient.ts": fs.readFileSync(path.join(packageRoot, "examples/directoryClient.ts"), "utf8"),
  });
  run(dir, process.execPath, [require.resolve("typescript/bin/tsc"), "-p", "."]);
  assert.equal(run(dir, process.execPath, ["out/program.js", tempDir(t)]), programs.written);
  run(dir, process.execPath, ["out/shapes.js"]);
});

test("the code on the package's page, as a user types it in", limit, (t) => {
  const page = fs.readFileSync(path.join(packageRoot, "README.md"), "utf8");
  const [imports = "", use = "", planner = "", ...others] = (page.match(/(^ {4}.*\n+)+/gm) ?? []).map((block) => block.replaceAll(/^ {4}/gm, ""));
  assert.deepEqual(others, []);
  const options = { module: "nodenext", target: "es2022", strict: true, outDir: "out", typeRoots: [path.join(packageRoot, "node_modules/@types")], types: ["node"] };
  const dir = project(t, packed, {
    "package.json": esm,
    "tsconfig.json": JSON.stringify({ compilerOptions: options }),
    "server.ts": programs.pageProgram(imports, use),
    "planner.ts": planner + "console.log(plan.phase);\n",
    "directoryClient.ts": fs.readFileSync(path.join(packageRoot, "examples/directoryClient.ts"), "utf8"),
  });
  run(dir, process.execPath, [require.resolve("typescript/bin/tsc"), "-p", "."]);
  const top = tempDir(t);
  assert.match(run(dir, process.execPath, ["out/server.js", top], { XDG_STATE_HOME: path.join(top, "state") }), programs.pageWritten);
  assert.equal(run(dir, process.execPath, ["out/planner.js"]), "apply\n");
});

test("TypeScript that checks declarations, without those of Node and of a browser", limit, (t) => {
  const options = { module: "esnext", moduleResolution: "bundler", target: "es2022", lib: ["es2022"], strict: true, noEmit: true, types: [] };
  const dir = project(t, packed, {
    "tsconfig.json": JSON.stringify({ compilerOptions: options }),
    "planner.ts": 'import { createPlanner, type PlanRequest } from "syncplan";\nexport const phaseOf = (request: PlanRequest) => createPlanner().planPush(request).phase;\n',
  });
  run(dir, process.execPath, [require.resolve("typescript/bin/tsc"), "-p", "."]);
});

test("a bundle, with the worker and the module beside it", limit, async (t) => {
  const dir = project(t, packed, { "package.json": esm, "program.js": programs.bundledProgram, "directoryClient.js": client });
  const bundle = tempDir(t);
  const dist = path.join(dir, "node_modules/syncplan/dist");
  const options = { absWorkingDir: dir, bundle: true, platform: "node", target: "node20", logLevel: "error" } as const;
  await build({ ...options, entryPoints: ["program.js"], format: "esm", outdir: bundle, loader: { ".wasm": "binary" } });
  await build({ ...options, entryPoints: [path.join(dist, "host/worker.cjs")], format: "cjs", outfile: path.join(bundle, "worker.cjs") });
  fs.copyFileSync(path.join(dist, "planner.wasm"), path.join(bundle, "planner.wasm"));
  fs.writeFileSync(path.join(bundle, "package.json"), esm);
  assert.equal(run(bundle, process.execPath, ["program.js", tempDir(t)]), programs.written);
});

test("a bundle of webpack, which finds the worker and the module itself", limit, async (t) => {
  const dir = project(t, packed, { "package.json": esm, "program.js": programs.bundledProgram, "directoryClient.js": client });
  const bundle = tempDir(t);
  const rules = [{ test: /\.wasm$/, dependency: "esm", type: "asset/bytes" }];
  const options = { context: dir, entry: "./program.js", mode: "none", target: "node20", output: { path: bundle, filename: "program.cjs" } } as const;
  const stats = await new Promise<webpack.Stats>((resolve, reject) => {
    webpack({ ...options, module: { rules } }, (error, stats) => (error ? reject(error) : resolve(stats!)));
  });
  assert.ok(!stats.hasErrors() && !stats.hasWarnings(), stats.toString("errors-warnings"));
  assert.equal(run(bundle, process.execPath, ["program.cjs", tempDir(t)]), programs.written);
});

/** What the pure operations give everywhere. */
const found = { vectors: vectors().length, wrong: [], listing: "  new             a\npush: 1 to write, 0 to delete in the sandbox\n", code: "unsafe_root", same: true };

test("headless Chromium", limit, async (t) => {
  const dir = project(t, packed, { "package.json": esm, "pure.js": programs.pure, "page.js": programs.page });
  const site = tempDir(t);
  await build({ absWorkingDir: dir, entryPoints: ["page.js"], bundle: true, platform: "browser", format: "esm", outdir: site, logLevel: "error" });
  fs.copyFileSync(path.join(dir, "node_modules/syncplan/dist/planner.wasm"), path.join(site, "planner.wasm"));
  fs.writeFileSync(path.join(site, "vectors.json"), JSON.stringify(vectors()));
  fs.writeFileSync(path.join(site, "index.html"), '<!doctype html><script type="module" src="/page.js"></script>');
  assert.deepEqual(JSON.parse(await posted(t, site)), found);
});

/** A project that checks the pure operations, in a runtime that takes packages as Node does. */
function runtimeProject(t: TestContext): string {
  return project(t, packed, {
    "package.json": esm, "pure.js": programs.pure, "program.js": programs.elsewhere, "vectors.json": JSON.stringify(vectors()),
  });
}

// The packages bun and deno fetch nothing when installed: their programs are packages of their own, one for each platform.
const platform = `${process.platform}-${process.arch}`;

test("Bun", limit, (t) => {
  const bun = path.join(packageRoot, `node_modules/@oven/bun-${platform}/bin/bun`);
  const dir = runtimeProject(t);
  assert.deepEqual(JSON.parse(run(dir, bun, ["program.js"], { HOME: dir })), found);
});

test("Deno", limit, (t) => {
  const deno = path.join(packageRoot, `node_modules/@deno/${platform}${process.platform === "linux" ? "-glibc" : ""}/deno`);
  const dir = runtimeProject(t);
  assert.deepEqual(JSON.parse(run(dir, deno, ["run", "--no-remote", "--allow-read", "program.js"], { HOME: dir, DENO_DIR: path.join(dir, "deno") })), found);
});
