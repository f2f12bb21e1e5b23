/**
 * The buffers of open and waiting batches: counted against the memory budget while in use, kept for reuse afterwards.
 *
 * U1. Every buffer handed out has its whole capacity reserved in the budget, until it comes back.
 * U2. Idle buffers are not counted, and together stay within `keepBytes`.
 * U3. A grant is budget that was already reserved for this pool: it is spent first, and what is left goes back.
 */
import type { MemoryBudget } from './memory-budget.ts'

const SMALLEST_BYTES = 4_096
/** Behind the power of two, so that a batch of exactly that size still has room for the encoder's slack. */
const TAIL_BYTES = 64

export class BufferPool {
  readonly #budget: MemoryBudget
  readonly #keepBytes: number
  readonly #idle = new Map<number, Buffer[]>()
  #idleBytes = 0
  #grantedBytes = 0

  constructor(budget: MemoryBudget, keepBytes: number) {
    this.#budget = budget
    this.#keepBytes = keepBytes
  }

  /** The capacity a request for that many bytes gets. */
  static capacityFor(bytes: number): number {
    let capacity = SMALLEST_BYTES
    while (capacity < bytes) capacity *= 2
    return capacity + TAIL_BYTES
  }

  /** A buffer of at least that many bytes and some slack, or null when the budget is spent. */
  acquire(bytes: number): Buffer | null {
    const capacity = BufferPool.capacityFor(bytes)
    if (this.#grantedBytes >= capacity) this.#grantedBytes -= capacity
    else if (!this.#budget.tryReserve(capacity)) return null
    const kept = this.#idle.get(capacity)?.pop()
    if (kept === undefined) return Buffer.allocUnsafeSlow(capacity)
    this.#idleBytes -= capacity
    return kept
  }

  release(buffer: Buffer): void {
    const capacity = buffer.length
    if (this.#idleBytes + capacity <= this.#keepBytes) {
      const same = this.#idle.get(capacity)
      if (same === undefined) this.#idle.set(capacity, [buffer])
      else same.push(buffer)
      this.#idleBytes += capacity
    }
    this.#budget.release(capacity)
  }

  /** Gives the memory back without using the buffer again: somebody may still read it. */
  discard(buffer: Buffer): void {
    this.#budget.release(buffer.length)
  }

  /** U3 */
  grant(bytes: number): void {
    this.#grantedBytes += bytes
  }

  withdraw(): void {
    const left = this.#grantedBytes
    this.#grantedBytes = 0
    if (left > 0) this.#budget.release(left)
  }
}
