/**
 * Numbers by a whole number that may be large: pages of typed arrays, made where something is written.
 *
 * G1. What was never written is 0, and costs nothing as long as nothing near it is.
 */
const PAGE = 65_536

interface Cells {
  [at: number]: number
  readonly length: number
}

export class Paged<A extends Cells> {
  readonly #make: (length: number) => A
  readonly #pages = new Map<number, A>()
  #lastPage = -1
  #last: A | undefined

  constructor(make: (length: number) => A) {
    this.#make = make
  }

  get(at: number): number {
    const low = at % PAGE
    return this.#page((at - low) / PAGE)?.[low] ?? 0
  }

  set(at: number, value: number): void {
    const low = at % PAGE
    const number = (at - low) / PAGE
    let page = this.#page(number)
    if (page === undefined) {
      page = this.#make(PAGE)
      this.#pages.set(number, page)
      this.#last = page
    }
    ;(page as Cells)[low] = value
  }

  /** Every cell that is not 0. */
  *entries(): Generator<[at: number, value: number]> {
    for (const [number, page] of this.#pages) {
      for (let low = 0; low < PAGE; low++) {
        const value = page[low]!
        if (value !== 0) yield [number * PAGE + low, value]
      }
    }
  }

  #page(number: number): A | undefined {
    if (number === this.#lastPage) return this.#last
    this.#lastPage = number
    this.#last = this.#pages.get(number)
    return this.#last
  }
}

export const pagedBytes = (): Paged<Uint8Array> => new Paged((length) => new Uint8Array(length))
export const pagedNumbers = (): Paged<Float64Array> => new Paged((length) => new Float64Array(length))
