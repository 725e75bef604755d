import { DirectoryClient } from "./directoryClient.js";
import type { Sandbox } from "./server.js";

/** A directory as a sandbox, named as the command line names it, so that both share what they remember. */
export function directorySandbox(directory: string): Sandbox {
  const spec = { transport: "sandbox", provider: "dir", sandboxId: directory, remoteCwd: directory, timeoutMs: 600_000, apiKey: null } as const;
  return { spec, client: new DirectoryClient() };
}
