import fs from "node:fs";
import path from "node:path";
import type { TestContext } from "node:test";

import { prepareSandboxManagedRuntime, type ReportingSandboxManagedRuntime } from "../../src/sandbox-managed-runtime.js";
import { DirectoryClient } from "../host/directory.js";
import { tempDir } from "../host/world.js";

export type Input = Parameters<typeof prepareSandboxManagedRuntime>[0];

/** A server with one workspace and one sandbox. */
export class Server {
  readonly local: string;
  readonly sandbox: string;
  readonly stateDir: string;
  readonly client = new DirectoryClient();

  constructor(t: TestContext) {
    const top = tempDir(t);
    this.local = path.join(top, "local");
    this.sandbox = path.join(top, "sandbox");
    for (const dir of [this.local, this.sandbox]) fs.mkdirSync(dir);
    this.stateDir = path.join(top, "state");
  }

  prepare(more: Partial<Input> = {}): Promise<ReportingSandboxManagedRuntime> {
    const spec = { transport: "sandbox" as const, provider: "directory", sandboxId: "one", remoteCwd: this.sandbox, timeoutMs: 60_000, apiKey: null };
    return prepareSandboxManagedRuntime({ spec, adapterKey: "codex", client: this.client, workspaceLocalDir: this.local, stateDir: this.stateDir, ...more });
  }
}
