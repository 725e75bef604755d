// tar-stream has no types for its codec of headers, which is its own module.
declare module "tar-stream/headers.js" {
  export interface Decoded {
    name: string;
    mode: number;
    size: number;
    type: string | null;
    linkname: string | null;
  }
  const headers: {
    decode(block: Buffer, encoding: "latin1", allowUnknownFormat: boolean): Decoded | null;
    decodePax(bytes: Buffer): Record<string, string>;
  };
  export default headers;
}
