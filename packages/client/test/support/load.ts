/**
 * Steady keyed load on one mQ ID, and a group that reads it, both written down for the checker.
 */
import type { MqError } from '@mq/contract'
import type { HistoryEvent } from '@mq/testkit'
import type { Mq, Subscription } from '../../src/index.ts'

interface Event {
  readonly producer: string
  readonly n: number
}

const TICK_MS = 5
const SLOW_MS = 10

export class Load {
  readonly id: string
  readonly events: HistoryEvent[] = []
  sent = 0
  acked = 0
  failed = 0
  handled = 0
  /** Longest send. */
  longestMs = 0
  #running: Promise<void>[] = []
  #isOver = false

  constructor(id: string) {
    this.id = id
  }

  /** A producer whose keys are its own. */
  produce(mq: Mq, producer: string, perTick: number, keys = 40): void {
    const run = async (): Promise<void> => {
      for (let n = 0; !this.#isOver; ) {
        for (let burst = 0; burst < perTick; burst++) this.send(mq, producer, n++, keys)
        await new Promise((resolve) => setTimeout(resolve, TICK_MS))
      }
    }
    this.#running.push(run())
  }

  send(mq: Mq, producer: string, n: number, keys = 40, padding = ''): void {
    const key = `${producer}-${(n * 7) % keys}`
    const fromMs = performance.now()
    this.sent++
    this.events.push({ type: 'send', tUs: nowUs(), producer, n, key })
    mq.send(this.id, padding === '' ? { producer, n } : { producer, n, padding }, { key }).then(
      () => {
        this.acked++
        this.longestMs = Math.max(this.longestMs, performance.now() - fromMs)
        this.events.push({ type: 'ack', tUs: nowUs(), producer, n })
      },
      (error: MqError) => {
        this.failed++
        this.events.push({ type: 'nack', tUs: nowUs(), producer, n, code: error.code, ambiguous: true })
      },
    )
  }

  /** @param isSlow whether a record of that place takes the handler some milliseconds, or what it waits for */
  consume(
    mq: Mq,
    group: string,
    member: string,
    isSlow: (epoch: number, partition: number) => boolean | Promise<void> = () => false,
  ): Promise<Subscription> {
    return mq.consume<Event>(
      this.id,
      group,
      async ({ value: { producer, n }, key, epoch, partition, offset }) => {
        const slow = isSlow(epoch, partition)
        if (slow !== false) await (slow === true ? new Promise((resolve) => setTimeout(resolve, SLOW_MS)) : slow)
        this.handled++
        const place = { epoch, partition, offset: Number(offset) }
        this.events.push({ type: 'handle', tUs: nowUs(), group, member, producer, n, key, ...place })
      },
      { concurrency: 8 },
    )
  }

  noteSeal(epoch: number, endOffsets: readonly string[]): void {
    for (const [partition, end] of endOffsets.entries()) {
      this.events.push({ type: 'seal', tUs: nowUs(), epoch, partition, offset: Number(end) })
    }
  }

  /** Stops sending. */
  async end(): Promise<void> {
    this.#isOver = true
    await Promise.all(this.#running)
  }
}

function nowUs(): number {
  return Math.round(performance.now() * 1_000)
}
