/**
 * A table of named sums: what both consumer groups build, event by event.
 */

/** How many flights, and their minutes of delay or miles together. */
export type Sum = [count: number, total: number]

export class Sums {
  readonly #rows = new Map<string, Sum>()

  add(name: string, amount: number): void {
    const row = this.#rows.get(name)
    if (row === undefined) {
      this.#rows.set(name, [1, amount])
      return
    }
    row[0] += 1
    row[1] += amount
  }

  /** All rows, sorted by name. */
  toJSON(): Record<string, Sum> {
    return Object.fromEntries([...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)))
  }
}
