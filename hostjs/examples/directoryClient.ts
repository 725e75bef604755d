import { spawn } from "node:child_process";
import fs from "node:fs/promises";

import type { SandboxManagedRuntimeClient } from "syncplan/sandbox-managed-runtime";

/** A sandbox that is a folder of this machine plus sh, with whole buffers in and out. */
export class DirectoryClient implements SandboxManagedRuntimeClient {
  async makeDir(path: string): Promise<void> {
    await fs.mkdir(path, { recursive: true });
  }

  async writeFile(path: string, bytes: ArrayBuffer): Promise<void> {
    await fs.writeFile(path, new Uint8Array(bytes));
  }

  async readFile(path: string): Promise<Buffer | Uint8Array | ArrayBuffer> {
    return fs.readFile(path);
  }

  async listFiles(path: string): Promise<string[]> {
    const list = await fs.readdir(path, { withFileTypes: true });
    return list.filter((d) => !d.isDirectory()).map((d) => d.name);
  }

  async remove(path: string): Promise<void> {
    await fs.rm(path, { recursive: true, force: true });
  }

  run(command: string, options: { timeoutMs: number }): Promise<void> {
    return new Promise((resolve, reject) => {
      const child = spawn("sh", ["-c", command], { stdio: ["ignore", "ignore", "pipe"], env: { ...process.env, LC_ALL: "C" } });
      const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
      let stderr = "";
      child.stderr.on("data", (data) => (stderr = (stderr + data).slice(-4096)));
      child.on("error", reject);
      child.on("close", (status, signal) => {
        clearTimeout(timer);
        if (status === 0) resolve();
        else reject(new Error(`${signal ?? `exit status ${status}`}: ${stderr}`));
      });
    });
  }
}
