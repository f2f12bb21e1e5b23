/**
 * What can be said of keys without keeping one: how many there are, and how large a share the busiest have.
 *
 * K1. Nothing that leaves here holds a key or a hash of one: registers hold only how rare the rarest hash was, shares are numbers.
 * K2. Memory is bounded: 256 registers, and counters for at most MOST_COUNTED hashes; when they are all taken the rarer half goes,
 *     which the busiest keys survive.
 */
import type { KeySketch as Told } from '@mq/contract'

const REGISTERS = 256
const MOST_COUNTED = 2_048
const TOP = 8

export class KeySketch {
  readonly #registers = new Uint8Array(REGISTERS)
  readonly #counts = new Map<number, number>()
  #sampled = 0
  #keyed = 0

  /** @param weight how many records this one stands for */
  add(hash: number | null, weight: number): void {
    this.#sampled += weight
    if (hash === null) return
    this.#keyed += weight
    const register = hash >>> 24
    const rank = Math.clz32((hash << 8) | 0x80) + 1
    if (rank > this.#registers[register]!) this.#registers[register] = rank
    if (this.#counts.size >= MOST_COUNTED && !this.#counts.has(hash)) this.#dropRarerHalf()
    this.#counts.set(hash, (this.#counts.get(hash) ?? 0) + weight)
  }

  /** Share of the records that have a key; undefined when none was seen. */
  get keyedShare(): number | undefined {
    return this.#sampled === 0 ? undefined : this.#keyed / this.#sampled
  }

  take(): Told | undefined {
    if (this.#sampled === 0) return undefined
    const keyed = this.#keyed
    const told = {
      sampled: this.#sampled,
      keyed,
      registers: keyed === 0 ? '' : Buffer.from(this.#registers).toString('base64'),
      topShares: [...this.#counts.values()]
        .sort((a, b) => b - a)
        .slice(0, TOP)
        .map((count) => Math.min(1, count / keyed)),
    }
    this.#registers.fill(0)
    this.#counts.clear()
    this.#sampled = 0
    this.#keyed = 0
    return told
  }

  #dropRarerHalf(): void {
    const rarer = [...this.#counts].sort(([, a], [, b]) => a - b).slice(0, MOST_COUNTED / 2)
    for (const [hash] of rarer) this.#counts.delete(hash)
  }
}

/** FNV-1a with a final mix, so that every bit depends on every byte. */
export function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5
  for (let at = start; at < start + length; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
