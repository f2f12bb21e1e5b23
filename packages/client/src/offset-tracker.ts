/**
 * Which position of a partition may be committed while handlers finish in any order.
 *
 * O1. The position is the offset of the lowest record that is not finished; everything below it is finished.
 * O2. The position moves over holes and control records: a span that is wholly finished yields its `nextOffset`.
 * O3. The position never goes back.
 * O4. A record costs O(1) amortised, and one bit of memory only when it finished before an earlier one of its span.
 * O5. Spans are opened in the order they were fetched, and stand for one fetched batch each.
 */

/** Offsets of the records of one fetched batch. */
export interface SpanOffsets {
  readonly count: number
  /** Position after the batch, over control records and holes. */
  readonly nextOffset: bigint
  offsetAt(index: number): bigint
}

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
  #position: bigint
  #spans: Span[] = []
  #head = 0

  /** @param start where reading begins */
  constructor(start: bigint) {
    this.#position = start
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
    if (head?.touched) this.#advanceTo(head.position())
    return this.#position
  }

  /** Moves over the spans at the front that are done, and forgets them. */
  settle(): void {
    while (this.#head < this.#spans.length && this.#spans[this.#head]!.remaining === 0) {
      this.#advanceTo(this.#spans[this.#head]!.offsets.nextOffset)
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
}
