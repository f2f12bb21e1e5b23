/**
 * One handler on one mQ ID for one group, from `consume` until `close`.
 *
 * U1. At least once, in order per key: a message counts only when its handler ended without an error.
 * U2. `close` starts nothing more, lets running handlers end (bounded), commits, leaves the group.
 * U3. The subscription ends by itself only when it can never go on (mQ ID deleted, group refused), and then says so: in the
 *     log, and by rejecting `done`.
 */
import { type Binding, groupIdOf, MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { ClusterPool } from './cluster-pool.ts'
import type { MessageHandler } from './delivery.ts'
import { EpochReader, type StartAt } from './epoch-reader.ts'
import { HandlerFailures } from './handler-failures.ts'
import { KeyScheduler } from './key-scheduler.ts'
import type { Logger } from './logger.ts'
import { ConsumerMeter } from './meters.ts'
import { within } from './pause.ts'
import { kafkaPorts } from './reader-ports.ts'
import type { Telemetry } from './telemetry.ts'

const CLOSE_MS = 30_000
/** How long `consume` waits for the first assignment before it goes on in the background. */
const FIRST_ASSIGNMENT_MS = 15_000

export interface SubscriptionOptions {
  readonly mqId: string
  readonly group: string
  readonly handler: MessageHandler
  readonly concurrency: number
  readonly from: StartAt
  readonly clusters: ClusterPool
  readonly telemetry: Telemetry
  readonly deps: Deps
  readonly logger: Logger
  onClosed(subscription: Subscription): void
}

export class Subscription {
  readonly id: string
  readonly group: string
  /** Resolves when closed; rejects when the subscription had to end by itself (U3). */
  readonly done: Promise<void>
  readonly #options: SubscriptionOptions
  readonly #scheduler: KeyScheduler
  readonly #failures: HandlerFailures
  readonly #readers = new Map<number, EpochReader>()
  readonly #meters = new Map<number, ConsumerMeter>()
  #closing: Promise<void> | undefined
  #settle!: (error: MqError | undefined) => void

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.id = options.mqId
    this.group = options.group
    const { mqId, group, deps, logger, concurrency } = options
    this.#scheduler = new KeyScheduler({ concurrency, deps })
    this.#failures = new HandlerFailures({ mqId, group, deps, logger })
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    // Nobody has to listen: the log says it too.
    this.done.catch(() => {})
  }

  /** Messages between what was handled and the end of the stream; `null` while that is not known. */
  lag(): number | null {
    let lag = 0
    for (const reader of this.#readers.values()) {
      const part = reader.lagRecords()
      if (part === null) return null
      lag += part
    }
    return lag
  }

  /** Joins the group on every epoch that can be read. */
  async start(binding: Binding): Promise<void> {
    const started = Promise.all(this.#follow(binding).map((reader) => reader.start())).then(() => true)
    // A failure after the limit must not be an unhandled rejection: it reaches the log and `done` this way.
    started.catch((error: unknown) => this.fail(toMq(error)))
    if ((await within(this.#options.deps, FIRST_ASSIGNMENT_MS, started)) === true || this.#closing !== undefined) return
    const message = `Group ${this.group} of ${this.id} is not joined after ${FIRST_ASSIGNMENT_MS} ms and goes on trying`
    this.#options.logger.warn(message, { code: 'MQ_GROUP_FAILED', mqId: this.id, group: this.group })
  }

  /** A newer binding: settings take effect with the next fetch, new epochs are joined. */
  update(binding: Binding): void {
    if (this.#closing !== undefined) return
    if (binding.deleted) {
      this.fail(new MqError('MQ_ID_DELETED', `${this.id} was deleted; group ${this.group} stops reading it`))
      return
    }
    for (const reader of this.#readers.values()) reader.update(binding.consumer)
    for (const reader of this.#follow(binding)) reader.start().catch((error: unknown) => this.fail(toMq(error)))
  }

  /** Ends the subscription because it can never go on (U3). */
  fail(error: MqError): void {
    if (this.#closing !== undefined) return
    this.#options.logger.error(`Group ${this.group} stopped consuming ${this.id}: ${error.message}`, {
      code: error.code,
      mqId: this.id,
      group: this.group,
    })
    void this.#end(CLOSE_MS, error)
  }

  /** Lets running handlers end, commits, leaves the group (U2). */
  close(options: { readonly deadlineMs?: number } = {}): Promise<void> {
    return this.#end(options.deadlineMs ?? CLOSE_MS, undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #end(limitMs: number, error: MqError | undefined): Promise<void> {
    this.#closing ??= this.#close(limitMs).then(
      () => this.#settle(error),
      (closeError: unknown) => this.#settle(error ?? toMq(closeError)),
    )
    return this.#closing
  }

  async #close(limitMs: number): Promise<void> {
    try {
      await Promise.all([...this.#readers.values()].map((reader) => reader.close(limitMs)))
    } finally {
      this.#scheduler.stop()
      for (const meter of this.#meters.values()) this.#options.telemetry.removeConsumer(meter)
      this.#options.onClosed(this)
    }
  }

  /** Readers for the epochs that have none yet. */
  #follow(binding: Binding): EpochReader[] {
    const added: EpochReader[] = []
    for (const epoch of binding.epochs) {
      if (epoch.state === 'preparing' || epoch.state === 'lost' || this.#readers.has(epoch.epoch)) continue
      const address = binding.clusters.find((cluster) => cluster.name === epoch.cluster)!
      const { mqId, group, from, clusters, telemetry, deps, logger, handler } = this.#options
      const lagRecords = (): number | null => this.#readers.get(epoch.epoch)?.lagRecords() ?? null
      const meter = new ConsumerMeter({ mqId, group, epoch: epoch.epoch, lagRecords })
      const reader = new EpochReader({
        mqId,
        group,
        groupId: groupIdOf(mqId, group),
        epoch,
        from,
        settings: binding.consumer,
        ports: kafkaPorts(clusters.get(address)),
        scheduler: this.#scheduler,
        meter,
        deps,
        logger,
        context: {
          origin: { id: mqId, epoch: epoch.epoch, format: binding.format },
          ordered: binding.ordering === 'key',
          handler,
          meter,
          nowMs: () => deps.clock.nowMs(),
          onFailed: (record, attempt, error) => {
            meter.handlerFailed()
            return this.#failures.failed(record, attempt, error)
          },
        },
        onFatal: (error) => this.fail(error),
      })
      telemetry.addConsumer(meter)
      this.#meters.set(epoch.epoch, meter)
      this.#readers.set(epoch.epoch, reader)
      added.push(reader)
    }
    return added
  }
}

function toMq(error: unknown): MqError {
  return error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error })
}
