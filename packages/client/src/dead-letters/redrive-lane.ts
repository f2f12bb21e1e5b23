/**
 * Messages of dead letters that come back to their group: read beside the mQ ID, handed to the same handler.
 *
 * RL1. Only this group reads them: other groups of the mQ ID never see a message again that they handled.
 * RL2. The handler is given the message as it was: mQ ID, epoch, partition, offset, time, key, value bytes, headers.
 * RL3. They come late, one at a time, and beside newer messages of their keys.
 * RL4. The lane is read from when the binding names it, by every member of the group, and closed with its subscription.
 * RL5. A lane that ends by itself is opened again, with growing pauses: nobody else would notice that messages no longer come back.
 */
import {
  type Binding,
  type DeadLetterFacts,
  type Format,
  factsIn,
  parseDeadLetterFacts,
  REDRIVEN_HEADER,
} from '@mq/contract'
import { backoffMs, type Deps, pause, type RecordHeader } from '@mq/kafka'
import type { Subscription } from '../api/types.ts'
import type { Logger } from '../base/logger.ts'
import type { MessageHandler } from '../consume/message-handler.ts'
import { type MessageRecord, RecordMessage } from '../formats/message.ts'

const RETRY = { baseMs: 500, maxMs: 10_000 }

/** A record with the place and time it first had (RL2). */
class RedrivenRecord implements MessageRecord {
  readonly #facts: DeadLetterFacts
  readonly #record: MessageRecord
  readonly headers: readonly RecordHeader[]

  constructor(facts: DeadLetterFacts, record: MessageRecord, headers: readonly RecordHeader[]) {
    this.#facts = facts
    this.#record = record
    this.headers = headers
  }

  get topic(): string {
    return this.#facts.topic
  }

  get partition(): number {
    return this.#facts.partition
  }

  get offset(): bigint {
    return BigInt(this.#facts.offset)
  }

  get timestampMs(): number {
    return this.#facts.timestampMs
  }

  get redrives(): number {
    return this.#facts.redrives
  }

  get epoch(): number {
    return this.#facts.epoch
  }

  get key(): Buffer | null {
    return this.#record.key
  }

  get value(): Buffer | null {
    return this.#record.value
  }

  keyString(): string | null {
    return this.#record.keyString()
  }

  valueString(): string | null {
    return this.#record.valueString()
  }
}

/** @param onForeign a record that is no message of a dead letter was passed over */
export function asRedriven(
  source: { readonly id: string; readonly format: Format },
  next: MessageHandler,
  onForeign: (record: MessageRecord) => void,
): MessageHandler {
  /** One for each record, however often it is tried: a letter that waits is known by it. */
  const known = new WeakMap<MessageRecord, RedrivenRecord>()
  return (message, before, partition) => {
    const record = RecordMessage.recordOf(message)
    let redriven = known.get(record)
    if (redriven === undefined) {
      const found = factsIn(record.headers, REDRIVEN_HEADER, parseDeadLetterFacts)
      if (found === undefined) {
        onForeign(record)
        return undefined
      }
      redriven = new RedrivenRecord(found.facts, record, found.headers)
      known.set(record, redriven)
    }
    const origin = { id: source.id, epoch: redriven.epoch, format: source.format }
    return next(new RecordMessage(origin, redriven, message.attempt), before, partition)
  }
}

export interface RedriveLaneParts {
  readonly group: string
  readonly deps: Deps
  readonly logger: Logger
  /** @param onMade called with it before it is started, so that it can be closed meanwhile */
  open(id: string, onMade: (lane: Subscription) => void): Promise<unknown>
}

export class RedriveLane {
  readonly #parts: RedriveLaneParts
  readonly #closed = new AbortController()
  #id: string | undefined
  #lane: Subscription | undefined

  constructor(parts: RedriveLaneParts) {
    this.#parts = parts
  }

  follow(binding: Binding): void {
    const id = binding.groups?.[this.#parts.group]?.redrive
    if (id === undefined || id === this.#id || this.#closed.signal.aborted) return
    const before = this.#lane
    this.#id = id
    this.#lane = undefined
    void before?.close().catch(() => {})
    void this.#open(id)
  }

  async close(deadlineMs: number): Promise<void> {
    this.#closed.abort()
    await this.#lane?.close({ deadlineMs })
  }

  async #open(id: string): Promise<void> {
    const { deps, group, logger } = this.#parts
    const isOver = (): boolean => this.#closed.signal.aborted || this.#id !== id
    for (let failures = 1; !isOver(); failures++) {
      let openedMs: number | undefined
      try {
        let opened: Subscription | undefined
        await this.#parts.open(id, (lane) => {
          opened = lane
          if (isOver()) void lane.close().catch(() => {})
          else this.#lane = lane
        })
        openedMs = deps.clock.monotonicMs()
        // RL5: rejects when it ended by itself.
        await opened?.done
        return
      } catch (error) {
        if (isOver()) return
        // One that was read for a while did not fail again and again.
        if (openedMs !== undefined && deps.clock.monotonicMs() - openedMs > RETRY.maxMs) failures = 1
        if (failures === 3) {
          const message = `Group ${group} cannot read ${id}, through which dead letters come back, and goes on trying: ${String(error)}`
          logger.warn(message, { code: 'MQ_GROUP_FAILED', mqId: id, group })
        }
        await pause(deps, backoffMs(failures, deps.random, RETRY, 'full'), this.#closed.signal)
      }
    }
  }
}
