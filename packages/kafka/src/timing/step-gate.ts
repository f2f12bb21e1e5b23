/**
 * Lets one thread keep another from beginning a step, and wait for the end of the one under way, without an event loop.
 *
 * G1. After `shut` no step begins, and none is under way, unless one took longer than the limit.
 */

const SHUT = 0
const BUSY = 1

export class StepGate {
  readonly memory: SharedArrayBuffer
  readonly #flags: Int32Array

  /** @param memory of the gate on the other thread; a new gate without */
  constructor(memory = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#flags = new Int32Array(memory)
  }

  /** Whether the step may begin; `leave` has to follow when it may. */
  enter(): boolean {
    Atomics.store(this.#flags, BUSY, 1)
    // Said before it is asked: whoever shuts the gate now sees one or the other.
    if (Atomics.load(this.#flags, SHUT) === 0) return true
    this.leave()
    return false
  }

  leave(): void {
    Atomics.store(this.#flags, BUSY, 0)
    Atomics.notify(this.#flags, BUSY)
  }

  /** Blocks the calling thread for as long as the step under way takes. */
  shut(limitMs: number): void {
    Atomics.store(this.#flags, SHUT, 1)
    Atomics.wait(this.#flags, BUSY, 1, limitMs)
  }
}
