import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { TestContext } from "node:test";

import { tempDir } from "../host/world.js";

const types: Record<string, string> = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/** Opens /index.html of a folder in headless Chromium, and returns what the page posts to /found. */
export async function posted(t: TestContext, dir: string): Promise<string> {
  let tell: (body: string) => void;
  const found = new Promise<string>((resolve) => (tell = resolve));
  const server = http.createServer(async (request, response) => {
    if (request.url === "/found") {
      tell((await request.setEncoding("utf8").toArray()).join(""));
      return response.end();
    }
    const file = path.join(dir, path.basename(request.url ?? ""));
    const known = fs.existsSync(file) && fs.statSync(file).isFile();
    response.writeHead(known ? 200 : 404, { "content-type": types[path.extname(file)] ?? "text/plain" });
    response.end(known ? fs.readFileSync(file) : "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const home = tempDir(t);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`;
  // In a group of its own, so that all of its processes end with it.
  const chromium = spawn("chromium", [...flags, `--user-data-dir=${path.join(home, "profile")}`, url], {
    stdio: "ignore", detached: true, env: { ...process.env, HOME: home, XDG_CONFIG_HOME: home, XDG_CACHE_HOME: home },
  });
  const ended = new Promise<never>((_, reject) => {
    chromium.on("error", reject);
    chromium.on("exit", (code, signal) => reject(new Error(`chromium ended: ${signal ?? code}`)));
  });
  try {
    return await Promise.race([found, ended]);
  } finally {
    if (chromium.pid !== undefined && chromium.exitCode === null) process.kill(-chromium.pid, "SIGKILL");
    await ended.catch(() => undefined);
    server.close();
    server.closeAllConnections();
  }
}

const flags = [
  "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];
