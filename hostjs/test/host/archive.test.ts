import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { test, type TestContext } from "node:test";
import { gzipSync } from "node:zlib";

import { readArchives, type ArchiveLimits, type RawMember } from "../../src/host/archiveReader.js";
import { ArchiveWriter, type Member, type Sent } from "../../src/host/archiveWriter.js";
import type { PlannerError } from "../../src/errors.js";
import type { Entry } from "../../src/types.js";
import { PartWriter } from "../../src/host/parts.js";
import { Source, Tail } from "../../src/host/source.js";
import { Stop } from "../../src/host/stop.js";
import { encodeHeader, type Header } from "../../src/host/tarHeader.js";
import { unzipped } from "../../src/host/unzipped.js";
import { put, random, sha256, tempDir } from "./world.js";

interface VectorMember {
  name: string;
  kind: Entry["kind"];
  mode: number;
  target?: string;
  content?: string;
  times?: number;
  size?: number;
  mtime?: number;
}

interface Vector {
  members: VectorMember[];
  archive: string;
  headers: VectorMember[];
  header_blocks: string;
}

const vector = JSON.parse(fs.readFileSync(new URL("../../../../testdata/archive.json", import.meta.url), "utf8")) as Vector;

/** Makes the files of the vector and lists the members. */
function plant(root: string): Member[] {
  return vector.members.map((m, i) => {
    const entry: Entry = { path: String(i), kind: m.kind, mode: m.mode, target: m.target ?? "" };
    if (m.kind === "file") {
      const content = m.content!.repeat(m.times ?? 1);
      put(root, entry.path, content);
      fs.utimesSync(path.join(root, entry.path), m.mtime!, m.mtime!);
      entry.size = Buffer.byteLength(content);
    }
    return { name: m.name, entry };
  });
}

interface Packed {
  parts: Buffer[];
  sent: Sent[];
  kept: Map<string, string>;
}

async function pack(root: string, members: Member[], limit = 0, done?: (i: number) => void): Promise<Packed> {
  const packed: Packed = { parts: [], sent: [], kept: new Map() };
  const out = new PartWriter(limit, async (part) => {
    await new Promise(setImmediate);
    packed.parts.push(part);
  });
  const writer = new ArchiveWriter(out, new Stop());
  const keep = (digest: string, data: Buffer) => packed.kept.set(digest, data.toString());
  await writer.addAll(root, members, keep, (_, sent) => {
    packed.sent.push(sent);
    done?.(packed.sent.length - 1);
  });
  writer.addBytes("last", 0o600, Buffer.from("the end"));
  await writer.close();
  return packed;
}

test("an archive has the bytes that the Go host's has", async (t) => {
  const root = tempDir(t);
  const { parts, sent, kept } = await pack(root, plant(root));
  assert.equal(sha256(Buffer.concat(parts)), vector.archive);
  assert.deepEqual([sent[1]!.digest, sent[1]!.size], [sha256("one\n"), 4]);
  assert.equal(kept.get(sha256("one\n")), "one\n");
  const blocks = vector.headers.map((h) => encodeHeader({ target: "", size: 0, mtime: 0, ...h } as Header));
  assert.equal(sha256(Buffer.concat(blocks)), vector.header_blocks);
});

test("an archive in parts is the same archive", async (t) => {
  const root = tempDir(t);
  const members = plant(root);
  for (const limit of [4096, 8192, 512 * 1024]) {
    const { parts } = await pack(root, members, limit);
    assert.ok(parts.slice(0, -1).every((p) => p.length === limit) && parts.at(-1)!.length <= limit, `parts of ${limit}`);
    assert.ok(parts.at(-1)!.length > 0);
    assert.equal(sha256(Buffer.concat(parts)), vector.archive);
  }
});

test("where no more files can be opened an archive ends: the sandbox would get a part of the tree for the whole", async (t) => {
  const root = tempDir(t);
  put(root, "d/small", "s");
  put(root, "d/big", Buffer.alloc(300 << 10));
  const open = fs.openSync;
  for (const [name, size] of [["small", 1], ["big", 300 << 10]] as const) {
    t.mock.method(fs, "openSync", (...args: Parameters<typeof open>) => {
      if (String(args[0]).endsWith("/" + name)) throw Object.assign(new Error("EMFILE"), { code: "EMFILE", errno: -24 });
      return open(...args);
    });
    await assert.rejects(pack(root, [{ name, entry: { path: "d/" + name, kind: "file", size } }]), {
      code: "io_failed",
      message: `the workspace can't be read (d/${name}): too many open files`,
      hint: /ulimit -n/,
    });
    t.mock.restoreAll();
  }
});

test("a file that vanished, or that is none any more, is reported and the rest goes on", async (t) => {
  const root = tempDir(t);
  put(root, "a", "a");
  put(root, "d/f", "elsewhere");
  fs.symlinkSync("a", path.join(root, "l"));
  fs.symlinkSync("d", path.join(root, "ld"));
  spawnSync("mkfifo", [path.join(root, "p")]);
  const names = ["gone", "l", "ld/f", "p", "d", "a"];
  const { sent, parts } = await pack(root, names.map((name) => ({ name, entry: { path: name, kind: "file" as const, size: 1 } })));
  assert.deepEqual(sent.map((s) => s.problem), ["changing", "changing", "changing", "changing", "changing", undefined]);
  assert.deepEqual((await read(Buffer.concat(parts))).map((m) => m.name), ["a", "last"]);
});

test("files of folders whose names begin alike are found", async (t) => {
  const root = tempDir(t);
  const names = ["a", "d/a", "d/e/a", "d/ee/a", "dd/a", "dd/e/a", "e"];
  for (const name of names) put(root, name, name);
  const { sent } = await pack(root, names.map((name) => ({ name, entry: { path: name, kind: "file" as const, size: name.length } })));
  assert.deepEqual(sent.map((s) => s.digest), names.map((name) => sha256(name)));
});

test("D9: a large file that changes while it is sent is sent again", async (t) => {
  const root = tempDir(t);
  const large = Buffer.alloc(3 << 20, "a");
  put(root, "f", large);
  let changes = 0;
  const out: Buffer[] = [];
  const writer = new ArchiveWriter(
    new PartWriter(1 << 20, async (part) => {
      out.push(part);
      if (changes++ === 0) fs.truncateSync(path.join(root, "f"), 2 << 20);
    }),
    new Stop(),
  );
  let sent: Sent = {};
  await writer.addAll(root, [{ name: "f", entry: { path: "f", kind: "file", size: large.length } }], () => {}, (_, s) => (sent = s));
  await writer.close();
  assert.equal(sent.problem, undefined);
  assert.equal(sent.name, "r1");
  assert.equal(sent.digest, sha256(large.subarray(0, 2 << 20)));
  const members = await read(Buffer.concat(out));
  assert.deepEqual(members.map((m) => [m.name, m.size]), [["f", 3 << 20], ["r1", 2 << 20]]);
  assert.equal(members[1]!.digest, sent.digest);
});

interface ReadMember {
  name: string;
  kind: RawMember["kind"];
  mode: number;
  size: number;
  target: string;
  fault: string;
  digest: string;
}

/** Reads archives that arrive in pieces. */
async function read(data: Buffer, limits: ArchiveLimits = {}, piece = 1000): Promise<ReadMember[]> {
  const { members } = await readWith(data, limits, piece);
  return members;
}

async function readWith(data: Buffer, limits: ArchiveLimits, piece: number): Promise<{ members: ReadMember[]; source: Source }> {
  let at = 0;
  const source = new Source(async () => (at < data.length ? data.subarray(at, (at += piece)) : undefined));
  const members: ReadMember[] = [];
  const onMember = (m: RawMember) => {
    const { name, target, ...rest } = m;
    const body: Buffer[] = [];
    const member = { ...rest, name: name.toString("latin1"), target: target.toString("latin1"), digest: "" };
    members.push(member);
    return { write: (b: Buffer) => body.push(Buffer.from(b)), end: () => (member.digest = sha256(Buffer.concat(body))), abort: () => {} };
  };
  await readArchives(source, limits, onMember, new Stop());
  return { members, source };
}

/** Packs a folder with a tar of this system. */
function systemTar(root: string, command: string[], names: string[]): Buffer {
  const { stdout, status, stderr } = spawnSync(command[0]!, [...command.slice(1), "-cf", "-", ...names], { cwd: root, maxBuffer: 1 << 26 });
  assert.equal(status, 0, String(stderr));
  return stdout;
}

function oddTree(t: TestContext): { root: string; names: string[] } {
  const root = tempDir(t);
  const names = ["plain", "d/" + "n".repeat(150), "d/" + "m".repeat(97), "ünï", "new\nline", "back\\slash"];
  for (const name of names) put(root, name, "content of " + name);
  put(root, "big", Buffer.alloc(100_000, "b"));
  fs.symlinkSync("t".repeat(150), path.join(root, "link"));
  fs.linkSync(path.join(root, "plain"), path.join(root, "second"));
  fs.writeFileSync(Buffer.concat([Buffer.from(root + "/bad"), Buffer.from([0xff])]), "x");
  return { root, names };
}

for (const command of [["tar"], ["busybox", "tar"], ["toybox", "tar"], ["tar", "--format=posix"], ["tar", "--format=ustar"], ["tar", "--format=v7"]]) {
  test(`archives of ${command.join(" ")} are read, also several with a text after them`, async (t) => {
    const { root, names } = oddTree(t);
    const short = /=(ustar|v7)/.test(command.join()); // those forms have no long names
    const travels = short ? names.filter((n) => Buffer.byteLength("./" + n) < 100) : names;
    const rest = ["big", "second", ...(short ? [] : ["link"])];
    const one = systemTar(root, command, ["--", ...travels.map((n) => "./" + n)].slice(command[0] === "toybox" ? 1 : 0));
    const two = systemTar(root, command, rest.map((n) => "./" + n));
    const text = "syncplan-survey 2 pull\nand more\n";
    const { members, source } = await readWith(Buffer.concat([one, two, Buffer.from(text)]), { text: "syncplan-survey " }, 777);
    await source.fill(1000);
    assert.equal(source.take(1000).toString(), text);
    const byName = new Map(members.map((m) => [Buffer.from(m.name, "latin1").toString(), m]));
    for (const name of travels) {
      assert.equal(byName.get(name)?.digest, sha256("content of " + name), name);
      assert.equal(byName.get(name)?.kind, "file");
    }
    assert.equal(byName.get("big")?.digest, sha256(Buffer.alloc(100_000, "b")));
    if (rest.includes("link")) assert.equal(byName.get("link")?.target, "t".repeat(150));
  });
}

test("a name that is not UTF-8 keeps its bytes, and a hard link names the first one", async (t) => {
  const { root } = oddTree(t);
  const members = await read(systemTar(root, ["tar"], ["--sort=name", "."]));
  assert.ok(members.some((m) => m.name === "bad\xff"));
  const second = members.find((m) => m.name === "second");
  assert.deepEqual([second?.kind, second?.target, second?.size], ["hardlink", "plain", 0]);
});

test("the size of a member is that of its body, whatever its header says", async () => {
  const pax = Buffer.alloc(512, "10 size=5\n\0", "latin1");
  const archive = Buffer.concat([
    ...["1", "2", "5", "6"].map((type) => raw(`no body ${type}`, type, { size: 700 })),
    raw("size of the next", "x", { size: 10 }), pax, raw("pax", "0"), Buffer.alloc(512, "hello"),
    raw("after", "0"),
  ]);
  const members = await read(archive);
  const empty = ["no body 1", "no body 2", "no body 5", "no body 6"].map((name) => [name, 0]);
  assert.deepEqual(members.map((m) => [m.name, m.size]), [...empty, ["pax", 5], ["after", 0]]);
  assert.equal(members.at(-2)!.digest, sha256("hello"));
});

/** An archive of one header alone, whose fields a test chose. */
function raw(name: string, type: string, more: { mode?: number; size?: number } = {}): Buffer {
  const b = encodeHeader({ name, kind: "file", mode: more.mode ?? 0o644, size: more.size ?? 0, target: "", mtime: 0 });
  b.write(type, 156, "latin1");
  sealHeader(b);
  return b;
}

test("S7: hostile members are refused", async () => {
  const hostile = [raw("/etc/passwd", "0"), raw("../up", "0"), raw("a/../../up", "0"), raw("dev", "3"), raw("fifo", "6"), raw("odd", "Z")];
  const members = await read(Buffer.concat([...hostile, raw("suid", "0", { mode: 0o4755 }), Buffer.alloc(1024)]));
  assert.deepEqual(members.filter((m) => m.fault).map((m) => m.name), ["/etc/passwd", "../up", "a/../../up", "dev", "fifo", "odd"]);
  assert.equal(members.at(-1)!.mode, 0o755);
});

test("S7: a file packed with holes is refused, whatever its size", async (t) => {
  const root = tempDir(t);
  put(root, "plain", "1");
  put(root, "holes", "");
  fs.truncateSync(path.join(root, "holes"), 2 ** 40);
  for (const format of ["oldgnu", "pax"]) {
    const one = systemTar(root, ["tar", "--sparse", `--format=${format}`], ["holes", "plain"]);
    const members = await read(Buffer.concat([one, one]), { bytes: 2 ** 30 });
    assert.deepEqual(members.map((m) => m.fault), ["a device, FIFO or something unknown", "", "a device, FIFO or something unknown", ""], format);
  }
});

test("S7: bounds are kept", async () => {
  const member = Buffer.concat([raw("name", "0", { size: 10 }), Buffer.alloc(512)]);
  const archive = Buffer.concat([member, member, member, Buffer.alloc(1024)]);
  for (const limits of [{ members: 2 }, { bytes: 25 }, { path: 3 }, { names: 11 }]) {
    await assert.rejects(read(archive, limits), { code: "limit_exceeded" }, JSON.stringify(limits));
  }
  assert.equal((await read(Buffer.concat([archive, Buffer.alloc(2 ** 20)]))).length, 3);
  await assert.rejects(read(Buffer.concat([archive, Buffer.alloc(2 ** 25)])), { code: "corrupt" }, "padding without end would never end");
  await assert.rejects(read(Buffer.concat([raw("././@LongLink", "L", { size: 2 ** 32 })])), { code: "limit_exceeded" });
});

test("a long name does not keep the piece of the download in which it came", async () => {
  const long = "n".repeat(200);
  const archive = Buffer.concat([raw("././@LongLink", "L", { size: 201 }), Buffer.alloc(512, long + "\0", "latin1"), raw("x", "0"), Buffer.alloc(2 ** 20)]);
  const piece = Buffer.from(new Uint8Array(archive).buffer);
  let next: Buffer | undefined = piece;
  const found: RawMember[] = [];
  const source = new Source(async () => [next, (next = undefined)][0]);
  await readArchives(source, {}, (m) => void found.push(m), new Stop());
  assert.deepEqual(found.map((m) => m.name.toString()), [long]);
  assert.notEqual(found[0]!.name.buffer, piece.buffer);
});

test("D5: an archive that was cut or damaged in a header is an error", async (t) => {
  const { root } = oddTree(t);
  const archive = systemTar(root, ["tar"], ["plain", "big"]);
  for (const at of [1, 511, 513, 700, 1024 + 600, 100_000]) await assert.rejects(read(archive.subarray(0, at)), { code: "corrupt", hint: "nothing was written; run it again" }, `cut at ${at}`);
  for (const at of [0, 100, 124, 130, 148]) {
    const bad = Buffer.from(archive);
    bad[at]! ^= 4;
    await assert.rejects(read(bad), { code: "corrupt" }, `damaged at ${at}`);
  }
});

test("D5: the archive of the dialect classic is one, and whole", async () => {
  const member = Buffer.concat([raw("name", "0", { size: 10 }), Buffer.alloc(512)]);
  const end = Buffer.alloc(1024);
  const single = (...parts: Buffer[]) => read(Buffer.concat(parts), { single: true });
  assert.equal((await single(member, member, end)).length, 2);
  assert.equal((await single(member, end, Buffer.alloc(8192))).length, 1, "a record is padded");
  for (const parts of [[], [end], [member], [member, end.subarray(512)], [member, end, member, end], [member, end.subarray(512), member, end]]) {
    await assert.rejects(single(...parts), { code: "corrupt" }, String(parts.map((p) => p.length)));
  }
});

test("S7: archives with bytes of any value anywhere are read or refused", async (t) => {
  const { root, names } = oddTree(t);
  const seeds = [["tar"], ["tar", "--format=posix"], ["tar", "--sparse", "--format=oldgnu"]].map((command) => systemTar(root, command, ["--", ...names, "link", "second"]));
  const any = random(1);
  let refused = 0;
  for (let i = 0; i < 2000; i++) {
    const bad = Buffer.from(seeds[i % seeds.length]!.subarray(0, 8192));
    for (let n = 1 + any(4); n > 0; n--) bad[any(512) + (any(2) ? 0 : 512 * any(16))] = any(256);
    if (any(2)) sealHeader(bad);
    try {
      const members = await read(bad, { members: 50, bytes: 2 ** 20, path: 300, names: 5000 });
      for (const m of members) assert.ok(m.fault || (m.kind && !m.name.startsWith("/") && !m.name.split("/").includes("..")), m.name);
    } catch (error) {
      assert.match((error as PlannerError).code, /^(corrupt|limit_exceeded)$/, String(error));
      refused++;
    }
  }
  assert.ok(refused > 100 && refused < 1900, String(refused));
});

/** Gives the first header the checksum that it should have. */
function sealHeader(archive: Buffer): void {
  archive.fill(" ", 148, 156);
  const sum = archive.subarray(0, 512).reduce((a, c) => a + c, 0);
  archive.write(sum.toString(8).padStart(6, "0") + "\0 ", 148, "latin1");
}

test("the tail of a download is kept back, however it arrives", async () => {
  const data = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));
  for (const piece of [1, 3, 64, 65, 66, 500, 1000]) {
    let at = 0;
    const tail = new Tail(65, async () => (at < data.length ? data.subarray(at, (at += piece)) : undefined));
    const out: Buffer[] = [];
    let given = 0;
    for (let part = await tail.read(); part; part = await tail.read()) {
      out.push(part);
      given += part.length;
      assert.ok(at <= given + 65 + piece, "no more of it is in memory than must be");
    }
    assert.deepEqual(Buffer.concat(out), data.subarray(0, 935), `pieces of ${piece}`);
    assert.deepEqual(tail.bytes, data.subarray(935));
    assert.equal(tail.digest(), sha256(data.subarray(0, 935)));
  }
});

/** What comes of a download that arrives in pieces, and then maybe fails. */
async function unzip(data: Buffer, piece: number, failure?: Error): Promise<{ got: Buffer; error?: unknown }> {
  let at = 0;
  const next = unzipped(async () => {
    if (at < data.length) return data.subarray(at, (at += piece));
    if (failure) throw failure;
    return undefined;
  }, 1 << 20);
  const out: Buffer[] = [];
  try {
    for (let part = await next(); part; part = await next()) out.push(part);
  } catch (error) {
    return { got: Buffer.concat(out), error };
  }
  return { got: Buffer.concat(out) };
}

test("a compressed download is what it was, however it arrives", async () => {
  const any = random(7);
  const noise = Buffer.from(Array.from({ length: 100_000 }, () => any(256)));
  for (const data of [Buffer.alloc(0), Buffer.of(0x1f), Buffer.from("text"), noise]) {
    for (const packed of [data, gzipSync(data)]) {
      for (const piece of [1, 3, 50_000, 1 << 20]) assert.deepEqual(await unzip(packed, piece), { got: data });
    }
  }
  const gone = new Error("gone");
  const { got, error } = await unzip(gzipSync(noise).subarray(0, 50_000), 7000, gone);
  assert.equal(error, gone);
  assert.ok(got.length > 40_000 && got.equals(noise.subarray(0, got.length)), "what had arrived is not lost");
});

test("S7: a compressed download that is damaged or has no end is refused", async () => {
  const packed = gzipSync("content".repeat(1000));
  const bad = [Buffer.from("\x1f\x8bgarbage", "latin1"), gzipSync(Buffer.alloc(64 << 20)), Buffer.from(packed)];
  bad[2]![packed.length - 6]! ^= 1;
  for (let i = 2; i < packed.length; i++) bad.push(packed.subarray(0, i));
  for (const data of bad) {
    const { got, error } = await unzip(data, 1000);
    assert.equal((error as PlannerError | undefined)?.code, "corrupt");
    assert.equal(got.length, 0);
  }
});
