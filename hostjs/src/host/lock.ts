import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";

import { onAbort } from "./abort.js";
import { sha256 } from "./digest.js";
import { codeOf, hostError, ioError } from "./errors.js";

/** The longest wait for another sync of the same workspace, in milliseconds. */
const maxWait = 10 * 60 * 1000;

/** How a caller waits. */
export interface LockOptions {
  signal?: AbortSignal | undefined;
  /** Told once who holds the lock. */
  waiting?: ((holder: string) => void) | undefined;
  /** Milliseconds; the default is ten minutes. */
  longest?: number | undefined;
}

/**
 * Takes the lock of one workspace, named by its real path, and waits while another
 * sync holds it, in this process or any other, of this host or the Go host. The
 * kernel ends the lock with the process, so a dead holder blocks nobody (promise
 * R5). The error is a PlannerError of code busy or cancelled.
 */
export async function acquireLock(realPath: string, options: LockOptions = {}): Promise<() => Promise<void>> {
  const { signal, waiting = () => {}, longest = maxWait } = options;
  const wait = new Wait(signal, longest);
  let told = false;
  const tell = (holder: string) => {
    if (!told) waiting(holder);
    told = true;
  };
  try {
    for (;;) {
      const held = wait.over.aborted ? undefined : await bind(realPath);
      if (held) return held;
      if (signal?.aborted) throw hostError("cancelled", "stopped while waiting for another sync of this workspace", { path: realPath });
      if (wait.over.aborted) throw hostError("busy", "another sync holds this workspace", { path: realPath, hint: "wait for it to end and run it again" });
      await follow(socketName(realPath), wait.over, tell);
      // Others may wait too, and a name that is taken but does not answer must not be asked in a busy loop.
      await pause(20, wait.over);
    }
  } finally {
    wait.end();
  }
}

/** A wait that the caller's signal ends, or its time. Node has AbortSignal.any from 20.3 on only. */
class Wait {
  private readonly controller = new AbortController();
  private readonly timer: NodeJS.Timeout;
  private readonly deaf: (() => void) | undefined;

  constructor(signal: AbortSignal | undefined, longest: number) {
    const stop = () => this.controller.abort();
    this.timer = setTimeout(stop, longest).unref();
    if (signal?.aborted) stop();
    this.deaf = signal && onAbort(signal, stop);
  }

  get over(): AbortSignal {
    return this.controller.signal;
  }

  /** Lets go of the signal and the timer, which may outlive the wait by far. */
  end(): void {
    clearTimeout(this.timer);
    this.deaf?.();
  }
}

/**
 * What an abstract name may have beside its NUL. Some versions of Node fill a shorter one up with NULs, which makes
 * it another.
 */
const abstractLength = 107;

/**
 * On Linux an abstract unix socket, as in the Go host: it needs no file. Elsewhere
 * Node has neither those nor flock: a socket in the folder for temporary files.
 */
function socketName(realPath: string): string {
  const name = "syncplan-" + sha256(realPath).slice(0, 32);
  if (process.platform === "linux") return "\0" + name.padEnd(abstractLength, ".");
  return process.platform === "win32" ? `\\\\.\\pipe\\${name}` : path.join(os.tmpdir(), name + ".socket");
}

/** Takes the lock and tells everybody who connects who has it; undefined where somebody else holds it. */
function bind(realPath: string): Promise<(() => Promise<void>) | undefined> {
  const connections = new Set<net.Socket>();
  const server = net.createServer((connection) => {
    connections.add(connection);
    connection.on("error", () => connection.destroy()); // a waiter that left already need not know
    connection.on("close", () => connections.delete(connection));
    connection.write(`process ${process.pid}\n`);
  });
  server.maxConnections = 64; // any local user can make some; a waiter that is sent away asks again
  server.unref();
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      if (codeOf(error) !== "EADDRINUSE") return reject(ioError("the workspace's lock can't be taken", realPath, error));
      resolve(undefined);
    });
    // In a cluster the workers would share one socket, and hold the lock all at once.
    server.listen({ path: socketName(realPath), exclusive: true }, () => {
      server.on("error", () => {}); // one connection that fails does not end the lock
      resolve(
        () =>
          new Promise((closed) => {
            server.close(() => closed());
            for (const connection of connections) connection.destroy();
          }),
      );
    });
  });
}

/** Waits until the holder of the lock lets go of it, or the wait ends. */
function follow(name: string, signal: AbortSignal, tell: (holder: string) => void): Promise<void> {
  return new Promise((resolve) => {
    const connection = net.connect(name);
    const end = () => connection.destroy();
    signal.addEventListener("abort", end, { once: true });
    connection.once("data", (data) => tell(/^process \d{1,20}\n$/.test(data.toString()) ? data.toString().trim() : "another process"));
    connection.on("error", (error) => {
      if (codeOf(error) === "ECONNREFUSED" && !name.startsWith("\0")) removeDead(name);
    });
    connection.on("close", () => {
      tell("another process"); // unless the holder said who it is
      signal.removeEventListener("abort", end);
      resolve();
    });
    connection.resume();
  });
}

/** A socket file that nobody listens at was left by a process that died. */
function removeDead(name: string): void {
  fs.rmSync(name, { force: true });
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
  });
}
