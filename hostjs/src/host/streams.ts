import { Channel, heard } from "./channel.js";
import { slice, viewOf } from "./copy.js";

/** How a client runs a command with streams. */
export interface CommandStreams {
  /** How long no byte may move, in milliseconds, before the command is killed. */
  timeoutMs: number;
  /**
   * Writes what the command reads next into a buffer of the client's, and resolves to the number of bytes, 0 at the
   * end. Where it rejects the input broke off, and the command must be killed before it takes a part for the whole.
   * Without it the input is empty. It must have answered before it is called again.
   */
  stdin?: (into: Uint8Array) => Promise<number>;
  /**
   * Takes what the command wrote. Once it resolves the piece was used, and the next may come. Without it the output
   * is dropped.
   */
  stdout?: (piece: Uint8Array) => Promise<void>;
}

/** Runs a command with streams. Like run it rejects where the command fails. */
export type RunStream = (command: string, streams: CommandStreams) => Promise<void>;

/** A command with a stream that a worker asks for; stream is a number of its choice. */
export interface StreamCall {
  name: "send" | "receive";
  stream: number;
  command: string;
  timeoutMs: number;
  /** The whole stdin of a command that is received from. */
  data?: string | undefined;
}

/** The streams between the commands of a client and the worker that fills and empties them. */
export class Streams {
  private readonly open = new Map<number, Channel>();

  /** Runs a command of a client until its end. */
  async run(runStream: RunStream, { name, stream, command, timeoutMs, data }: StreamCall): Promise<void> {
    const channel = new Channel();
    this.open.set(stream, channel);
    try {
      if (name === "send") {
        await runStream(command, { timeoutMs, stdin: (into) => heard(read(channel, into)) });
        // A command that unpacks an archive reads all of it: a client that says it ended well before that knows
        // nothing of its end.
        channel.assertRead();
      } else {
        await runStream(command, { timeoutMs, ...(data !== undefined && { stdin: reader(data) }), stdout: (piece) => write(channel, piece) });
        return channel.end(); // what it wrote last may be read after it
      }
    } catch (error) {
      channel.fail(new Error("the command ended")); // an output that failed must not look like one that ended
      throw error;
    } finally {
      if (name === "send") this.open.delete(stream);
    }
  }

  /** Gives bytes to the stdin of a command, and hands the memory back. */
  async give(stream: number, bytes: ArrayBuffer): Promise<ArrayBuffer> {
    const channel = this.open.get(stream);
    if (!channel) throw new Error("the command ended");
    await channel.give(new Uint8Array(bytes));
    return bytes;
  }

  /** A copy of what comes next from the stdout of a command; undefined at the end. */
  async take(stream: number): Promise<ArrayBuffer | undefined> {
    const channel = this.open.get(stream);
    const piece = await channel?.next();
    if (!piece) return undefined;
    const part = Uint8Array.from(piece.subarray(0, slice));
    channel!.used(part.length);
    return part.buffer;
  }

  /** Ends a stream, broken off where it was not whole. */
  close(stream: number, whole: boolean): void {
    const channel = this.open.get(stream);
    if (whole) channel?.end();
    else channel?.fail(brokenOff());
  }

  /** Breaks off all. */
  abort(): void {
    for (const channel of this.open.values()) channel.fail(brokenOff());
  }
}

function brokenOff(): Error {
  return new Error("the stream was broken off");
}

/** What is no bytes breaks the stream off: nobody knows what the command wrote. */
function write(channel: Channel, piece: unknown): Promise<void> {
  const bytes = viewOf(piece);
  if (!bytes) channel.fail(new TypeError("stdout was given neither a Buffer nor a Uint8Array nor an ArrayBuffer"));
  return channel.give(bytes ?? new Uint8Array());
}

async function read(channel: Channel, into: Uint8Array): Promise<number> {
  const piece = await channel.next();
  if (!piece) return 0;
  const part = piece.subarray(0, into.length);
  into.set(part);
  channel.used(part.length);
  return part.length;
}

/** Reads a text from its beginning on. */
function reader(text: string): (into: Uint8Array) => Promise<number> {
  let rest = Buffer.from(text);
  return async (into) => {
    const n = rest.copy(into);
    rest = rest.subarray(n);
    return n;
  };
}
