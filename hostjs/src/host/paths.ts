import type { Name } from "./tree.js";

/** The directory that holds a path, "" for a name at the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/** The last segment of a path. */
export function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** A name below a directory, or the name itself where that is the root, "". */
export function join(dir: string, name: string): string {
  return dir === "" ? name : dir + "/" + name;
}

/**
 * Brings names into the order of their bytes. That of JavaScript's strings is
 * another where a name has characters beyond U+FFFF, which UTF-16 writes with units
 * below U+E000.
 */
export function sorted(names: Name[]): Name[] {
  const plain = names.every((name) => typeof name === "string" && !/[\ud800-\uffff]/.test(name));
  if (plain) return names.sort();
  return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}
