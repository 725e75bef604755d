import { spawn } from "node:child_process";
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
  const dir = tempDir(t);
  const [host, user] = [newKey(), newKey()];
  const port = await freePort();
  const files = {
    host: host.private,
    authorized: user.public,
    sshd_config: [
      `Port ${port}`, "ListenAddress 127.0.0.1", `HostKey ${dir}/host`, `AuthorizedKeysFile ${dir}/authorized`, "PidFile none",
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
  await answers(port, log);
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

async function answers(port: number, log: string): Promise<void> {
  for (let i = 0; i < 500; i++) {
    const socket = net.connect(port, "127.0.0.1");
    const open = await once(socket, "connect").then(() => true, () => false);
    socket.destroy();
    if (open) return;
    await sleep(10);
  }
  throw new Error("sshd does not answer: " + fs.readFileSync(log, "utf8"));
}
