// What crosses the boundary of the module, named as its JSON names it. A field
// that is zero or empty is left out.
import type { ErrorCode } from "./errors.js";

export type Direction = "push" | "pull";
export type Kind = "file" | "dir" | "link";
export type ConflictPolicy = "keep-both" | "remote" | "local" | "fail";
export type Guard = "sandbox_replaced" | "sandbox_emptied" | "mass_delete" | "conflicts";

/** 64 lower-case hexadecimal digits of a SHA-256. */
export type Digest = string;

/** One file, directory or link of a tree. */
export interface Entry {
  path: string;
  kind: Kind;
  /** Permission bits, at most 0o777. */
  mode?: number;
  size?: number;
  digest?: Digest;
  target?: string;
}

/** What an entry is, its path standing beside it. */
export type EntryState = Omit<Entry, "path">;

/** Something that could not be treated as an entry. */
export interface Problem {
  path: string;
  code: string;
  detail?: string;
}

/** The state of one tree, sorted by path. */
export interface Snapshot {
  /** Files may lack a digest: a first push hashes what it sends. */
  unread?: boolean;
  entries?: Entry[];
  problems?: Problem[];
  incomplete?: string[];
  occupied?: string[];
}

/** Names a value that an earlier call kept in the module. */
export interface Kept {
  readonly kept: string;
}

/** A snapshot, its binary form, or one that the module keeps. */
export type SnapshotInput = Snapshot | Uint8Array | Kept;

export interface Repo {
  path: string;
  state: Digest;
}

export interface Aside {
  path: string;
  digest: Digest;
}

/** The state that both sides shared at the last completed sync. */
export interface Base {
  format_version: number;
  marker: string;
  entries?: Entry[];
  repos?: Repo[];
  delivered?: Aside[];
  seen?: Seen;
}

export interface Seen {
  id: string;
  rules?: Digest;
  changed?: Entry[];
  gone?: string[];
  left?: Left[];
  repos?: Repo[];
}

export interface Left {
  /** In base64: it may hold any bytes. */
  name: string;
  kind: string;
}

/** What a survey found in the sandbox. */
export interface Remote {
  marker?: string;
  snapshot?: Snapshot;
  repos?: Repo[];
  aside?: { id: Digest; path: string; entries?: Entry[] }[];
  id?: string;
  left?: Left[];
  partial?: boolean;
  bodies?: Digest[];
  arrived?: Aside[];
  /** The marker could not be read, and the one here is a guess. */
  marker_hidden?: boolean;
}

export interface IgnoreFile {
  dir?: string;
  text: string;
}

/** What is left out: globs, and .gitignore files. */
export interface Excludes {
  exclude?: readonly string[];
  /** Excludes with the seed's meaning. */
  seed_exclude?: readonly string[];
  ignores?: readonly IgnoreFile[];
}

export interface PlanOptions extends Excludes {
  preserve?: readonly string[];
  policy?: ConflictPolicy;
  overrides?: readonly { glob: string; policy: ConflictPolicy }[];
  no_text_merge?: boolean;
  allow?: readonly Guard[];
  max_delete?: { files?: number; percent?: number; by_share?: boolean };
  facts?: { fold_case?: boolean; normalize?: boolean; no_executable?: boolean; backslash?: boolean };
}

/** An answer to a need of a text merge. */
export interface Content {
  digest: Digest;
  data?: Uint8Array;
  missing?: boolean;
}

/** All that a plan depends on. */
export interface PlanRequest {
  run: string;
  root: string;
  adapter: string;
  dialect?: "hardened" | "classic";
  /** The folder that the caller's own spec names, if any. */
  remote_cwd?: string;
  preview?: boolean;
  marker: string;
  base?: Base | Kept;
  local?: SnapshotInput;
  local_repos?: readonly Repo[];
  remote?: (Omit<Remote, "snapshot"> & { snapshot?: SnapshotInput }) | Kept;
  options?: PlanOptions;
  assets?: readonly { key: string }[];
  contents?: readonly Content[];
  look?: boolean;
  /** The workspace is not read yet: what can a push prove meanwhile? */
  early?: boolean;
  /** That was proven in this run. */
  checked?: boolean;
  forget?: boolean;
  fetched?: readonly Digest[];
  part?: number;
  resume?: readonly string[];
  stream?: boolean;
}

export type Request = PlanRequest & { op: Direction };

/** One call of the sandbox client. */
export type Step =
  | { do: "make_dir" | "read" | "remove"; path: string }
  | { do: "write"; path: string; data: string }
  | { do: "upload"; path: string; asset?: string }
  | { do: "run"; command: string; asset?: string }
  /** Run the command; its stdin is the archive of the uploads, or of an asset. */
  | { do: "send"; command: string; asset?: string }
  /** Run the command; its stdin is data, its stdout the download. */
  | { do: "receive"; command: string; data?: string };

export interface Upload {
  name: string;
  /** Where the content lies in the sandbox already; such a member is not sent. */
  from?: string;
  /** Index of the decision that it carries out; 0 is left out. */
  decision?: number;
}

/** What happens at one path. */
export interface Decision {
  path: string;
  row: string;
  action: "write" | "delete" | "chmod" | "copy" | "aside" | "keep";
  /** Where it is written, if not at path. */
  dest?: string;
  expect?: EntryState;
  want?: EntryState;
  displace?: boolean;
  /** The content in base64, where a text merge made it. */
  merged?: string;
  advance?: boolean;
  base?: EntryState;
}

export interface Conflict {
  path: string;
  kind: string;
  policy?: ConflictPolicy;
  copy?: string;
}

export interface Need {
  path: string;
  base: Digest;
  local: Digest;
  remote: Digest;
}

interface AnyPlan {
  format_version: number;
  op: Direction;
  run: string;
  conflicts?: Conflict[];
  problems?: Problem[];
  flagged?: string[];
  mode_only?: number;
  base_reset?: boolean;
  /** The promises that the dialect does not hold. */
  waived?: string[];
  drop_base?: boolean;
  assumed?: boolean;
  found?: string;
  compare?: string;
  seen?: Seen;
  marker?: string;
  repos?: Repo[];
  delivered?: Aside[];
}

/** Look at the sandbox. An early one downloads nothing, and lacks steps where there is nothing to prove. */
export interface SurveyPlan extends AnyPlan {
  phase: "survey";
  steps?: Step[];
  download?: string;
}

/** Bring contents that the survey did not. */
export interface FetchPlan extends AnyPlan {
  phase: "fetch";
  steps: Step[];
  download: string;
  fetch: { path: string; digest: Digest }[];
}

/** Supply contents for text merges. */
export interface ContentPlan extends AnyPlan {
  phase: "content";
  needs: Need[];
}

/** A guard refused; write nothing. */
export interface BlockedPlan extends AnyPlan {
  phase: "blocked";
  guard: Guard;
  reason?: string;
  hint?: string;
  decisions?: Decision[];
}

/** Do it. */
export interface ApplyPlan extends AnyPlan {
  phase: "apply";
  /** The steps clear the sandbox: a host removes the stored base before the first that runs a command. */
  drop_base?: boolean;
  steps?: Step[];
  uploads?: Upload[];
  decisions?: Decision[];
  kept?: string[];
}

/** What a host does next. */
export type Plan = SurveyPlan | FetchPlan | ContentPlan | BlockedPlan | ApplyPlan;

/** The decisions about three trees, without the steps that carry them out. */
export interface Outcome {
  decisions?: Decision[];
  conflicts?: Conflict[];
  problems?: Problem[];
  flagged?: string[];
  needs?: Need[];
  repos?: Repo[];
  mode_only?: number;
  deletable?: number;
  deletes?: number;
  source_empty?: boolean;
}

/** How a decision ended. */
export interface Result {
  status: "done" | "failed" | "edited_meanwhile";
  code?: string;
  detail?: string;
  copy?: string;
  digest?: Digest;
  size?: number;
}

/** How an upload went. */
export interface Sent {
  name?: string;
  problem?: string;
  digest?: Digest;
}

/** One member of a download. */
export interface SurveyMember {
  name: Uint8Array;
  kind: Kind | "none";
  mode?: number;
  size?: number;
  target?: string;
  digest?: Digest;
  data?: Uint8Array;
  fault?: string;
}

/** What one push or pull did, or would do. */
export interface PlanReport {
  op: Direction;
  status: "ok" | "conflicts" | "partial" | "refused" | "error";
  lines?: { path: string; word: string; dir?: boolean }[];
  conflicts?: Conflict[];
  problems?: Problem[];
  flagged?: string[];
  kept?: string[];
  mode_only?: number;
  writes?: number;
  deletes?: number;
  guard?: Guard;
  reason?: string;
  hint?: string;
  base_reset?: boolean;
  /** The promises that the dialect does not keep. */
  waived?: string[];
}

/** Versions, and the constants that a host needs. */
export interface About {
  module: string;
  abi: string;
  plan_format: number;
  base_format: number;
  snapshot_format: number;
  max_entries: number;
  max_path: number;
  max_target: number;
  max_message: number;
  max_text_merge: number;
  survey_tail: number;
  survey_text: string;
  runtime_dir: string;
  codes: ErrorCode[];
  problem_codes: string[];
  guards: Guard[];
  calls: string[];
}
