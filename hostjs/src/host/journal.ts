import fs from "node:fs";
import path from "node:path";

import type { ApplyRequest } from "./apply.js";
import type { EntryState } from "../types.js";
import { hostError, ioError } from "./errors.js";
import { readIfThere, sealed, writeSealed } from "./state.js";

/**
 * What the next run needs to recover from a crash of this one. It is written whole
 * before the first change: what was done of it can be read off the disk, since
 * every name in staging says what it is.
 */
export interface Journal {
  run: string;
  /** The directories that hold the staging folders of volumes. */
  volumes: string[];
  records: JournalRecord[];
}

/** One decision that takes something from its path. */
export interface JournalRecord {
  index: number;
  path: string;
  old: EntryState;
  /** null: deleted. */
  new: EntryState | null;
  displace: boolean;
}

const head = "syncplan-journal 1 ";

/** Where the journal of a workspace lies. */
export function journalPath(stateDir: string): string {
  return path.join(stateDir, "journal");
}

/** Those decisions of a request that take something from its path. */
export function recordsOf(request: ApplyRequest): JournalRecord[] {
  const records: JournalRecord[] = [];
  request.decisions.forEach((d, index) => {
    if ((d.action !== "write" && d.action !== "delete") || !d.expect) return;
    records.push({ index, path: d.dest ?? d.path, old: full(d.expect), new: d.want ? full(d.want) : null, displace: d.displace ?? false });
  });
  return records;
}

/** An entry as the journal has it: with all of its fields. */
function full(e: EntryState): EntryState {
  return { kind: e.kind, size: e.size ?? 0, digest: e.digest ?? noDigest, target: e.target ?? "" };
}

const noDigest = "0".repeat(64);

/** Replaces the journal, whole or not at all, and flushes it. */
export function writeJournal(stateDir: string, journal: Journal): void {
  writeSealed(journalPath(stateDir), head, Buffer.from(JSON.stringify(journal)));
}

/** Removes the journal of a run that is complete. */
export function removeJournal(stateDir: string): void {
  try {
    fs.rmSync(journalPath(stateDir), { force: true });
  } catch (error) {
    throw ioError("the journal can't be removed", journalPath(stateDir), error);
  }
}

/** The journal of a run that did not end, or undefined. A damaged one is an error of code corrupt. */
export function readJournal(stateDir: string, validPath: (path: string) => boolean): Journal | undefined {
  const file = journalPath(stateDir);
  const data = readIfThere("the journal can't be read", file);
  if (!data) return undefined;
  const body = sealed(data, head);
  const journal = body && parse(body);
  if (!journal || !validPath(journal.run) || ![...journal.records.map((r) => r.path), ...journal.volumes.filter(Boolean)].every(validPath)) {
    throw hostError("corrupt", "the journal of an interrupted run is damaged", { path: file });
  }
  return journal;
}

/** A journal of the documented form, of either host; undefined for anything else. */
function parse(body: Buffer): Journal | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch {
    return undefined;
  }
  const { run, volumes = [], records } = (value ?? {}) as Partial<Journal>;
  if (typeof run !== "string" || !Array.isArray(volumes) || !volumes.every((v) => typeof v === "string")) return undefined;
  const list = records ?? []; // Go writes null for none
  return Array.isArray(list) && list.every(isRecord) ? { run, volumes, records: list } : undefined;
}

function isRecord(value: unknown): value is JournalRecord {
  const r = (value ?? {}) as Partial<JournalRecord>;
  return (
    Number.isSafeInteger(r.index) && typeof r.path === "string" && typeof r.displace === "boolean" &&
    isEntry(r.old) && (r.new === null || isEntry(r.new))
  );
}

function isEntry(value: unknown): value is EntryState {
  const e = (value ?? {}) as Partial<EntryState>;
  return (
    (e.kind === "file" || e.kind === "dir" || e.kind === "link") && Number.isSafeInteger(e.size) &&
    typeof e.digest === "string" && /^[0-9a-f]{64}$/.test(e.digest) && typeof e.target === "string"
  );
}
