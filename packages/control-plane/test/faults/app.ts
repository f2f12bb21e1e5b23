/**
 * An application of mQ that writes down what happens to it: sends keyed messages, handles them, or both.
 *
 * Run as a program it is one process that a test may stop, wake and kill. What it writes is on disk before the next thing
 * happens. Arguments: its options as JSON. It says `ready`, and ends when its standard input does.
 */
import { openSync, writeSync } from 'node:fs'
import { type ConnectOptions, connect, type Mq } from '@mq/client'
import type { MqError } from '@mq/contract'
import type { HistoryEvent } from '@mq/testkit'

export interface AppOptions {
  readonly url: string
  readonly id: string
  /** Of its messages, or of its member. */
  readonly name: string
  readonly produce?: { readonly perTick: number; readonly keys?: number; readonly everyMs?: number }
  readonly consume?: {
    readonly group: string
    readonly from?: 'earliest' | 'latest'
    /** How long a handler takes. */
    readonly slowMs?: number
    readonly concurrency?: number
    /** What every handler waits for, of an application in the process of the test. */
    readonly wait?: (partition: number) => Promise<void> | undefined
  }
}

interface Event {
  readonly producer: string | undefined
  readonly n: number
}

const TICK_MS = 10
/** On a busy machine a control plane takes its time to answer. */
const WAIT_MS = 120_000
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
/** One clock for all processes of the machine. */
export const nowUs = (): number => Number(process.hrtime.bigint() / 1_000n)

export class App {
  readonly mq: Mq
  readonly #options: AppOptions
  readonly #write: (event: HistoryEvent) => void
  #sending: Promise<void> | undefined
  #isOver = false
  #next = 0

  private constructor(mq: Mq, options: AppOptions, write: (event: HistoryEvent) => void) {
    this.mq = mq
    this.#options = options
    this.#write = write
  }

  static async start(
    options: AppOptions,
    write: (event: HistoryEvent) => void,
    connecting: Partial<ConnectOptions> = {},
  ): Promise<App> {
    const logger = { warn: () => {}, error: () => {} }
    const mq = await connect({
      url: options.url,
      app: 'faults',
      cacheDir: null,
      logger,
      waitMs: WAIT_MS,
      ...connecting,
    })
    const app = new App(mq, options, write)
    try {
      await app.#consume()
    } catch (error) {
      await app.halt()
      throw error
    }
    if (options.produce !== undefined) app.#sending = app.#produce(options.produce)
    return app
  }

  send(count: number): void {
    const { id, name, produce } = this.#options
    for (let sent = 0; sent < count; sent++) {
      const n = this.#next++
      const key = `${name}-${(n * 7) % (produce?.keys ?? 40)}`
      this.#write({ type: 'send', tUs: nowUs(), producer: name, n, key })
      this.mq.send(id, { producer: name, n } satisfies Event, { key }).then(
        () => this.#write({ type: 'ack', tUs: nowUs(), producer: name, n }),
        (error: MqError) =>
          this.#write({ type: 'nack', tUs: nowUs(), producer: name, n, code: error.code, ambiguous: true }),
      )
    }
  }

  /** Sends nothing more; resolves when everything sent is settled. */
  async endSending(): Promise<void> {
    this.#isOver = true
    await this.#sending
    await this.mq.flush()
  }

  /** Ends without waiting for what is not settled. */
  async halt(): Promise<void> {
    this.#isOver = true
    await this.mq.close({ deadlineMs: 3_000 }).catch(() => {})
  }

  async close(): Promise<void> {
    await this.endSending()
    await this.mq.close({ deadlineMs: 8_000 })
  }

  async #produce({ perTick, everyMs = TICK_MS }: NonNullable<AppOptions['produce']>): Promise<void> {
    while (!this.#isOver) {
      this.send(perTick)
      await pause(everyMs)
    }
  }

  async #consume(): Promise<void> {
    const { id, name, consume } = this.#options
    if (consume === undefined) return
    const { group, from = 'earliest', slowMs = 0, concurrency = 8, wait } = consume
    await this.mq.consume<Event>(
      id,
      group,
      async ({ value: { producer, n }, key, epoch, partition, offset }) => {
        // What others wrote to fill their buffers.
        if (producer === undefined) return
        // It counts when it ended, and is ordered by when it began.
        const tUs = nowUs()
        if (slowMs > 0) await pause(slowMs)
        await wait?.(partition)
        const place = { epoch, partition, offset: Number(offset) }
        this.#write({ type: 'handle', tUs, group, member: name, producer, n, key, ...place })
      },
      { from, concurrency },
    )
  }
}

if (import.meta.main) {
  const { file, ...options } = JSON.parse(process.argv[2]!) as AppOptions & { file: string }
  const descriptor = openSync(file, 'a')
  const app = await App.start(options, (event) => writeSync(descriptor, `${JSON.stringify(event)}\n`))
  process.stdout.write('ready\n')
  process.stdin.resume()
  process.stdin.on('end', () => {
    void app.close().then(() => process.exit(0))
  })
}
