/** The largest prime below 2^32. */
const modulus = 4294967291;
/** After how many words the sums are reduced. A sum of sums stays below 2^53 until then. */
const reduced = 1024;

/**
 * Puts Fletcher's checksum of all other words into the first two: the sum of the words, and the sum of all sums on
 * the way. The number of words is even, as it is in all parts of a snapshot.
 */
export function seal(words: Uint32Array): void {
  let a = 0;
  let b = 0;
  for (let i = 2; i < words.length; ) {
    for (const end = Math.min(words.length, i + reduced); i < end; i += 2) {
      const first = a + words[i]!;
      a = first + words[i + 1]!;
      b += first + a;
    }
    a %= modulus;
    b %= modulus;
  }
  words[0] = a;
  words[1] = b;
}
