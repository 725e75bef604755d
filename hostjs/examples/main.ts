// node main.js PORT WORKSPACE NAME=DIRECTORY...   the server, with directories as sandboxes
import path from "node:path";

import { directorySandbox } from "./directorySandbox.js";
import { createRunServer } from "./server.js";

const [port, workspace, ...named] = process.argv.slice(2);
if (port === undefined || workspace === undefined || named.length === 0) {
  console.error("usage: main.js PORT WORKSPACE NAME=DIRECTORY...");
  process.exit(2);
}
const sandboxes = Object.fromEntries(
  named.map((text) => {
    const [name = "", directory = ""] = text.split(/=(.*)/s);
    return [name, directorySandbox(path.resolve(directory))];
  }),
);
const server = createRunServer({ workspace, sandboxes, adapterKey: "planner" });
server.listen(Number(port), "127.0.0.1", () => console.log("listening on", server.address()));
