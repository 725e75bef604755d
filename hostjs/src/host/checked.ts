import { hostError } from "./errors.js";

const kinds = {
  "a string": (v: unknown) => typeof v === "string",
  "a number": (v: unknown) => typeof v === "number",
  "true or false": (v: unknown) => typeof v === "boolean",
  "a function": (v: unknown) => typeof v === "function",
  "an object": (v: unknown) => typeof v === "object" && v !== null,
  "a list": (v: unknown) => Array.isArray(v),
  "a list of strings": (v: unknown) => Array.isArray(v) && v.every((s) => typeof s === "string"),
  "a Map": (v: unknown) => Object.prototype.toString.call(v) === "[object Map]",
  "an AbortSignal": (v: unknown) => typeof (v as AbortSignal).addEventListener === "function",
} satisfies Record<string, (v: unknown) => boolean>;

/** The fields of an object, and what each has to be. */
export type Fields = Readonly<Record<string, keyof typeof kinds>>;

/**
 * Throws an error of code invalid_request where what a caller gave is no object with such fields. Optional ones may
 * be missing, or null. Without types a wrong value would come as far as the thread of the sync, and fail there as
 * something else.
 */
export function assertFields(value: unknown, at: string, needed: Fields, optional: Fields = {}): void {
  assertKind(value, at, "an object");
  const fields = value as Record<string, unknown>;
  for (const [name, kind] of Object.entries(needed)) assertKind(fields[name], `${at}.${name}`, kind);
  for (const [name, kind] of Object.entries(optional)) {
    if ((fields[name] ?? undefined) !== undefined) assertKind(fields[name], `${at}.${name}`, kind);
  }
}

/** Throws an error of code invalid_request where a value is not of a kind. */
export function assertKind(value: unknown, field: string, kind: keyof typeof kinds): void {
  if (!kinds[kind](value)) throw hostError("invalid_request", `not ${kind}`, { field });
}
