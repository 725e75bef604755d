import { Client, type ClientChannel, type ConnectConfig } from "ssh2";

import { createPlanner } from "syncplan";
import type { SandboxManagedRuntimeClient } from "syncplan/sandbox-managed-runtime";

/**
 * A sandbox behind ssh. Every call is one command on a channel of its own: that
 * needs no sftp on the other side, and an archive goes through in one piece.
 */
export class Ssh2Client implements SandboxManagedRuntimeClient {
  readonly #planner = createPlanner();

  private constructor(private readonly connection: Client) {}

  /** Connects. The config should have a hostVerifier: without one any server is believed. */
  static connect(config: ConnectConfig): Promise<Ssh2Client> {
    return new Promise((resolve, reject) => {
      const connection = new Client();
      // It stays for the whole life: an error event that nobody hears ends the process.
      connection.on("error", reject);
      connection.on("ready", () => resolve(new Ssh2Client(connection)));
      connection.connect(config);
    });
  }

  /** Ends the connection and what still runs over it. */
  close(): Promise<void> {
    return new Promise((resolve) => this.connection.once("close", resolve).end());
  }

  async makeDir(remotePath: string): Promise<void> {
    await this.#exec(`mkdir -p -- ${this.#planner.quote(remotePath)}`);
  }

  async writeFile(remotePath: string, bytes: ArrayBuffer): Promise<void> {
    await this.#exec(`cat >${this.#planner.quote(remotePath)}`, { input: Buffer.from(bytes) });
  }

  readFile(remotePath: string): Promise<Buffer> {
    return this.#exec(`cat -- ${this.#planner.quote(remotePath)}`);
  }

  async listFiles(remotePath: string): Promise<string[]> {
    const list = await this.#exec(`cd -- ${this.#planner.quote(remotePath)} && find . -mindepth 1 -maxdepth 1 ! -type d -print0`);
    return list.toString().split("\0").slice(0, -1).map((name) => name.slice("./".length));
  }

  async remove(remotePath: string): Promise<void> {
    await this.#exec(`rm -rf -- ${this.#planner.quote(remotePath)}`);
  }

  async run(command: string, { timeoutMs }: { timeoutMs: number }): Promise<void> {
    await this.#exec(command, { timeoutMs });
  }

  /** Runs a command and returns its output. It rejects unless the server says that the command ended well. */
  #exec(command: string, { input, timeoutMs }: { input?: Buffer; timeoutMs?: number } = {}): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      // A short command's status can come with the word that it started: whoever listens a tick later misses it.
      this.connection.exec(command, (error, channel) => (error ? reject(error) : resolve(outputOf(channel, input, timeoutMs))));
    });
  }
}

function outputOf(channel: ClientChannel, input: Buffer | undefined, timeoutMs: number | undefined): Promise<Buffer> {
  const output: Buffer[] = [];
  let diagnosis = "";
  let status: number | string | undefined;
  return new Promise((resolve, reject) => {
    const stop = () => {
      channel.signal("KILL");
      channel.close();
      reject(new Error(`no end after ${timeoutMs} ms`));
    };
    const timer = timeoutMs === undefined ? undefined : setTimeout(stop, timeoutMs);
    channel.on("data", (data: Buffer) => output.push(data));
    channel.stderr.on("data", (data: Buffer) => (diagnosis = (diagnosis + data.toString()).slice(-2048)));
    channel.on("exit", (code: number | null, signal?: string) => (status = code ?? signal));
    channel.on("error", reject);
    // Without a status the connection was lost, and the output may be cut.
    channel.on("close", () => {
      clearTimeout(timer);
      if (status === 0) resolve(Buffer.concat(output));
      else reject(new Error(`${status === undefined ? "the connection was lost" : `exit status ${status}`}: ${diagnosis}`));
    });
    channel.end(input);
  });
}
