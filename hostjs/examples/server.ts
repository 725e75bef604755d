// A server that runs commands in sandboxes over one workspace:
//
//   POST /runs {"sandbox": NAME, "command": SHELL}  starts a run, and answers 202 with {"id": ID}
//   GET  /runs/ID                                   tells how it goes
//
// Runs go on side by side; only their pushes and pulls wait for each other.
import { randomUUID } from "node:crypto";
import http from "node:http";

import {
  prepareSandboxManagedRuntime, type RuntimeReport, type SandboxManagedRuntimeClient, type SandboxRemoteExecutionSpec,
} from "syncplan/sandbox-managed-runtime";
import { createPlanner, PlannerError } from "syncplan";

/** A place where runs may go. */
export interface Sandbox {
  spec: SandboxRemoteExecutionSpec;
  client: SandboxManagedRuntimeClient;
}

export interface RunServerOptions {
  workspace: string;
  /** The sandboxes by the names that requests use. */
  sandboxes: Record<string, Sandbox>;
  /** Names what is remembered of a workspace and a sandbox; the command line's is "planner". */
  adapterKey: string;
}

/** What GET /runs/ID answers. */
export type Run = { id: string; sandbox: string } & (
  | { state: "running" }
  | { state: "done"; report: RuntimeReport }
  | { state: "failed"; error: { code: string; message: string; hint: string | null; report: RuntimeReport | null } }
);

/** Makes the server; the caller lets it listen. Whoever reaches it can run any command in a sandbox. */
export function createRunServer(options: RunServerOptions): http.Server {
  const runs = new Map<string, Run>();
  return http.createServer((request, response) => {
    answer(request, options, runs)
      .catch((error: unknown) => ({ status: error instanceof BadRequest ? 400 : 500, body: { error: messageOf(error) } }))
      .then(({ status, body }) => {
        response.writeHead(status, { "content-type": "application/json" });
        response.end(JSON.stringify(body));
      });
  });
}

interface Answer {
  status: number;
  body: object;
}

async function answer(request: http.IncomingMessage, options: RunServerOptions, runs: Map<string, Run>): Promise<Answer> {
  const { method, url = "" } = request;
  if (method === "POST" && url === "/runs") {
    const { name, sandbox, command } = runRequest(await bodyOf(request), options.sandboxes);
    const known = { id: randomUUID(), sandbox: name };
    runs.set(known.id, { ...known, state: "running" });
    void execute(options, sandbox, command).then((end) => runs.set(known.id, { ...known, ...end }));
    return { status: 202, body: { id: known.id } };
  }
  const run = method === "GET" && url.startsWith("/runs/") ? runs.get(url.slice("/runs/".length)) : undefined;
  return run ? { status: 200, body: run } : { status: 404, body: { error: "no such run" } };
}

/**
 * One run: the workspace goes out, the command changes it there, and what it did comes home merged, whatever it ended
 * with. It never rejects.
 */
async function execute({ workspace, adapterKey }: RunServerOptions, { spec, client }: Sandbox, command: string) {
  try {
    const runtime = await prepareSandboxManagedRuntime({ spec, adapterKey, client, workspaceLocalDir: workspace });
    const inWorkspace = `cd ${createPlanner().quote(runtime.workspaceRemoteDir)} && ${command}`;
    const failure = await client.run(inWorkspace, { timeoutMs: spec.timeoutMs }).then(() => undefined, messageOf);
    const report: RuntimeReport = await runtime.restoreWorkspace();
    if (failure === undefined) return { state: "done" as const, report };
    return { state: "failed" as const, error: { code: "command_failed", message: failure, hint: null, report } };
  } catch (error) {
    const { code = "io_failed", hint = null, report = null } = error instanceof PlannerError ? error : {};
    return { state: "failed" as const, error: { code, message: messageOf(error), hint, report } };
  }
}

class BadRequest extends Error {}

const maxBody = 64 << 10;

async function bodyOf(request: http.IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBody) throw new BadRequest(`a request has at most ${maxBody} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts).toString();
}

function runRequest(body: string, sandboxes: Record<string, Sandbox>): { name: string; sandbox: Sandbox; command: string } {
  const { sandbox: name, command } = fieldsOf(body);
  const sandbox = typeof name === "string" && Object.hasOwn(sandboxes, name) ? sandboxes[name] : undefined;
  if (typeof name !== "string" || !sandbox) throw new BadRequest(`"sandbox" is one of ${Object.keys(sandboxes).join(", ")}`);
  if (typeof command !== "string" || command === "") throw new BadRequest('"command" is a shell command');
  return { name, sandbox, command };
}

function fieldsOf(body: string): Record<string, unknown> {
  try {
    return Object(JSON.parse(body)) as Record<string, unknown>;
  } catch {
    throw new BadRequest("the body is not JSON");
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
