/**
 * What the demo holds to be true, each checked against a computation that did not go through mQ.
 *
 * D1. A check says what was expected and what was found, so that a failure explains itself.
 * D2. What mQ rightly leaves undone on a machine that is too busy to prove anything is neither held nor broken, and shown as that.
 */
export interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
  /** D2. */
  readonly isOpen?: true
}

export type Sums = Readonly<Record<string, readonly number[]>>

export function sameCount(name: string, found: number, expected: number): Check {
  const ok = found === expected
  const detail = ok
    ? expected.toLocaleString('en-US')
    : `${found.toLocaleString('en-US')} instead of ${expected.toLocaleString('en-US')}`
  return { name, ok, detail }
}

export function none(name: string, found: number, what: string): Check {
  return { name, ok: found === 0, detail: found === 0 ? `0 ${what}` : `${found.toLocaleString('en-US')} ${what}` }
}

/** Whether two measurements of the same thing agree, within a share of the second. */
export function near(name: string, found: number | null, expected: number | null, share: number, unit: string): Check {
  const text = (value: number | null): string =>
    value === null ? 'nothing' : `${Number(value.toPrecision(3))} ${unit}`
  const ok = found !== null && expected !== null && Math.abs(found - expected) <= expected * share
  return { name, ok, detail: `${text(found)} ${ok ? 'and' : 'instead of'} ${text(expected)}` }
}

/** Every cell of both tables, in both directions. */
export function sameSums(name: string, found: Sums, expected: Sums): Check {
  const keys = Object.keys(expected)
  const wrong = keys.filter((key) => !sameNumbers(found[key], expected[key]!))
  const extra = Object.keys(found).filter((key) => !Object.hasOwn(expected, key))
  if (wrong.length === 0 && extra.length === 0) {
    return { name, ok: keys.length > 0, detail: `${keys.length.toLocaleString('en-US')} sums equal` }
  }
  const first = wrong[0] ?? extra[0]!
  const example = `${first}: ${JSON.stringify(found[first] ?? null)} instead of ${JSON.stringify(expected[first] ?? null)}`
  return { name, ok: false, detail: `${wrong.length + extra.length} of ${keys.length} sums differ, such as ${example}` }
}

function sameNumbers(found: readonly number[] | undefined, expected: readonly number[]): boolean {
  return (
    found !== undefined && found.length === expected.length && expected.every((value, index) => found[index] === value)
  )
}
