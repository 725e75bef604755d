// Stands for node:fs in the bundle of the thread, which would otherwise copy the names in it once for each file that
// imports it.
export { default } from "fs";
