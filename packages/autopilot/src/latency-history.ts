/**
 * What the last minute took, look by look, of those mQ IDs that are over what their intent allows.
 *
 * K1. Nothing is kept of an mQ ID that is in time: thousands of settled ones cost nothing.
 * K2. What was seen before the settings last changed, or may still hold some of it, is left out.
 * K3. In memory: after a restart a spell begins anew.
 */
import { worstMsOf } from './lateness.ts'
import type { LatencyLook } from './world.ts'

/** A look tells of the minute before it. */
const LOOK_MS = 60_000
const MOST_LOOKS = 200
const MOST_IDS = 50_000

export class Looks {
  readonly #byId = new Map<string, readonly LatencyLook[]>()

  /** Takes a look in, and says what is known since `changedAtMs`, no longer ago than `spellMs` needs. */
  take(id: string, look: LatencyLook, allowedMs: number, changedAtMs: number, spellMs: number): readonly LatencyLook[] {
    const { atMs } = look
    const fromMs = changedAtMs + LOOK_MS
    const known = (this.#byId.get(id) ?? []).filter((one) => one.atMs >= fromMs && one.atMs < atMs)
    // One look of before the spell stays: it is how one knows that the spell is whole.
    const first = known.findLastIndex((one) => one.atMs <= atMs - spellMs)
    const looks = [...known.slice(Math.max(0, first)), ...(atMs >= fromMs ? [look] : [])].slice(-MOST_LOOKS)
    if (!looks.some((one) => worstMsOf(one) > allowedMs)) {
      this.#byId.delete(id)
      return []
    }
    if (this.#byId.size < MOST_IDS || this.#byId.has(id)) this.#byId.set(id, looks)
    return looks
  }

  forget(isKnown: (id: string) => boolean): void {
    for (const id of this.#byId.keys()) if (!isKnown(id)) this.#byId.delete(id)
  }
}
