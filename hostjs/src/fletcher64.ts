/** The largest prime below 2^32. */
const modulus = 4294967291;
/** After how many words the sums are reduced. A sum of sums stays below 2^53 until then. */
const reduced = 1024;

/** Puts Fletcher's checksum of all other words into the first two: the sum of the words, and the sum of all sums on the way. */
export function seal(words: Uint32Array): void {
  let a = 0;
  let b = 0;
  for (let i = 2; i < words.length; ) {
    const end = Math.min(words.length, i + reduced);
    for (; i + 8 <= end; i += 8) {
      const s1 = words[i]!;
      const s2 = s1 + words[i + 1]!;
      const s3 = s2 + words[i + 2]!;
      const s4 = s3 + words[i + 3]!;
      const s5 = s4 + words[i + 4]!;
      const s6 = s5 + words[i + 5]!;
      const s7 = s6 + words[i + 6]!;
      const s8 = s7 + words[i + 7]!;
      b += 8 * a + (s1 + s2 + (s3 + s4)) + (s5 + s6 + (s7 + s8));
      a += s8;
    }
    for (; i < end; i++) {
      a += words[i]!;
      b += a;
    }
    a %= modulus;
    b %= modulus;
  }
  words[0] = a;
  words[1] = b;
}
