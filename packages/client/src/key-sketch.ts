/**
 * What can be said of keys without keeping one: how many there are, and how large a share the busiest have.
 *
 * K1. Nothing that leaves here holds a key or a hash of one: registers hold only how rare the rarest hash was, shares are numbers.
 * K2. Memory is bounded: 256 registers, and counters for at most MOST_COUNTED hashes; the shares of the busiest keys survive
 *     because a new hash takes the place of the rarest (space saving).
 */
import type { KeySketch as Told } from '@mq/contract'

const REGISTERS = 256
const MOST_COUNTED = 512
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
    const known = this.#counts.get(hash)
    if (known !== undefined) this.#counts.set(hash, known + weight)
    else if (this.#counts.size < MOST_COUNTED) this.#counts.set(hash, weight)
    else this.#replaceRarest(hash, weight)
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

  #replaceRarest(hash: number, weight: number): void {
    let rarest = -1
    let fewest = Number.POSITIVE_INFINITY
    for (const [other, count] of this.#counts) {
      if (count < fewest) {
        rarest = other
        fewest = count
      }
    }
    this.#counts.delete(rarest)
    this.#counts.set(hash, fewest + weight)
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
