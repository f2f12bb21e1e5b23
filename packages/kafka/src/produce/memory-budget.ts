/**
 * The memory that buffered records may take, shared by all producers of a client.
 *
 * M1. `usedBytes` is the sum of what was reserved and not yet released, and never below zero.
 * M2. A reservation fits when it stays within the limit; one larger than the limit fits only while nothing is reserved,
 *     so that it is late but not stuck for ever.
 * M3. Waiters are served in the order they came, and while one waits nobody overtakes it.
 */

interface Waiter {
  readonly bytes: number
  readonly admit: () => void
  readonly refuse: (reason: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: (() => void) | undefined
}

export class MemoryBudget {
  readonly limitBytes: number
  #usedBytes = 0
  #waiters: Waiter[] = []

  constructor(limitBytes: number) {
    if (!Number.isSafeInteger(limitBytes) || limitBytes < 1) {
      throw new RangeError(`A memory budget is a positive number of bytes, not ${limitBytes}`)
    }
    this.limitBytes = limitBytes
  }

  get usedBytes(): number {
    return this.#usedBytes
  }

  get waiting(): number {
    return this.#waiters.length
  }

  /** Takes the bytes if they fit now and nobody waits (M2, M3). */
  tryReserve(bytes: number): boolean {
    if (this.#waiters.length > 0 || !this.#fits(bytes)) return false
    this.#usedBytes += bytes
    return true
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes
    if (this.#usedBytes < 0) throw new RangeError(`${-this.#usedBytes} more bytes were released than reserved`)
    this.#admit()
  }

  /** Resolves once the bytes are reserved for the caller; rejects with the signal's reason when it aborts first. */
  waitFor(bytes: number, signal?: AbortSignal): Promise<void> {
    if (this.tryReserve(bytes)) return Promise.resolve()
    if (signal?.aborted === true) return Promise.reject(signal.reason)
    return new Promise((admit, refuse) => {
      const onAbort =
        signal === undefined
          ? undefined
          : (): void => {
              this.#waiters = this.#waiters.filter((other) => other !== waiter)
              refuse(signal.reason)
              this.#admit()
            }
      const waiter: Waiter = { bytes, admit, refuse, signal, onAbort }
      if (onAbort !== undefined) signal?.addEventListener('abort', onAbort, { once: true })
      this.#waiters.push(waiter)
    })
  }

  #fits(bytes: number): boolean {
    return this.#usedBytes + bytes <= this.limitBytes || this.#usedBytes === 0
  }

  #admit(): void {
    while (this.#waiters.length > 0 && this.#fits(this.#waiters[0]!.bytes)) {
      const waiter = this.#waiters.shift()!
      this.#usedBytes += waiter.bytes
      if (waiter.onAbort !== undefined) waiter.signal?.removeEventListener('abort', waiter.onAbort)
      waiter.admit()
    }
  }
}
