/**
 * The partition of a key: the same one that Kafka's Java client chooses, so that mQ and other producers agree.
 *
 * H1. `partitionOfBytes(key, n)` is `(murmur2(key) & 0x7fffffff) % n` with Java's seed, over the key's bytes.
 * H2. A string key has the partition of its UTF-8 bytes; pure ASCII is hashed without writing them anywhere.
 */

const SEED = 0x9747b28c | 0
const MIX = 0x5bd1e995

function finish(hash: number): number {
  let h = hash
  h ^= h >>> 13
  h = Math.imul(h, MIX)
  return h ^ (h >>> 15)
}

function mixIn(hash: number, word: number): number {
  let k = Math.imul(word, MIX)
  k ^= k >>> 24
  return Math.imul(hash, MIX) ^ Math.imul(k, MIX)
}

/** murmur2 of the bytes as a signed 32-bit number. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length
  let h = SEED ^ length
  let at = 0
  for (; at + 4 <= length; at += 4) {
    h = mixIn(h, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24))
  }
  if (at < length) {
    let tail = bytes[at]!
    if (at + 1 < length) tail |= bytes[at + 1]! << 8
    if (at + 2 < length) tail |= bytes[at + 2]! << 16
    h = Math.imul(h ^ tail, MIX)
  }
  return finish(h)
}

/** murmur2 of the UTF-8 bytes of the text (H2). */
export function murmur2Text(text: string): number {
  const length = text.length
  let h = SEED ^ length
  let at = 0
  let seen = 0
  for (; at + 4 <= length; at += 4) {
    const a = text.charCodeAt(at)
    const b = text.charCodeAt(at + 1)
    const c = text.charCodeAt(at + 2)
    const d = text.charCodeAt(at + 3)
    seen |= a | b | c | d
    h = mixIn(h, a | (b << 8) | (c << 16) | (d << 24))
  }
  if (at < length) {
    let tail = text.charCodeAt(at)
    seen |= tail
    if (at + 1 < length) {
      const b = text.charCodeAt(at + 1)
      seen |= b
      tail |= b << 8
    }
    if (at + 2 < length) {
      const c = text.charCodeAt(at + 2)
      seen |= c
      tail |= c << 16
    }
    h = Math.imul(h ^ tail, MIX)
  }
  return seen < 0x80 ? finish(h) : murmur2(Buffer.from(text))
}

/** H1, H2. */
export function partitionOf(key: string | Uint8Array, partitions: number): number {
  const hash = typeof key === 'string' ? murmur2Text(key) : murmur2(key)
  return (hash & 0x7fffffff) % partitions
}
