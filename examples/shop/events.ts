/**
 * The events of the shop.
 *
 * E1. `n` only ever rises for one key of one mQ ID, so a consumer can see that nothing was overtaken.
 */

export interface ViewEvent {
  readonly visitor: string
  readonly product: string
  readonly n: number
}

export interface CartEvent {
  readonly visitor: string
  readonly product: string
  readonly change: 1 | -1
  readonly n: number
}

export interface OrderLine {
  readonly product: string
  readonly units: number
  readonly cents: number
}

export interface OrderEvent {
  readonly order: string
  readonly customer: string
  readonly lines: readonly OrderLine[]
  readonly totalCents: number
  readonly n: number
}

export interface StockEvent {
  readonly product: string
  readonly level: number
  readonly n: number
}

/** Checks E1 over everything one program gets, and knows what it has seen before. */
export class OrderCheck {
  readonly #last = new Map<string, number>()
  readonly #seen = new Set<string>()
  duplicates = 0
  orderViolations = 0

  /** False for an event that was handled before, which at-least-once delivery allows. */
  isNew(mqId: string, key: string | null, n: number): boolean {
    const stream = `${mqId} ${key}`
    const event = `${stream} ${n}`
    if (this.#seen.has(event)) {
      this.duplicates += 1
      return false
    }
    this.#seen.add(event)
    if (n <= (this.#last.get(stream) ?? -1)) this.orderViolations += 1
    else this.#last.set(stream, n)
    return true
  }
}
