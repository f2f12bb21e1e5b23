/**
 * Tells a broker that is silent (a stopped process, a network that swallows everything) from one that is slow, such as a leader that waits
 * for its replicas.
 *
 * X1. A connection on which something waits and nothing was heard for `SILENT_MS` makes a question on a new connection, which a broker
 *     answers without waiting for anything. One that answers is slow, and is waited for.
 * X2. At most one such question to a broker is under way, and the next comes `SILENT_MS` later: a slow broker is not burdened.
 */

export const SILENT_MS = 5_000

export class SilentBrokerCheck {
  readonly #isAlive: (nodeId: number) => Promise<boolean>
  readonly #nowMs: () => number
  /** When a broker was last asked; Infinity while it is. */
  readonly #asked = new Map<number, number>()

  constructor(isAlive: (nodeId: number) => Promise<boolean>, nowMs: () => number) {
    this.#isAlive = isAlive
    this.#nowMs = nowMs
  }

  /**
   * @param quietSinceMs when the broker was last heard, or given something to answer
   * @returns when to look again
   */
  look(nodeId: number, quietSinceMs: number, onSilent: () => void): number {
    const nowMs = this.#nowMs()
    const dueMs = Math.max(quietSinceMs, this.#asked.get(nodeId) ?? 0) + SILENT_MS
    if (nowMs < dueMs) return dueMs
    this.#asked.set(nodeId, Number.POSITIVE_INFINITY)
    void this.#isAlive(nodeId).then((isAlive) => {
      this.#asked.set(nodeId, this.#nowMs())
      if (!isAlive) onSilent()
    })
    return Number.POSITIVE_INFINITY
  }
}
