/**
 * Which position of a partition may be committed while handlers finish in any order.
 *
 * O1. The position is the offset of the lowest record that is not finished; everything below it is finished.
 * O2. The position moves over holes and control records: a span that is wholly finished yields its `nextOffset`.
 * O3. The position never goes back.
 * O4. A record costs O(1) amortised, and one bit of memory only when it finished before an earlier one of its span.
 * O5. Spans are opened in the order they were fetched, and stand for one fetched batch each.
 * O6. What is finished beyond the position is known as ranges: that which finished here, and that which finished before this process
 *     came (`inherited`). No record that is not finished is in one; at most `MAX_RANGES` of them are told, the lowest.
 */
import type { FailingRecord, FinishedRange } from '@mq/kafka'

/** More than a note beside a position can hold. */
export const MAX_RANGES = 700

/** Offsets of the records of one fetched batch. */
export interface SpanOffsets {
  readonly count: number
  /** Position after the batch, over control records and holes. */
  readonly nextOffset: bigint
  offsetAt(index: number): bigint
  /** Under which leader it was written. */
  readonly leaderEpoch: number
  /** Offsets of the records that were read and are not finished, rising. */
  unfinished(): readonly bigint[]
  /** Everything below it was read; undefined when nothing was. */
  reached(): bigint | undefined
}

/** What is finished beyond the position (O6). */
export interface FinishedBeyond {
  readonly ranges: readonly FinishedRange[]
  /** Under which leader the highest of it was written; undefined without any. */
  readonly leaderEpoch: number | undefined
  /** What failed and is not finished (failing-records.ts). */
  readonly failing?: readonly FailingRecord[]
}

const NOTHING: FinishedBeyond = { ranges: [], leaderEpoch: undefined }

/** How far one fetched batch is done. */
export class Span {
  readonly offsets: SpanOffsets
  /** Records not finished. */
  remaining: number
  /** Everything below this index is finished. */
  #low = 0
  /** One bit for each record finished above `low`. */
  #done: Uint8Array | undefined

  constructor(offsets: SpanOffsets) {
    this.offsets = offsets
    this.remaining = offsets.count
  }

  /** @returns whether this was news: a record is finished once. */
  finish(index: number): boolean {
    if (index < this.#low) return false
    if (index === this.#low) {
      this.#low = index + 1
      this.remaining--
      if (this.#done !== undefined) this.#skipDone(this.#done)
      return true
    }
    this.#done ??= new Uint8Array((this.offsets.count + 7) >> 3)
    const bit = 1 << (index & 7)
    const byte = this.#done[index >> 3]!
    if ((byte & bit) !== 0) return false
    this.#done[index >> 3] = byte | bit
    this.remaining--
    return true
  }

  #skipDone(done: Uint8Array): void {
    while (this.#low < this.offsets.count && (done[this.#low >> 3]! & (1 << (this.#low & 7))) !== 0) this.#low++
  }

  /** Offset of the lowest unfinished record; `nextOffset` when there is none. */
  position(): bigint {
    return this.#low < this.offsets.count ? this.offsets.offsetAt(this.#low) : this.offsets.nextOffset
  }

  /** Whether anything of it is finished. */
  get touched(): boolean {
    return this.#low > 0
  }
}

/** The commit position of one partition. */
export class OffsetTracker {
  readonly #start: bigint
  #position: bigint
  /** The newest leader epoch of what the position has passed; -1 while it has passed no batch. */
  #passedEpoch = -1
  #spans: Span[] = []
  #head = 0
  readonly #inherited: readonly FinishedRange[]
  readonly #inheritedEpoch: number
  /** Inherited ranges the position has passed. */
  #passed = 0

  /** @param start where reading begins @param inherited what was finished beyond it before */
  constructor(start: bigint, inherited: FinishedBeyond = NOTHING) {
    this.#start = start
    this.#position = start
    this.#inherited = inherited.ranges
    this.#inheritedEpoch = inherited.leaderEpoch ?? -1
  }

  /** Whether anything was finished beyond the start before this process came: to look at offsets costs. */
  get isInheriting(): boolean {
    return this.#inherited.length > 0
  }

  /** Whether a record was finished before this process came. */
  wasFinished(offset: bigint): boolean {
    const ranges = this.#inherited
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (ranges[middle]!.end <= offset) low = middle + 1
      else high = middle
    }
    return low < ranges.length && ranges[low]!.first <= offset
  }

  /** O6. Cheap when nothing is finished beyond the position, which is so most of the time; may move the position. */
  finishedBeyond(): FinishedBeyond {
    const ranges: FinishedRange[] = []
    let leaderEpoch = -1
    let from = this.position()
    const add = (end: bigint, epoch: number): void => {
      if (end <= from) return
      // Nothing at the position is left to do: it was finished before, or is a hole.
      if (from <= this.#position) this.#advanceTo(end)
      else {
        join(ranges, { first: from, end })
        leaderEpoch = Math.max(leaderEpoch, epoch)
      }
      from = end
    }
    for (let at = this.#head; at < this.#spans.length && ranges.length < MAX_RANGES; at++) {
      const { offsets, remaining } = this.#spans[at]!
      const reached = remaining === 0 ? offsets.nextOffset : offsets.reached()
      if (reached === undefined) break
      for (const offset of remaining === 0 ? [] : offsets.unfinished()) {
        if (offset < from || this.wasFinished(offset)) continue
        add(offset, offsets.leaderEpoch)
        from = offset + 1n
      }
      add(reached, offsets.leaderEpoch)
      if (reached < offsets.nextOffset) break
    }
    const left = this.#inherited.slice(this.#passed)
    if (left.length > 0) leaderEpoch = Math.max(leaderEpoch, this.#inheritedEpoch)
    const all = left.length === 0 ? ranges : union(ranges, left)
    let at = 0
    for (; at < all.length && all[at]!.first <= this.#position; at++) this.#advanceTo(all[at]!.end)
    this.#passInherited()
    return at === all.length ? NOTHING : { ranges: all.slice(at, at + MAX_RANGES), leaderEpoch }
  }

  /** Like `finishedBeyond`, with what lies between the start and the position: all that is finished, as far as this one knows. */
  finishedFromStart(): FinishedBeyond {
    const beyond = this.finishedBeyond()
    const end = this.position()
    if (end === this.#start) return beyond
    const ranges = union([{ first: this.#start, end }], beyond.ranges).slice(0, MAX_RANGES)
    return { ranges, leaderEpoch: Math.max(this.#passedEpoch, this.#inheritedEpoch, beyond.leaderEpoch ?? -1) }
  }

  /** Records that were fetched and are not finished. */
  unfinished(): number {
    let count = 0
    for (let at = this.#head; at < this.#spans.length; at++) count += this.#spans[at]!.remaining
    return count
  }

  open(offsets: SpanOffsets): Span {
    const span = new Span(offsets)
    this.#spans.push(span)
    return span
  }

  /** What may be committed now (O1). */
  position(): bigint {
    this.settle()
    const head = this.#spans[this.#head]
    if (head?.touched) {
      this.#advanceTo(head.position())
      this.#passedEpoch = Math.max(this.#passedEpoch, head.offsets.leaderEpoch)
    }
    this.#passInherited()
    return this.#position
  }

  /** Moves over the spans at the front that are done, and forgets them. */
  settle(): void {
    while (this.#head < this.#spans.length && this.#spans[this.#head]!.remaining === 0) {
      const { nextOffset, leaderEpoch } = this.#spans[this.#head]!.offsets
      this.#advanceTo(nextOffset)
      this.#passedEpoch = Math.max(this.#passedEpoch, leaderEpoch)
      this.#head++
    }
    if (this.#head > 64 && this.#head * 2 > this.#spans.length) {
      this.#spans = this.#spans.slice(this.#head)
      this.#head = 0
    }
  }

  /** Spans that are kept: those with an unfinished record, those behind one, and done ones until `settle`. */
  openSpans(): readonly Span[] {
    return this.#spans.slice(this.#head)
  }

  #advanceTo(offset: bigint): void {
    if (offset > this.#position) this.#position = offset
  }

  /** What lies at the position and was finished before needs no second look. */
  #passInherited(): void {
    for (let next = this.#inherited[this.#passed]; next !== undefined; next = this.#inherited[this.#passed]) {
      if (next.first > this.#position) return
      this.#advanceTo(next.end)
      this.#passed++
    }
  }
}

/** Adds a range that begins where the others end, or later; ranges that touch are one. */
function join(ranges: FinishedRange[], { first, end }: FinishedRange): void {
  const last = ranges.at(-1)
  if (last === undefined || first > last.end) ranges.push({ first, end })
  else if (end > last.end) ranges[ranges.length - 1] = { first: last.first, end }
}

/** Both rise; so does the result. */
function union(one: readonly FinishedRange[], other: readonly FinishedRange[]): FinishedRange[] {
  const joined: FinishedRange[] = []
  const rising = [...one, ...other].toSorted((a, b) => (a.first < b.first ? -1 : a.first > b.first ? 1 : 0))
  for (const range of rising) join(joined, range)
  return joined
}

/** What one or the other knows to be finished; failures are those of the first. */
export function joined(one: FinishedBeyond | undefined, other: FinishedBeyond | undefined): FinishedBeyond | undefined {
  if (one === undefined || other === undefined) return one ?? other
  const leaderEpoch = Math.max(one.leaderEpoch ?? -1, other.leaderEpoch ?? -1)
  return { ...one, ranges: union(one.ranges, other.ranges), leaderEpoch }
}
