/**
 * How much one fetch response of a broker may hold.
 *
 * Z1. As a rule `USUAL_BYTES`: a response is one block of memory beside the chunks it came in. Larger ones pile up until they are collected,
 *     and then the engine collects everything, again and again: with responses of 16 MiB a fifth of a reader's CPU time was garbage
 *     collection.
 * Z2. Where a response that is nearly full takes `SLOW_MS` and longer, the way is long: then a larger one is asked for, so that the time of
 *     the way is paid less often.
 * Z3. A broker that stalled is asked for half as much, and for more again as it answers.
 */
export const USUAL_BYTES = 4 * 1024 * 1024
export const SLOW_MS = 100
const LEAST_BYTES = 64 * 1024
const MOST_BYTES = 64 * 1024 * 1024

export class ResponseSize {
  #bytes = USUAL_BYTES

  get bytes(): number {
    return this.#bytes
  }

  /** @param askedBytes what the response could have held at most */
  answered(askedBytes: number, gotBytes: number, tookMs: number): void {
    const isNearlyFull = gotBytes * 2 >= askedBytes
    if (this.#bytes < USUAL_BYTES) this.#bytes = Math.min(USUAL_BYTES, this.#bytes * 2)
    else if (isNearlyFull && tookMs >= SLOW_MS) this.#bytes = Math.min(MOST_BYTES, this.#bytes * 2)
    else if (isNearlyFull && tookMs < SLOW_MS / 4) this.#bytes = Math.max(USUAL_BYTES, this.#bytes / 2)
  }

  /** Nothing came for a long time. */
  stalled(askedBytes: number): void {
    this.#bytes = Math.max(LEAST_BYTES, Math.floor(Math.min(this.#bytes, askedBytes) / 2))
  }

  /** What to ask for where there is room for so much. */
  within(roomBytes: number): number {
    return Math.max(LEAST_BYTES, Math.min(roomBytes, this.#bytes))
  }
}
