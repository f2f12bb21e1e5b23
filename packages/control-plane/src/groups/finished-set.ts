/**
 * What of a partition a group has finished, as a position and ranges beyond it, and what becomes of it: pure.
 *
 * F1. Everything below the position is finished; ranges rise, never touch one another or the position.
 * F2. Nothing here counts records that are not in the log: every count is within [start, end).
 */
import type { FinishedRange } from '@mq/kafka'

export interface Finished {
  readonly offset: bigint
  readonly finished: readonly FinishedRange[]
}

/** Everything below is finished and nothing else. */
export function upTo(offset: bigint): Finished {
  return { offset, finished: [] }
}

/** As before, but nothing in [from, to) is finished. */
export function without(before: Finished, from: bigint, to: bigint): Finished {
  if (to <= from) return before
  return normalised(
    spansOf(before).flatMap(({ first, end }) => [
      { first, end: min(end, from) },
      { first: max(first, to), end },
    ]),
  )
}

/** As before, and the one record is finished, too. */
export function withOne(before: Finished, offset: bigint): Finished {
  return normalised([...spansOf(before), { first: offset, end: offset + 1n }])
}

export function isFinished({ offset, finished }: Finished, at: bigint): boolean {
  return at < offset || finished.some(({ first, end }) => first <= at && at < end)
}

/** What is finished in `one` and not in `other`, within [start, end). */
export function difference(one: Finished, other: Finished, start: bigint, end: bigint): FinishedRange[] {
  let left = spansOf(one)
  for (const gone of spansOf(other)) {
    left = left
      .flatMap((span) => [
        { first: span.first, end: min(span.end, gone.first) },
        { first: max(span.first, gone.end), end: span.end },
      ])
      .filter((span) => span.first < span.end)
  }
  return left
    .map((span) => ({ first: max(span.first, start), end: min(span.end, end) }))
    .filter((span) => span.first < span.end)
}

export function countOf(ranges: readonly FinishedRange[]): number {
  return ranges.reduce((count, { first, end }) => count + Number(end - first), 0)
}

export function isSame(one: Finished, other: Finished): boolean {
  return (
    one.offset === other.offset &&
    one.finished.length === other.finished.length &&
    one.finished.every(({ first, end }, at) => first === other.finished[at]!.first && end === other.finished[at]!.end)
  )
}

/** The position as a range of its own, from the beginning of all offsets. */
function spansOf({ offset, finished }: Finished): FinishedRange[] {
  return [{ first: 0n, end: offset }, ...finished]
}

function normalised(spans: readonly FinishedRange[]): Finished {
  const rising = spans
    .filter(({ first, end }) => first < end)
    .toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  const joined: FinishedRange[] = []
  for (const { first, end } of rising) {
    const last = joined.at(-1)
    if (last === undefined || first > last.end) joined.push({ first, end })
    else if (end > last.end) joined[joined.length - 1] = { first: last.first, end }
  }
  const [head, ...rest] = joined
  if (head === undefined) return upTo(0n)
  return head.first === 0n ? { offset: head.end, finished: rest } : { offset: 0n, finished: joined }
}

export const min = (a: bigint, b: bigint): bigint => (a < b ? a : b)
export const max = (a: bigint, b: bigint): bigint => (a > b ? a : b)
