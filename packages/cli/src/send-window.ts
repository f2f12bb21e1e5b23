/**
 * Sends in flight, with a bound.
 *
 * W1. At most `limit` sends are unanswered: a file of any size goes out in constant memory.
 * W2. The first failure is kept with the place of its message; after it nothing more is accepted.
 */
export interface SendFailure {
  readonly place: string
  readonly error: unknown
}

export class SendWindow {
  readonly #limit: number
  #inFlight = 0
  #acknowledged = 0
  #failure: SendFailure | undefined
  #waiter: (() => void) | undefined

  constructor(limit: number) {
    this.#limit = limit
  }

  get acknowledged(): number {
    return this.#acknowledged
  }

  get failure(): SendFailure | undefined {
    return this.#failure
  }

  add(place: string, sent: Promise<unknown>): void {
    this.#inFlight += 1
    sent.then(
      () => {
        this.#acknowledged += 1
        this.#settled()
      },
      (error: unknown) => {
        this.#failure ??= { place, error }
        this.#settled()
      },
    )
  }

  /** Resolves when another send may start, or when one has failed. */
  async room(): Promise<void> {
    await this.#until(() => this.#inFlight < this.#limit || this.#failure !== undefined)
  }

  async drained(): Promise<void> {
    await this.#until(() => this.#inFlight === 0)
  }

  #settled(): void {
    this.#inFlight -= 1
    this.#waiter?.()
  }

  async #until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#waiter = resolve
      })
    }
  }
}
