/**
 * What an application or a tool may do with the dead letters of one group: the interface behind `mq.deadLetters(id, group)`.
 */
import type { DeadLetterFacts } from '@mq/contract'
import type { RecordHeader } from '@mq/kafka/types'

export interface DeadLetterFilter {
  readonly key?: string
  /** Part of class, code, kind or message of the last error, in any case. */
  readonly reason?: string
  /** Given up at this time or later, milliseconds since 1970. */
  readonly sinceMs?: number
  /** Given up before this time. */
  readonly untilMs?: number
  /** Names of letters. */
  readonly letters?: readonly string[]
  readonly limit?: number
}

export interface DeadLetterView {
  /** Its name. */
  readonly letter: string
  readonly facts: DeadLetterFacts
  readonly key: Uint8Array | null
  /** As it was sent. */
  readonly valueBytes: Uint8Array | null
  readonly headers: readonly RecordHeader[]
}

export interface ActOptions {
  /** Who asks, for the journal; the name of the application when left out. */
  readonly by?: string
  readonly signal?: AbortSignal
  onProgress?(done: number, of: number): void
}

export interface RedriveOptions extends ActOptions {
  readonly ratePerSecond?: number
  /** Also what was handed out again too often (DB3). */
  readonly force?: boolean
}

export interface Acted {
  /** Letters it was done to. */
  readonly done: number
  /** Letters that were passed over because they were handed out again too often. */
  readonly tooOften: number
  /** Letters chosen and not come to, because the signal fired. */
  readonly left: number
}

export interface DeadLetterBox {
  /** What is kept and chosen, oldest first; facts only. */
  list(filter?: DeadLetterFilter, signal?: AbortSignal): Promise<DeadLetterFacts[]>
  /** The letters themselves. */
  show(filter?: DeadLetterFilter, signal?: AbortSignal): AsyncIterable<DeadLetterView>
  /** Hands messages to their group again, and to no other. Run it again when it was broken off: it goes on where it was. */
  redrive(filter?: DeadLetterFilter, options?: RedriveOptions): Promise<Acted>
  /** Lets letters go: they are passed over from now on, and removed when their retention is over. */
  discard(filter?: DeadLetterFilter, options?: ActOptions): Promise<Acted>
}
