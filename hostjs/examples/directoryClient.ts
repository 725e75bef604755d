import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import type { Readable, Writable } from "node:stream";

import type { CommandStreams, SandboxManagedRuntimeClient } from "syncplan/sandbox-managed-runtime";

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
      child.on("error", reject);
      if (child.pid === undefined) return; // it could not be started, and may have no streams
      const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs);
      let stderr = "";
      child.stderr.on("data", (data) => (stderr = (stderr + data).slice(-4096)));
      child.on("close", (status, signal) => {
        clearTimeout(timer);
        if (status === 0) resolve();
        else reject(new Error(`${signal ?? `exit status ${status}`}: ${stderr}`));
      });
    });
  }
}

/** One that runs commands with streams, too. */
export class StreamingDirectoryClient extends DirectoryClient {
  async runStream(command: string, { timeoutMs, stdin, stdout }: CommandStreams): Promise<void> {
    const child = spawn("sh", ["-c", command], { stdio: ["pipe", "pipe", "pipe"], env: { ...process.env, LC_ALL: "C" } });
    const ended = once(child, "close");
    if (child.pid === undefined) await ended; // it could not be started, which this throws
    const kill = () => child.kill("SIGKILL");
    const timer = setTimeout(kill, timeoutMs);
    let stderr = "";
    child.stderr.on("data", (data) => (stderr = (stderr + data).slice(-4096)));
    try {
      await Promise.all([
        // An input that broke off must never look whole.
        feed(child.stdin, stdin, timer).catch(kill),
        drain(child.stdout, stdout, timer),
      ]);
      const [status, signal] = await ended;
      if (status !== 0) throw new Error(`${signal ?? `exit status ${status}`}: ${stderr}`);
    } finally {
      clearTimeout(timer);
      kill();
    }
  }
}

/** Writes an input to a command, and no more once that does not read any more: its exit status tells why. */
async function feed(to: Writable, read: CommandStreams["stdin"] = async () => 0, timer: NodeJS.Timeout): Promise<void> {
  let open = true;
  to.on("error", () => (open = false));
  const buffer = Buffer.allocUnsafe(256 << 10);
  for (let n; open && (n = await read(buffer)) > 0; timer.refresh()) {
    await new Promise((resolve) => to.write(buffer.subarray(0, n), resolve));
  }
  to.end();
}

async function drain(from: Readable, write: CommandStreams["stdout"], timer: NodeJS.Timeout): Promise<void> {
  for await (const piece of from) {
    await write?.(piece as Buffer);
    timer.refresh();
  }
}
