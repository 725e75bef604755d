// What crosses the boundary of the module, named as its JSON names it. A field
// that is zero or empty is left out.
import type { ErrorCode } from "./errors.js";

/** Which way changes flow: into the sandbox, or home. */
export type Direction = "push" | "pull";
/** What an entry is. */
export type Kind = "file" | "dir" | "link";
/**
 * What happens where both sides changed a path: local stays and the sandbox's version is written beside it, the
 * sandbox's takes the path and local's is kept aside, the sandbox's is kept aside, or nothing is written.
 */
export type ConflictPolicy = "keep-both" | "remote" | "local" | "fail";
/** Why a plan is blocked. All but "conflicts" can be allowed. */
export type Guard = "sandbox_replaced" | "sandbox_emptied" | "mass_delete" | "conflicts";

/** 64 lower-case hexadecimal digits of a SHA-256. */
export type Digest = string;

/** One file, directory or link of a tree. */
export interface Entry {
  /** Relative, separated by "/", valid UTF-8, at most 4,095 bytes, without empty, "." and ".." segments. */
  path: string;
  kind: Kind;
  /** Permission bits, at most 0o777. */
  mode?: number;
  /** Of a file: bytes, at most 2^53 - 1. */
  size?: number;
  /** Of a file: of its content. */
  digest?: Digest;
  /** Of a link: its text, at most 4,095 bytes. */
  target?: string;
}

/** What an entry is, its path standing beside it. */
export type EntryState = Omit<Entry, "path">;

/** Something that could not be treated as an entry. */
export interface Problem {
  /** As it is on disk; with \xNN escapes where the name is not UTF-8. */
  path: string;
  /** One of About.problem_codes. */
  code: string;
  /** One sentence for people. */
  detail?: string;
}

/** The state of one tree. What it does not list is absent, unless problems or incomplete say that it is unknown. */
export interface Snapshot {
  /** Files may lack a digest: a first push hashes what it sends. */
  unread?: boolean;
  /** In path order, which is by bytes with "/" below every other, each with the directories above it. */
  entries?: Entry[];
  /** Sorted by path, then code. */
  problems?: Problem[];
  /** Directories below which an absence means nothing, in path order; "" is the root. */
  incomplete?: string[];
  /** Directories that hold something without a path here, and so are never removed, in path order; "" is the root. */
  occupied?: string[];
}

/** Names a value that an earlier call kept in the module. */
export interface Kept {
  readonly kept: string;
}

/** A snapshot, its binary form, or one that the module keeps. */
export type SnapshotInput = Snapshot | Uint8Array | Kept;

/** The state of one .git directory: its branches, stash, operations in progress and what is staged. */
export interface Repo {
  path: string;
  state: Digest;
}

/** A version that a push moved out of its path in the sandbox. */
export interface Aside {
  /** Where it stood. */
  path: string;
  /** Of its content; of a directory, of its listing. */
  digest: Digest;
}

/** The state that both sides shared at the last completed sync. */
export interface Base {
  format_version: number;
  /** Of the sandbox that it speaks of: 32 lower-case hexadecimal digits. */
  marker: string;
  entries?: Entry[];
  repos?: Repo[];
  /** Versions set aside in the sandbox that a pull brought home, so that no other brings them again. */
  delivered?: Aside[];
  /** Without it the next look at the sandbox compares everything. */
  seen?: Seen;
}

/** What the sandbox was last known to hold, as the difference from base. */
export interface Seen {
  /** The run that left the listing there. */
  id: string;
  /** Of the rules under which it was made. */
  rules?: Digest;
  changed?: Entry[];
  gone?: string[];
  left?: Left[];
  repos?: Repo[];
}

/** A name in the sandbox that is no entry. */
export interface Left {
  /** In base64: it may hold any bytes. */
  name: string;
  /**
   * How the listing calls it: "x" for excluded, a letter of find's %y for special files, "n" for a name that can't
   * travel.
   */
  kind: string;
}

/** What a survey found in the sandbox. */
export interface Remote {
  /** Absent where the sandbox has none. */
  marker?: string;
  snapshot?: Snapshot;
  repos?: Repo[];
  /** What pushes set aside there. */
  aside?: { id: Digest; path: string; entries?: Entry[] }[];
  /** The run whose listing is there now. */
  id?: string;
  left?: Left[];
  /** Only the contents in bodies came along. */
  partial?: boolean;
  bodies?: Digest[];
  /** What the sandbox could not do, so that all of it was looked at: "digests", "listings" or "earlier". */
  lacks?: string[];
  /** What is there of uploads that were cut off. */
  arrived?: Aside[];
  /** The marker could not be read, and the one here is a guess. */
  marker_hidden?: boolean;
}

/** One .gitignore file. */
export interface IgnoreFile {
  /** The directory that it stands in; absent for the root. */
  dir?: string;
  text: string;
}

/** What is left out: globs, and .gitignore files. */
export interface Excludes {
  /** Globs: without a slash for a name at any depth, with one from the root. */
  exclude?: readonly string[];
  /** Excludes with the seed's meaning. */
  seed_exclude?: readonly string[];
  ignores?: readonly IgnoreFile[];
}

/** The caller's choices. What is left out is the safe default. */
export interface PlanOptions extends Excludes {
  /** Exact paths that are never deleted on either side. */
  preserve?: readonly string[];
  /** The default is "keep-both". */
  policy?: ConflictPolicy;
  /** Policies of single paths; the first that matches counts. */
  overrides?: readonly { glob: string; policy: ConflictPolicy }[];
  /** What both sides edited is a conflict, without a text merge. */
  no_text_merge?: boolean;
  allow?: readonly Guard[];
  /**
   * More is refused: a number of files, or with by_share a percentage of those that could be deleted. The default is
   * 50 % and 20 files.
   */
  max_delete?: { files?: number; percent?: number; by_share?: boolean };
  /** Of the workspace's file system: which names are one there, and what it can't hold. */
  facts?: { fold_case?: boolean; normalize?: boolean; no_executable?: boolean; backslash?: boolean };
}

/** An answer to a need of a text merge. */
export interface Content {
  digest: Digest;
  data?: Uint8Array;
  /** The host does not have it. */
  missing?: boolean;
}

/** All that a plan depends on. */
export interface PlanRequest {
  /** 8 to 32 characters of 0-9 and a-z, fresh for each run. */
  run: string;
  /** The workspace in the sandbox, absolute. */
  root: string;
  /** One safe path segment; names the runtime folder there. */
  adapter: string;
  dialect?: "hardened" | "classic";
  /** The folder that the caller's own spec names, if any. */
  remote_cwd?: string;
  /** Nothing is going to be applied. */
  preview?: boolean;
  /** 32 lower-case hexadecimal digits, fresh and random; for a sandbox that has none. */
  marker: string;
  /** Absent before the first sync. Its entries may be those of a snapshot in binary form. */
  base?: Base | (Omit<Base, "entries"> & { entries: Uint8Array }) | Kept;
  /** The workspace now. */
  local?: SnapshotInput;
  local_repos?: readonly Repo[];
  /** Absent until the sandbox was surveyed. */
  remote?: (Omit<Remote, "snapshot"> & { snapshot?: SnapshotInput }) | Kept;
  options?: PlanOptions;
  assets?: readonly { key: string }[];
  /** Answers to the needs of text merges; absent until they were asked for. */
  contents?: readonly Content[];
  /** The sandbox was not as a push assumed: survey it first. */
  look?: boolean;
  /** The workspace is not read yet: what can a push prove meanwhile? */
  early?: boolean;
  /** That was proven in this run. */
  checked?: boolean;
  /** What was seen earlier is not to be relied on: compare all. */
  forget?: boolean;
  /** Contents that the host has from an earlier run or a fetch. */
  fetched?: readonly Digest[];
  /** The longest body of one client call in bytes, a multiple of 4,096; absent: no bound. */
  part?: number;
  /** The runs whose upload may lie in the sandbox, unused. */
  resume?: readonly string[];
  /** The client runs commands with streams. */
  stream?: boolean;
}

/** A request with its direction. */
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

/** One member of the archive of a push. */
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
  /** The row of the decision table that matched. */
  row: string;
  action: "write" | "delete" | "chmod" | "copy" | "aside" | "keep";
  /** Where it is written, if not at path. */
  dest?: string;
  /** What stands there now; absent: nothing. */
  expect?: EntryState;
  /** What shall stand there. */
  want?: EntryState;
  /** What stands there is kept where displaced versions go. */
  displace?: boolean;
  /** The content in base64, where a text merge made it. */
  merged?: string;
  /** Once it is done, base takes the entry below at this path; where there is none, it forgets the path. */
  advance?: boolean;
  base?: EntryState;
}

/** A path that both sides changed, or that could not be decided without asking. */
export interface Conflict {
  path: string;
  /** What it is about, such as "content", "both_added" or "deleted_in_sandbox". */
  kind: string;
  /** The policy that decided it, if one did. */
  policy?: ConflictPolicy;
  /** Where the version that is not at path lies, relative to the workspace. */
  copy?: string;
  /**
   * What stands at the path is no file, or what lies at the copy a directory: no mv puts one in the place of the
   * other.
   */
  no_file?: boolean;
}

/** The contents that a text merge asks for. */
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
  /** Changed files that make tools run code. */
  flagged?: string[];
  /** Entries that differ in permissions other than the executable bit. */
  mode_only?: number;
  /** The stored base speaks of another sandbox, and was not used. */
  base_reset?: boolean;
  /** The promises that the dialect does not keep. */
  waived?: string[];
  /** What the sandbox could not do, so that all of it was looked at: "digests", "listings" or "earlier". */
  lacks?: string[];
  /** The sandbox is taken to be as it was seen; the steps prove it before they change anything. */
  assumed?: boolean;
  /** The marker that the sandbox must have now. */
  found?: string;
  /** The run whose listing the sandbox must still agree with. */
  compare?: string;
  /** What the sandbox holds before the plan. */
  seen?: Seen;
  /** Of the sandbox, once the plan is carried out. */
  marker?: string;
  repos?: Repo[];
  delivered?: Aside[];
}

/** Look at the sandbox. An early one downloads nothing, and lacks steps where there is nothing to prove. */
export interface SurveyPlan extends AnyPlan {
  phase: "survey";
  steps?: Step[];
  /** The file that the read step fetches; none where a command's stdout is the download. */
  download?: string;
}

/** Bring contents that the survey did not. */
export interface FetchPlan extends AnyPlan {
  phase: "fetch";
  steps: Step[];
  /** As of a survey. */
  download?: string;
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
  /** One sentence for people. */
  reason?: string;
  /** What would unlock it. */
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
  /** Of a first push into a sandbox that is not empty: what stays there. */
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
  /** Files that base knows in the tree that changes flow into. */
  deletable?: number;
  /** Those of them that would be deleted. */
  deletes?: number;
  /** The tree that changes come from holds no file, although base knows some. */
  source_empty?: boolean;
}

/** How a decision ended. */
export interface Result {
  status: "done" | "failed" | "edited_meanwhile";
  /** Why it failed: one of About.problem_codes. */
  code?: string;
  /** One sentence for people. */
  detail?: string;
  /** Where the displaced version lies, relative to the workspace. */
  copy?: string;
  /** Of a file that a push sent: of what was really sent. */
  digest?: Digest;
  /** Of a file that a push sent, in bytes. */
  size?: number;
}

/** How an upload went. */
export interface Sent {
  /** The name that it got in the archive, where that is not the plan's. */
  name?: string;
  /** Why it was not sent as the plan says: one of About.problem_codes. */
  problem?: string;
  digest?: Digest;
}

/** One member of a download. */
export interface SurveyMember {
  /** Any bytes. */
  name: Uint8Array;
  kind: Kind | "none";
  mode?: number;
  size?: number;
  target?: string;
  digest?: Digest;
  /** The content, of the members that Planner.keepsData names. */
  data?: Uint8Array;
  /** Why it is no entry. */
  fault?: string;
}

/** What one push or pull did, or would do. */
export interface PlanReport {
  op: Direction;
  status: "ok" | "conflicts" | "partial" | "refused" | "error";
  /** A word for each path that changed, such as "new" or "merged". */
  lines?: { path: string; word: string; dir?: boolean }[];
  conflicts?: Conflict[];
  problems?: Problem[];
  flagged?: string[];
  kept?: string[];
  mode_only?: number;
  /** Paths written. */
  writes?: number;
  /** Paths deleted. */
  deletes?: number;
  guard?: Guard;
  reason?: string;
  hint?: string;
  base_reset?: boolean;
  /** The promises that the dialect does not keep. */
  waived?: string[];
  /** What the sandbox could not do, so that all of it was looked at: "digests", "listings" or "earlier". */
  lacks?: string[];
}

/** Versions, and the constants that a host needs. */
export interface About {
  /** The release. */
  module: string;
  /** "major.minor" */
  abi: string;
  plan_format: number;
  base_format: number;
  snapshot_format: number;
  /** Of one snapshot. */
  max_entries: number;
  /** These five are in bytes. */
  max_path: number;
  max_target: number;
  max_message: number;
  max_text_merge: number;
  /** How much of the end of a download its digest leaves out. */
  survey_tail: number;
  /** The most that comes out of a compressed download. */
  survey_unpacked: number;
  /** What the text of a download begins with. */
  survey_text: string;
  runtime_dir: string;
  codes: ErrorCode[];
  problem_codes: string[];
  guards: Guard[];
  calls: string[];
}
