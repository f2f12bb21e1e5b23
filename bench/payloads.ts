/**
 * The messages everyone sends: seeded JSON orders of exactly the asked size.
 *
 * P1. The same seed, count and size give the same bytes.
 * P2. Every payload is one line of valid JSON, so that Java's tool can read them from a file.
 * P3. Values vary, so that compression has to work: no constant filler.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const WORDS =
  'amber basin cedar delta ember flint grove harbor island jasper kernel lantern meadow nickel orchid pebble quartz river saddle timber umber valley walnut yarrow zephyr'.split(
    ' ',
  )
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789'

/** Numbers in [0, 1) that depend on the seed alone: xorshift with 32 bits of state. */
export function seededRandom(seed: number): () => number {
  let state = (seed | 0) ^ 0x9e3779b9 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}

export function makePayloads(options: { count: number; bytes: number; seed: number }): string[] {
  const random = seededRandom(options.seed)
  const below = (limit: number): number => Math.floor(random() * limit)
  const code = (length: number): string => Array.from({ length }, () => ALPHABET[below(ALPHABET.length)]).join('')
  return Array.from({ length: options.count }, (_, n) => {
    const order = {
      order: `o-${code(10)}`,
      customer: `c-${below(200_000)}`,
      placedAt: new Date(Date.UTC(2026, 0, 1) + n * 37 + below(1_000_000)).toISOString(),
      item: `${WORDS[below(WORDS.length)]}-${below(5_000)}`,
      quantity: 1 + below(9),
      cents: 99 + below(250_000),
      note: '',
    }
    const room = options.bytes - Buffer.byteLength(JSON.stringify(order))
    if (room < 0) throw new Error(`a payload needs at least ${options.bytes - room} bytes`)
    let note = ''
    while (note.length < room) note += `${WORDS[below(WORDS.length)]} ${code(4)} `
    return JSON.stringify({ ...order, note: note.slice(0, room) })
  })
}

export function writePayloads(path: string, payloads: readonly string[]): void {
  writeFileSync(path, `${payloads.join('\n')}\n`)
}

export function readPayloads(path: string): Buffer[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line))
}
