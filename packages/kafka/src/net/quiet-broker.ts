/**
 * Asks about a broker from which an answer is awaited and nothing was heard for a while: whether it is silent (a stopped process, a
 * network that swallows everything) or only slow, such as a leader that waits for its replicas; whether others lead by now.
 *
 * X1. After `afterMs` in which something waits and nothing was heard the question is asked, in a way that waits for nothing. A broker of
 *     which the answer is good is waited for.
 * X2. At most one question about a broker is under way, and the next comes `afterMs` later: a slow broker is not burdened.
 */

/** Whether the broker answers at all. */
export const SILENT_MS = 5_000
/** Whether it still leads: an election is heard of long before a silent broker is given up. */
export const MOVED_MS = 1_500

export class QuietBrokerCheck {
  readonly #isGood: (nodeId: number) => Promise<boolean>
  readonly #nowMs: () => number
  readonly #afterMs: number
  /** When a broker was last asked about; Infinity while it is. */
  readonly #asked = new Map<number, number>()

  /** @param isGood never rejects */
  constructor(isGood: (nodeId: number) => Promise<boolean>, nowMs: () => number, afterMs: number) {
    this.#isGood = isGood
    this.#nowMs = nowMs
    this.#afterMs = afterMs
  }

  /**
   * @param quietSinceMs when the broker was last heard, or given something to answer
   * @returns when to look again
   */
  look(nodeId: number, quietSinceMs: number, onBad: () => void): number {
    const nowMs = this.#nowMs()
    const dueMs = Math.max(quietSinceMs, this.#asked.get(nodeId) ?? 0) + this.#afterMs
    if (nowMs < dueMs) return dueMs
    this.#asked.set(nodeId, Number.POSITIVE_INFINITY)
    void this.#isGood(nodeId).then((isGood) => {
      this.#asked.set(nodeId, this.#nowMs())
      if (!isGood) onBad()
    })
    return Number.POSITIVE_INFINITY
  }
}
