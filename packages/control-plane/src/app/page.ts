/**
 * One page of a list (PG1 of the contract).
 *
 * G1. A page goes on after a key, not after a count: what is added or goes meanwhile moves nothing.
 */
export interface PageInput<K> {
  readonly limit: number
  /** Key of the last item of the page before. */
  readonly after: K | undefined
}

export interface Page<T, K> {
  readonly items: T[]
  /** What the next page goes on after; undefined on the last one. */
  readonly next: K | undefined
}

/** Parts of a name that is unique only together; sorts as its parts do. */
export function keyOf(...parts: readonly string[]): string {
  return parts.join('\u0000')
}

/** Of a list in memory, in the order of its keys. */
export function pageByKey<T>(all: readonly T[], key: (item: T) => string, page: PageInput<string>): Page<T, string> {
  const { limit, after } = page
  const keyed = all.map((item) => ({ item, key: key(item) }))
  const rest = after === undefined ? keyed : keyed.filter((one) => one.key > after)
  rest.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const shown = rest.slice(0, limit)
  return { items: shown.map(({ item }) => item), next: rest.length > limit ? shown.at(-1)?.key : undefined }
}

/** Of a history from its newest item on: `read` is asked for one item more than the page holds. */
export async function pageByNumber<T>(
  { limit, after }: PageInput<number>,
  read: (rows: { readonly limit: number; readonly below: number | undefined }) => Promise<readonly T[]>,
  numberOf: (item: T) => number,
): Promise<Page<T, number>> {
  const rows = await read({ limit: limit + 1, below: after })
  const items = rows.slice(0, limit)
  return { items, next: rows.length > limit ? numberOf(items.at(-1)!) : undefined }
}
