import { spawn, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import ssh2, { type ConnectConfig } from "ssh2";

import { tempDir } from "../host/world.js";

/** Starts a real sshd on a free port of loopback, with keys of its own, and returns how to reach it. It ends with the test. */
export async function startSshd(t: TestContext): Promise<ConnectConfig> {
  for (;;) {
    const config = await start(t);
    if (config) return config;
  }
}

/** Undefined if another process took the port between its choice and its use. */
async function start(t: TestContext): Promise<ConnectConfig | undefined> {
  const dir = tempDir(t);
  const [host, user] = [newKey(), newKey()];
  const port = await freePort();
  const files = {
    host: host.private,
    authorized: user.public,
    sshd_config: [
      `Port ${port}`, "ListenAddress 127.0.0.1", `HostKey ${dir}/host`, `AuthorizedKeysFile ${dir}/authorized`, `PidFile ${dir}/pid`,
      "StrictModes no", "UsePAM no", "PasswordAuthentication no", "LogLevel ERROR", `SetEnv HOME=${dir}`, "",
    ].join("\n"),
  };
  for (const [name, text] of Object.entries(files)) fs.writeFileSync(path.join(dir, name), text, { mode: 0o600 });
  // As root it drops to a user in an empty folder, which must be there.
  if (process.getuid?.() === 0) fs.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const log = path.join(dir, "log");
  const child = spawn("/usr/sbin/sshd", ["-D", "-f", path.join(dir, "sshd_config"), "-E", log], { stdio: "ignore" });
  const ended = once(child, "exit");
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  if (!(await listens(child, path.join(dir, "pid"), log))) return undefined;
  return {
    host: "127.0.0.1",
    port,
    username: os.userInfo().username,
    privateKey: user.private,
    hostVerifier: (key: Buffer) => createHash("sha256").update(key).digest("hex") === host.fingerprint,
  };
}

/** Makes a key. One in two hundred that ssh2 makes is malformed, by its own word too: those are made again. */
function newKey(): { private: string; public: string; fingerprint: string } {
  const { private: text, public: line } = ssh2.utils.generateKeyPairSync("ed25519");
  if (ssh2.utils.parseKey(text) instanceof Error) return newKey();
  const blob = Buffer.from(line.split(" ")[1]!, "base64");
  return { private: text, public: line + "\n", fingerprint: createHash("sha256").update(blob).digest("hex") };
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Waits for the file that sshd writes once it listens. Whoever answers at its port may be another. */
async function listens(child: ChildProcess, pid: string, log: string): Promise<boolean> {
  const end = Date.now() + 60_000;
  while (!fs.existsSync(pid) || fs.statSync(pid).size === 0) {
    const over = child.exitCode !== null || Date.now() > end;
    const said = over && fs.existsSync(log) ? fs.readFileSync(log, "utf8") : "";
    if (said.includes("Address already in use")) return false;
    if (over) throw new Error("sshd does not listen: " + said);
    await sleep(10);
  }
  return true;
}
