export { DirectoryClient } from "../../examples/directoryClient.js";
