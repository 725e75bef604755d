import type { Kind } from "./types.js";

/** One entry that a push brings into the sandbox. */
export interface UploadEntry {
  /** In the archive. */
  name: string;
  /** In the workspace. */
  path: string;
  kind: Kind;
  mode: number;
  /** As it was scanned, in bytes. */
  size: number;
  /** Of a link. */
  target: string;
  /** False where the sandbox has the content already. */
  travels: boolean;
}

const kinds: readonly Kind[] = ["file", "file", "dir", "link"];
const travels = 0x80;
const head = 24;
const decoder = new TextDecoder();

/** Reads the answer of the call uploads; wasm/ABI.md describes it. */
export function readUploads(bytes: Uint8Array): UploadEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const list: UploadEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    const flags = bytes[at]!;
    let end = at + head;
    const text = (offset: number) => {
      const from = end;
      end += view.getUint32(at + offset, true);
      return end === from ? "" : decoder.decode(bytes.subarray(from, end));
    };
    const [name, path, target] = [text(4), text(8), text(12)];
    const size = view.getUint32(at + 16, true) + view.getUint32(at + 20, true) * 2 ** 32;
    list.push({ name, path, kind: kinds[flags & 3]!, mode: view.getUint16(at + 2, true), size, target, travels: (flags & travels) !== 0 });
    at = end;
  }
  return list;
}

/** What is to be told of an upload beside its digest and size. */
export interface SentNote {
  /** Where the good copy lies in the archive, if not under the upload's name. */
  name?: string | undefined;
  problem?: string | undefined;
  detail?: string | undefined;
}

const recordSize = 40;

/** How each upload of a push went, in their order, as bytes. */
export class SentList {
  readonly notes: (SentNote & { upload: number })[] = [];
  /** What the script in the sandbox left where it could not change some paths, as wasm/ABI.md says. */
  stuck?: string;
  private bytes = new Uint8Array(256 * recordSize);
  private view = new DataView(this.bytes.buffer);
  private count = 0;

  /** Adds the next upload: digest is 32 bytes of a file that was sent, size that of the file. */
  add(digest?: Uint8Array, size = 0, note?: SentNote): void {
    const at = recordSize * this.count;
    if (at === this.bytes.length) this.grow();
    if (digest) this.bytes.set(digest, at);
    this.view.setUint32(at + 32, size, true);
    this.view.setUint32(at + 36, size / 2 ** 32, true);
    if (note) this.notes.push({ upload: this.count, ...note });
    this.count++;
  }

  private grow(): void {
    const old = this.bytes;
    this.bytes = new Uint8Array(2 * old.length);
    this.bytes.set(old);
    this.view = new DataView(this.bytes.buffer);
  }

  get packed(): Uint8Array {
    return this.bytes.subarray(0, recordSize * this.count);
  }
}
