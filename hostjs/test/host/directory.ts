export { DirectoryClient, StreamingDirectoryClient } from "../../examples/directoryClient.js";
