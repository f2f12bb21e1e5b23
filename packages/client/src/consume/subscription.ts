/**
 * One handler on one mQ ID for one group, from `consume` until `close`.
 *
 * U1. At least once, in order per key: a message counts only when its handler ended without an error.
 * U2. `close` starts nothing more, lets running handlers end (bounded), commits, leaves the group. Handlers that run even then get a
 *     signal.
 * U3. The subscription ends by itself only when it can never go on (mQ ID deleted, an error that is final: final-errors.ts in
 *     packages/kafka), and then says so: in the log, and by rejecting `done`. Missing rights, wrong credentials, a topic that is gone are
 *     said and waited out.
 * U4. There is one reader for each live epoch, all under the same group. What was sent later is handed out later: partitions of a
 *     newer epoch wait at their gates (gates.ts), and a reader leaves when its epoch is read to the end or gone.
 * U5. A group that is new begins at the oldest live epoch, or where it asked to (start-positions.ts); a group that has a position
 *     anywhere begins newer epochs at their start.
 * U7. While the binding holds its group (hold-follower.ts) it is not in it: it leaves as a close does, and joins as a new subscription does.
 *     A handler that has not ended by then counts for nothing: its message is handed out again where the group then stands.
 * U6. A trial that names this process reaches its readers with their next fetch, and leaves them likewise: no rejoining, no gap.
 */
import { type Binding, type Epoch, type GroupHold, groupIdOf, MqError, settingsFor } from '@mq/contract'
import { backoffMs, type Deps, fateOf, isFinal, pause, withinOrUndefined } from '@mq/kafka'
import type { CloseOptions, RunningMessage, Subscription } from '../api/types.ts'
import type { Logger } from '../base/logger.ts'
import { optionsProblem } from '../base/options.ts'
import { type GivingUpParts, givingUp } from '../dead-letters/giving-up.ts'
import type { ClusterPool } from '../epochs/cluster-pool.ts'
import { NotAnAttempt } from '../epochs/delivery.ts'
import { Gates } from '../epochs/gates.ts'
import { HoldFollower } from '../epochs/hold-follower.ts'
import { FREE, KeyScheduler, keyHashText } from '../epochs/key-scheduler.ts'
import { EpochReader } from '../epochs/reader.ts'
import { kafkaPorts, kafkaPositions, type PositionPort } from '../epochs/reader-ports.ts'
import { StartPositions } from '../epochs/start-positions.ts'
import { RecordMessage } from '../formats/message.ts'
import { Arrivals } from '../telemetry/arrivals.ts'
import { ConsumerMeter } from '../telemetry/consumer-meter.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { CLOSE_OPTIONS } from './closing.ts'
import { HandlerFailures } from './handler-failures.ts'
import { type ContextHandler, limited } from './handler-limit.ts'
import { HandlerWatch } from './handler-watch.ts'
import type { MessageHandler } from './message-handler.ts'
import { StallWatch } from './stall-watch.ts'

const CLOSE_MS = 20_000
/** How long `consume` waits for the first assignment before it goes on in the background. */
const FIRST_ASSIGNMENT_MS = 15_000
/** How long handlers have to end when the group is held (U7); the control plane waits longer. */
const LEAVE_MS = 15_000
const RETRY = { baseMs: 200, maxMs: 5_000 }
/** A process that did nothing for longer may have slept. */
const STANDSTILL_MS = 20

export interface SubscriptionOptions {
  readonly mqId: string
  readonly group: string
  /** This process, as a trial names it. */
  readonly instance: string
  readonly handler: ContextHandler
  /** After this long a handler gets a signal; never when left out. */
  readonly handlerTimeoutMs?: number | undefined
  readonly concurrency: number
  /** Where a group begins that has no position yet. */
  readonly from: 'earliest' | 'latest' | Date
  readonly clusters: ClusterPool
  readonly telemetry: Telemetry
  readonly deps: Deps
  readonly logger: Logger
  /** What becomes of messages that fail; they are handed out for ever when left out. */
  readonly givingUp?: Pick<GivingUpParts, 'app' | 'letters' | 'policy'>
  /** Makes of each record what the handler is given; the record itself when left out. */
  readonly through?: (next: MessageHandler) => MessageHandler
  /** Closed together with this one. */
  readonly beside?: { close(deadlineMs: number): Promise<void> }
  onClosed(subscription: GroupSubscription): void
}

export class GroupSubscription implements Subscription {
  readonly id: string
  readonly group: string
  /** U3 */
  readonly done: Promise<void>
  readonly #options: SubscriptionOptions
  readonly #scheduler: KeyScheduler
  readonly #failures: HandlerFailures
  readonly #watch: HandlerWatch
  readonly #stalls: StallWatch
  readonly #handler: MessageHandler
  /** Fires when running handlers were waited for long enough (U2). */
  readonly #over = new AbortController()
  readonly #readers = new Map<number, EpochReader>()
  readonly #meters = new Map<number, ConsumerMeter>()
  readonly #gates: Gates
  readonly #arrivals: Arrivals
  readonly #hold: HoldFollower
  /** U5; undefined when it begins at the earliest record. */
  readonly #startPositions: StartPositions | undefined
  #binding: Binding | undefined
  #isBegun = false
  #hasSaidKept = false
  #lastTurnMs = Number.NEGATIVE_INFINITY
  #closing: Promise<void> | undefined
  #settle!: (error: MqError | undefined) => void

  constructor(options: SubscriptionOptions) {
    this.#options = options
    this.id = options.mqId
    this.group = options.group
    const { mqId, group, deps, logger, concurrency } = options
    this.#scheduler = new KeyScheduler({
      concurrency,
      deps,
      onTurn: () => {
        const nowMs = deps.clock.monotonicMs()
        const stoodMs = nowMs - this.#lastTurnMs
        this.#lastTurnMs = nowMs
        // As long as the process runs, timers end a session in time.
        if (stoodMs > STANDSTILL_MS) for (const reader of this.#readers.values()) reader.check()
      },
    })
    const policy = options.givingUp?.policy
    this.#failures = new HandlerFailures({ mqId, group, deps, logger, ...(policy === undefined ? {} : { policy }) })
    this.#watch = new HandlerWatch({ mqId, group, scheduler: this.#scheduler, deps, logger })
    this.#stalls = new StallWatch({
      mqId,
      group,
      deps,
      logger,
      running: () => this.#scheduler.running,
      parked: () => this.#scheduler.parked,
      unfinished: () => this.unfinished(),
      isBehind: () => [...this.#readers.values()].some((reader) => reader.isBehind),
    })
    this.#handler = this.#composed()
    this.#gates = new Gates({
      mqId,
      group,
      deps,
      logger,
      positions: (epoch) => this.#positionsOf(epoch).positions(groupIdOf(mqId, group), epoch.topic),
      isWaiting: () => [...this.#readers.values()].some((reader) => reader.isWaiting),
      // Not at once: it is said in the middle of an assignment or a commit.
      onChange: () => queueMicrotask(() => this.#onGates()),
    })
    this.#startPositions = this.#startPositionsFor(options.from)
    this.#arrivals = new Arrivals(deps.clock, (gap) => options.telemetry.consumerMigrated({ mqId, group, ...gap }))
    this.#hold = new HoldFollower({
      ...{ group, deps },
      leave: (hold) => this.#leaveGroup(hold),
      comeBack: () => this.#begin(),
      onError: (error) => this.fail(toMq(error)),
    })
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error))
    })
    // Nobody has to listen: the log says it too.
    this.done.catch(() => {})
  }

  /** The handler with its limits and with what becomes of messages that fail. */
  #composed(): MessageHandler {
    const { group, deps, through, givingUp: given, handler, handlerTimeoutMs } = this.#options
    const own = limited(handler, this.#over.signal, handlerTimeoutMs, deps)
    if (given === undefined) return through === undefined ? own : through(own)
    const careful = givingUp(own, {
      ...given,
      group,
      deps,
      isOver: () => this.#over.signal.aborted,
      onLastFailure: (message, error) => {
        this.#anyMeter(message.epoch)?.handlerFailed()
        this.#failures.gaveUp({ partition: message.partition, offset: BigInt(message.offset) }, message.attempt, error)
      },
      onGivenUp: (message) => this.#anyMeter(message.epoch)?.deadLettered(),
    })
    return through === undefined ? careful : through(careful)
  }

  /** Of the epoch; of a message that came back as a dead letter, that of the way it came. */
  #anyMeter(epoch: number): ConsumerMeter | undefined {
    return this.#meters.get(epoch) ?? [...this.#meters.values()].at(-1)
  }

  lag(): number | null {
    const parts = [...this.#readers.values()].filter((reader) => reader.isAssigned).map((reader) => reader.lagRecords())
    if (parts.length === 0) return null
    return parts.reduce((sum, part) => (sum === null || part === null ? null : sum + part), 0)
  }

  /** Messages whose handlers run. */
  stillRunning(): RunningMessage[] {
    return this.#scheduler.handlers().map(({ batch, index }) => {
      const { partition, offset } = batch.describe(index)
      return { id: this.id, group: this.group, partition, offset: String(offset) }
    })
  }

  unfinished(): number {
    return [...this.#readers.values()].reduce((sum, reader) => sum + reader.unfinishedRecords(), 0)
  }

  /** Joins the group on every epoch that can be read. */
  async start(binding: Binding): Promise<void> {
    this.#binding = binding
    this.#hold.update(binding.holds)
    // A failure after the limit reaches the log and `done`.
    const started = this.#hold.join().then(() => true)
    started.catch(() => {})
    const isStarted = await withinOrUndefined(this.#options.deps, FIRST_ASSIGNMENT_MS, started)
    if (isStarted === true || this.#closing !== undefined) return
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
    this.#binding = binding
    this.#arrivals.apply(binding)
    this.#hold.update(binding.holds)
    if (!this.#isBegun) return
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

  /** U2 */
  close(options: CloseOptions = {}): Promise<void> {
    const ended = this.#end(options.deadlineMs ?? CLOSE_MS, undefined)
    // Whatever is wrong with its options: what is to end ends.
    const problem = optionsProblem('close', options, CLOSE_OPTIONS)
    return problem === undefined ? ended : ended.then(() => Promise.reject(problem))
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
    const { timers } = this.#options.deps
    const what = `The subscription of group ${this.group} to ${this.id} was closed, and waits no longer for handlers`
    const timer = timers.setTimeout(() => this.#over.abort(new MqError('MQ_CLOSED', what)), limitMs)
    try {
      // Nothing more is started from this moment on (U2); a group that was just joining again may bring a reader still.
      const leaving = Promise.all([
        this.#gates.close(),
        this.#closeReaders(limitMs),
        this.#options.beside?.close(limitMs),
      ])
      leaving.catch(() => {})
      await withinOrUndefined(this.#options.deps, limitMs, this.#hold.close())
      await leaving
      await this.#closeReaders(limitMs)
    } finally {
      timers.clearTimeout(timer)
      // Whoever runs still was waited for until the end.
      if (this.#scheduler.running > 0) this.#over.abort(new MqError('MQ_CLOSED', what))
      this.#watch.close()
      this.#stalls.close()
      this.#scheduler.stop()
      for (const meter of this.#meters.values()) this.#options.telemetry.removeConsumer(meter)
      this.#options.onClosed(this)
    }
  }

  async #closeReaders(limitMs: number): Promise<void> {
    await Promise.all(Array.from(this.#readers.values(), (reader) => reader.close(limitMs)))
  }

  /** Joins what can be read, once it is known where the group stands. */
  async #begin(): Promise<void> {
    const { deps, logger } = this.#options
    const isAsked = (): boolean => isMoving(this.#binding!) || this.#startPositions !== undefined
    for (let failures = 1; this.#closing === undefined && !this.#hold.isHeld && isAsked(); failures++) {
      try {
        await this.#findPlace(this.#binding!)
        break
      } catch (error) {
        const problem = toMq(error)
        if (isFinal(problem)) throw problem
        if (failures % 5 === 0 || (failures === 1 && fateOf(problem).by === 'person')) {
          const message = `Group ${this.group} of ${this.id} waits to hear where it stands: ${problem.message}. ${problem.action}`
          logger.warn(message, { code: problem.code, mqId: this.id, group: this.group })
        }
        await pause(deps, backoffMs(failures, deps.random, RETRY, 'full'))
      }
    }
    if (this.#closing !== undefined || this.#hold.isHeld) return
    this.#isBegun = true
    await Promise.all(this.#follow(this.#binding!).map((reader) => reader.start()))
  }

  #startPositionsFor(from: SubscriptionOptions['from']): StartPositions | undefined {
    if (from === 'earliest') return undefined
    const point = from === 'latest' ? from : { timestampMs: from.getTime() }
    const groupId = groupIdOf(this.id, this.group)
    return new StartPositions({ groupId, point, positionsOf: (epoch) => this.#positionsOf(epoch) })
  }

  /** U5 */
  async #findPlace(binding: Binding): Promise<void> {
    const start = this.#startPositions
    const found = start?.find(binding)
    // Of a group that has positions nobody needs it.
    found?.catch(() => {})
    this.#gates.apply(binding.epochs, binding.ordering)
    if (await this.#gates.load()) {
      start?.groupHasPositions()
      const { from } = this.#options
      if (from instanceof Date) this.#sayKept(from)
      return
    }
    if (start === undefined) return
    await found
    await start.commit(binding)
    await this.#gates.load()
  }

  #sayKept(from: Date): void {
    if (this.#hasSaidKept) return
    this.#hasSaidKept = true
    const message = `Group ${this.group} of ${this.id} has positions and goes on from them; from (${from.toISOString()}) counts for a new group only. mq group reset moves it`
    this.#options.logger.warn(message, { code: 'MQ_GROUP_KEPT', mqId: this.id, group: this.group })
  }

  /** U7 */
  async #leaveGroup(hold: GroupHold): Promise<void> {
    const { telemetry, logger, mqId, group } = this.#options
    const message = `Group ${group} of ${mqId} is left for a moment: change ${hold.change} moves its positions`
    logger.warn(message, { code: 'MQ_GROUP_HELD', mqId, group })
    this.#isBegun = false
    // What is known of positions is worth nothing after it, and nobody follows them meanwhile.
    this.#gates.apply([], this.#binding!.ordering)
    const [readers, meters] = [[...this.#readers.values()], [...this.#meters.values()]]
    await Promise.all(readers.map((reader) => reader.close(LEAVE_MS)))
    this.#readers.clear()
    this.#meters.clear()
    for (const meter of meters) telemetry.removeConsumer(meter)
  }

  #positionsOf(epoch: Epoch): PositionPort {
    const address = this.#binding!.clusters.find((cluster) => cluster.name === epoch.cluster)
    if (address === undefined)
      throw new MqError('MQ_BINDING_INVALID', `No address of the cluster ${epoch.cluster} is known`)
    return kafkaPositions(this.#options.clusters.get(address))
  }

  #onGates(): void {
    if (this.#closing !== undefined) return
    for (const reader of this.#readers.values()) reader.recheck()
    for (const epoch of this.#readers.keys()) if (this.#gates.isDone(epoch)) this.#leave(epoch)
  }

  /** Ends the reader of one epoch; the others go on. */
  #leave(epoch: number): void {
    const reader = this.#readers.get(epoch)
    const meter = this.#meters.get(epoch)
    this.#readers.delete(epoch)
    this.#meters.delete(epoch)
    reader
      ?.close(CLOSE_MS)
      .catch((error: unknown) => {
        const problem = toMq(error)
        const message = `Group ${this.group} could not leave epoch ${epoch} of ${this.id} in order: ${problem.message}`
        this.#options.logger.warn(message, { code: problem.code, mqId: this.id, group: this.group })
      })
      .finally(() => {
        if (meter !== undefined) this.#options.telemetry.removeConsumer(meter)
      })
  }

  /** Called before the epoch is forgotten. What cannot be asked any more counts as not read. */
  async #sayUnlessRead(number: number): Promise<void> {
    if (await this.#gates.isRead(number).catch(() => false)) return
    const message = `Epoch ${number} of ${this.id} is gone before group ${this.group} had read all of it`
    this.#options.logger.error(message, { code: 'MQ_OFFSET_LOST', mqId: this.id, group: this.group })
  }

  /** Leaves the epochs that are over, and makes readers for those that have none yet. */
  #follow(binding: Binding): EpochReader[] {
    const live = binding.epochs.filter(({ state }) => state !== 'lost')
    // U6
    const { consumer: settings, trial } = settingsFor(binding, this.#options.instance)
    const wasRead = new Set([...this.#readers.keys()].filter((epoch) => this.#gates.isDone(epoch)))
    for (const number of this.#readers.keys()) {
      const epoch = live.find((one) => one.epoch === number)
      if (epoch !== undefined) {
        this.#readers.get(number)!.update(settings, epoch)
        this.#meters.get(number)!.use(settings, trial)
        continue
      }
      if (!wasRead.has(number) && binding.epochs[0] !== undefined && number < binding.epochs[0].epoch) {
        void this.#sayUnlessRead(number)
      }
      this.#leave(number)
    }
    this.#gates.apply(binding.epochs, binding.ordering)
    this.#onGates()
    const added: EpochReader[] = []
    for (const epoch of live) {
      if (this.#readers.has(epoch.epoch) || this.#gates.isDone(epoch.epoch)) continue
      const address = binding.clusters.find((cluster) => cluster.name === epoch.cluster)!
      const { mqId, group, clusters, telemetry, deps, logger } = this.#options
      const lagRecords = (): number | null => this.#readers.get(epoch.epoch)?.lagRecords() ?? null
      const { clock } = deps
      const failingRecords = (): number => this.#readers.get(epoch.epoch)?.failingRecords() ?? 0
      const unfinishedRecords = (): number => this.#readers.get(epoch.epoch)?.unfinishedRecords() ?? 0
      const of = { mqId, group, epoch: epoch.epoch }
      const levels = { lagRecords, failingRecords, unfinishedRecords }
      const meter = new ConsumerMeter({ ...of, clock, settings, trial, ...levels })
      const origin = { id: mqId, epoch: epoch.epoch, format: binding.format }
      const handler = this.#handler
      const reader = new EpochReader({
        mqId,
        group,
        groupId: groupIdOf(mqId, group),
        epoch,
        startOffsets: this.#startPositions?.of(epoch.epoch) ?? new Map(),
        settings,
        ports: kafkaPorts(clusters.get(address)),
        scheduler: this.#scheduler,
        meter,
        deps,
        logger,
        context: {
          ordered: binding.ordering === 'key',
          handler: (record, attempt, before, partition) =>
            handler(new RecordMessage(origin, record, attempt), before, partition),
          meter,
          nowMs: () => deps.clock.nowMs(),
          onFailed: (record, hash, attempt, error) => {
            const keyHash = hash === FREE ? null : keyHashText(hash)
            if (!(error instanceof NotAnAttempt)) meter.recordFailed(record, keyHash, attempt, error)
            return this.#failures.failed(record, keyHash, attempt, error)
          },
        },
        onThrottled: (throttleMs) => clusters.quotas.throttled(epoch.cluster, 'reads', throttleMs),
        onArrival: () => this.#arrivals.arrived(epoch.epoch),
        isOpen: (partition) => this.#gates.isOpen(epoch.epoch, partition),
        onPosition: (partition, position) => this.#gates.committed(epoch.epoch, partition, position),
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

/** Whether there is more than one place where a group may stand. */
function isMoving(binding: Binding): boolean {
  return binding.epochs.length > 1
}
