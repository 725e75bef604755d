const p1 = 2654435761;
const p2 = 2246822519;
const p3 = 3266489917;
const p4 = 668265263;
const p5 = 374761393;

/** XXH32 with seed 0 of whole words, as a signed number: the checksum of the binary form of snapshots. */
export function xxh32(words: Uint32Array): number {
  const n = words.length;
  const whole = n & ~3;
  let h = p5;
  if (whole > 0) {
    let a = (p1 + p2) | 0;
    let b = p2 | 0;
    let c = 0;
    let d = -p1 | 0;
    for (let i = 0; i < whole; i += 4) {
      a = (a + Math.imul(words[i]!, p2)) | 0;
      a = Math.imul((a << 13) | (a >>> 19), p1);
      b = (b + Math.imul(words[i + 1]!, p2)) | 0;
      b = Math.imul((b << 13) | (b >>> 19), p1);
      c = (c + Math.imul(words[i + 2]!, p2)) | 0;
      c = Math.imul((c << 13) | (c >>> 19), p1);
      d = (d + Math.imul(words[i + 3]!, p2)) | 0;
      d = Math.imul((d << 13) | (d >>> 19), p1);
    }
    h = ((a << 1) | (a >>> 31)) + ((b << 7) | (b >>> 25)) + ((c << 12) | (c >>> 20)) + ((d << 18) | (d >>> 14));
  }
  h = (h + 4 * n) | 0;
  for (let i = whole; i < n; i++) {
    h = (h + Math.imul(words[i]!, p3)) | 0;
    h = Math.imul((h << 17) | (h >>> 15), p4);
  }
  h = Math.imul(h ^ (h >>> 15), p2);
  h = Math.imul(h ^ (h >>> 13), p3);
  return h ^ (h >>> 16);
}
