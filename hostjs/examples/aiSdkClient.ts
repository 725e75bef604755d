import { createPlanner } from "syncplan";
import type { SandboxManagedRuntimeClient } from "syncplan/sandbox-managed-runtime";

/** What is needed of a sandbox session of the AI SDK; its Experimental_SandboxSession has all of it. */
export interface SandboxSession {
  run(options: { command: string; abortSignal?: AbortSignal }): PromiseLike<{ exitCode: number; stdout: string; stderr: string }>;
  /** null where there is no such file. */
  readFile(options: { path: string }): PromiseLike<ReadableStream<Uint8Array> | null>;
  writeFile(options: { path: string; content: ReadableStream<Uint8Array> }): PromiseLike<void>;
}

/** How long a command of this adapter's own may take, in milliseconds. */
const ownTimeout = 60_000;

/** A session as the client of a managed runtime. */
export function sessionClient(session: SandboxSession): SandboxManagedRuntimeClient {
  const planner = createPlanner();

  async function run(command: string, { timeoutMs }: { timeoutMs: number }): Promise<string> {
    const { exitCode, stdout, stderr } = await session.run({ command, abortSignal: AbortSignal.timeout(timeoutMs) });
    if (exitCode !== 0) throw new Error(`exit status ${exitCode}: ${stderr.slice(-2048)}`);
    return stdout;
  }

  const own = (...words: string[]) => run(planner.quote(...words), { timeoutMs: ownTimeout });

  return {
    async makeDir(remotePath) {
      await own("mkdir", "-p", "--", remotePath);
    },
    async writeFile(remotePath, bytes) {
      await session.writeFile({ path: remotePath, content: new Blob([bytes]).stream() });
    },
    async readFile(remotePath) {
      const stream = await session.readFile({ path: remotePath });
      if (!stream) throw new Error("no such file");
      return new Response(stream).arrayBuffer();
    },
    async listFiles(remotePath) {
      const list = await own("find", remotePath, "-mindepth", "1", "-maxdepth", "1", "!", "-type", "d", "-print0");
      return list.split("\0").slice(0, -1).map((found) => found.slice(found.lastIndexOf("/") + 1));
    },
    async remove(remotePath) {
      await own("rm", "-rf", "--", remotePath);
    },
    async run(command, options) {
      await run(command, options);
    },
  };
}
