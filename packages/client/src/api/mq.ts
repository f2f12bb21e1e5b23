/**
 * A connection to mQ: everything an application does goes through it.
 *
 * A1. `send` resolves when the record is durable under the intent of its mQ ID, to the receipt of its batch; it is never async
 *     inside, so that a send costs its encoding and little more.
 * A2. Memory is bounded for all mQ IDs together; a full buffer makes sends wait, then refuses them, and never drops one.
 * A3. `close` settles every send or says how many it could not, ends every subscription, and leaves nothing running.
 */
import { type Binding, DEAD_LETTER_HEADER_BYTES, type Epoch, isSideId, MqError, Name } from '@mq/contract'
import { type Deps, type MemoryBudget, type Receipt, withinOrUndefined } from '@mq/kafka'
import type { Logger } from '../base/logger.ts'
import { checkOptions, type OptionNames, optionsProblem } from '../base/options.ts'
import { refused } from '../base/refused.ts'
import type { BindingCache } from '../bindings/cache.ts'
import type { ControlPlaneClient } from '../bindings/control-plane-client.ts'
import type { BindingSource } from '../bindings/source.ts'
import type { BindingStore } from '../bindings/store.ts'
import { CLOSE_OPTIONS, closeInTurn, leftBehind } from '../consume/closing.ts'
import { groupState } from '../consume/group-state.ts'
import type { ContextHandler } from '../consume/handler-limit.ts'
import { checkRule, policyOf, ruleOf } from '../consume/retry-policy.ts'
import { GroupSubscription, type SubscriptionOptions } from '../consume/subscription.ts'
import { DeadLetterAccess } from '../dead-letters/access.ts'
import { asRedriven, RedriveLane } from '../dead-letters/redrive-lane.ts'
import type { DeadLetterBox } from '../dead-letters/types.ts'
import type { ClusterPool } from '../epochs/cluster-pool.ts'
import type { SealProver } from '../epochs/seal-prover.ts'
import { SendFailures } from '../epochs/send-failures.ts'
import { EpochWriter } from '../epochs/writer.ts'
import { RecordMessage } from '../formats/message.ts'
import type { Schema } from '../formats/schema.ts'
import { OpenReading, READ_OPTIONS } from '../read/log-reading.ts'
import { kafkaLogPorts, type LogPorts } from '../read/ports.ts'
import { IdSender } from '../send/id-sender.ts'
import { sendMany } from '../send/send-many.ts'
import type { Shadow } from '../telemetry/shadow.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { idProblem, queueOf } from './queue.ts'
import type {
  CloseOptions,
  CloseResult,
  ConsumeOptions,
  GroupState,
  Handler,
  LogReading,
  MqConnection,
  OutgoingMessage,
  Queue,
  ReadOptions,
  ReceivedMessage,
  SendOptions,
  Subscription,
} from './types.ts'

/** Shorter than the 30 s that a container usually gets. */
const CLOSE_MS = 20_000
/** What the last report has at least, also when all the time is over. */
const LAST_REPORT_MS = 250
const MOST_FAILURE_LOGS = 1_000
/** How long `consume` waits for a first binding before it says that the control plane is away. */
const FIRST_BINDING_MS = 5_000

export const CONSUME_OPTIONS: OptionNames<ConsumeOptions> = {
  concurrency: true,
  from: true,
  signal: true,
  handlerTimeoutMs: true,
  onPoison: true,
  retry: true,
  deadLetter: true,
}

export interface MqParts {
  readonly app: string
  /** This process, as telemetry and trials name it. */
  readonly instance: string
  /** Undefined when codecs are not to be measured. */
  readonly shadow: Shadow | undefined
  readonly store: BindingStore
  readonly source: BindingSource
  readonly controlPlane: Pick<ControlPlaneClient, 'ensureSide' | 'noteDeadLetters'>
  readonly prover: SealProver
  readonly cache: BindingCache | undefined
  readonly clusters: ClusterPool
  readonly telemetry: Telemetry
  readonly budget: MemoryBudget
  readonly sendDeadlineMs: number
  readonly deps: Deps
  readonly logger: Logger
}

export class MqClient implements MqConnection {
  readonly #parts: MqParts
  readonly #deadLetters: DeadLetterAccess
  readonly #senders = new Map<string, IdSender>()
  /** Of mQ IDs of mQ's own, which an application cannot send to. */
  readonly #sideSenders = new Map<string, IdSender>()
  readonly #subscriptions = new Set<GroupSubscription>()
  readonly #readings = new Set<OpenReading>()
  readonly #failures = new Map<string, SendFailures>()
  #closing: Promise<CloseResult> | undefined

  /** Use `connect`. */
  constructor(parts: MqParts) {
    this.#parts = parts
    this.#deadLetters = new DeadLetterAccess({
      ...parts,
      send: (id, value, options) => this.#sideSender(id).send(value, options),
      read: (id, options) => this.#read(id, options),
    })
  }

  send(id: string, value: unknown, options?: SendOptions): Promise<Receipt> {
    const sender = this.#senders.get(id)
    if (sender !== undefined) return sender.send(value, options)
    const problem = this.#refusal(id)
    if (problem === undefined) return this.#open(id).send(value, options)
    this.#failuresOf(String(id).slice(0, 130)).failed(1, problem)
    return refused(problem)
  }

  sendMany(id: string, messages: Iterable<OutgoingMessage>): Promise<readonly Receipt[]> {
    return sendMany(id, messages, (value, options) => this.send(id, value, options))
  }

  async consume<T = unknown>(
    id: string,
    group: string,
    handler: Handler<T>,
    options: ConsumeOptions<T> = {},
  ): Promise<Subscription> {
    checkOptions('consume', options, CONSUME_OPTIONS)
    const problem = this.#refusal(id) ?? consumeProblem(group, handler, options)
    if (problem !== undefined) throw problem
    options.signal?.throwIfAborted()
    const rule = ruleOf(options.retry, options.deadLetter, options.onPoison)
    const { store } = this.#parts
    const binding = await this.#bindingOf(id)
    checkRule(binding.groups?.[group], rule)
    // It may have fired while the binding was looked up, and fires only once.
    options.signal?.throwIfAborted()
    let policy = policyOf((store.get(id) ?? binding).groups?.[group], rule)
    const letters = this.#deadLetters.writer(id, group)
    if (policy.attempts !== Number.POSITIVE_INFINITY) void letters.prepare()
    const onPoison = typeof options.onPoison === 'function' ? (options.onPoison as PoisonHandler) : undefined
    const givingUp = { app: this.#parts.app, letters, policy: () => policy }
    const handed = { handler: guarded(handler as ContextHandler, onPoison), givingUp }
    const lane = new RedriveLane({
      group,
      deps: this.#parts.deps,
      logger: this.#parts.logger,
      open: (laneId, onMade) => this.#subscribeLane(laneId, { id, group, binding, onMade }, options, handed),
    })
    const subscription = this.#subscribe(id, group, options, { ...handed, beside: lane })
    const stopListening = store.listen(id, (newer) => {
      policy = policyOf(newer.groups?.[group], rule)
      subscription.update(newer)
      lane.follow(newer)
    })
    const onAbort = (): void => void subscription.close()
    options.signal?.addEventListener('abort', onAbort, { once: true })
    const stop = (): void => {
      stopListening()
      options.signal?.removeEventListener('abort', onAbort)
    }
    subscription.done.then(stop, stop)
    this.#subscriptions.add(subscription)
    lane.follow(store.get(id) ?? binding)
    try {
      await subscription.start(store.get(id) ?? binding)
    } catch (error) {
      await subscription.close()
      throw error
    }
    return subscription
  }

  #subscribe(
    mqId: string,
    group: string,
    options: ConsumeOptions<never>,
    more: Pick<SubscriptionOptions, 'handler' | 'givingUp' | 'beside' | 'through'>,
  ): GroupSubscription {
    const { clusters, telemetry, deps, logger, instance } = this.#parts
    return new GroupSubscription({
      mqId,
      group,
      instance,
      handlerTimeoutMs: options.handlerTimeoutMs,
      concurrency: options.concurrency ?? 1,
      from: options.from ?? 'earliest',
      clusters,
      telemetry,
      deps,
      logger,
      ...more,
      onClosed: (closed) => void this.#subscriptions.delete(closed),
    })
  }

  /** The way on which dead letters come back to a group. */
  async #subscribeLane(
    laneId: string,
    source: { id: string; group: string; binding: Binding; onMade(lane: Subscription): void },
    options: ConsumeOptions<never>,
    handed: Pick<SubscriptionOptions, 'handler' | 'givingUp'>,
  ): Promise<void> {
    const { store, logger } = this.#parts
    const { group } = source
    const binding = await this.#parts.source.resolve(laneId)
    if (binding.deleted) throw new MqError('MQ_ID_DELETED', `${laneId} was deleted`)
    const through: SubscriptionOptions['through'] = (next) =>
      asRedriven({ id: source.id, format: source.binding.format }, next, ({ partition, offset }) =>
        logger.error(`${laneId} partition ${partition} offset ${offset} is no dead letter and was passed over`, {
          code: 'MQ_DECODE_FAILED',
          mqId: laneId,
          group,
        }),
      )
    const lane = this.#subscribe(
      laneId,
      group,
      { ...options, concurrency: 1, from: 'earliest' },
      { ...handed, through },
    )
    const stopListening = store.listen(laneId, (newer) => lane.update(newer))
    lane.done.then(stopListening, stopListening)
    source.onMade(lane)
    try {
      await lane.start(store.get(laneId) ?? binding)
    } catch (error) {
      await lane.close()
      throw error
    }
  }

  #sideSender(id: string): IdSender {
    return this.#sideSenders.get(id) ?? this.#open(id)
  }

  async read(id: string, options: ReadOptions = {}): Promise<LogReading> {
    checkOptions('read', options, READ_OPTIONS)
    const problem = this.#refusal(id)
    if (problem !== undefined) throw problem
    return this.#read(id, options)
  }

  deadLetters(id: string, group: string): DeadLetterBox {
    const problem = this.#refusal(id) ?? groupProblem(group)
    if (problem !== undefined) throw problem
    return this.#deadLetters.box(id, group)
  }

  async #read(id: string, options: ReadOptions): Promise<LogReading> {
    const { store, deps, logger } = this.#parts
    const binding = await this.#bindingOf(id)
    let stopListening = (): void => {}
    const reading = await OpenReading.start(
      {
        mqId: id,
        deps,
        logger,
        binding: () => store.get(id) ?? binding,
        portsFor: (epoch) => this.#logPorts(store.get(id) ?? binding, epoch),
        onClosed: (closed) => {
          this.#readings.delete(closed)
          stopListening()
        },
      },
      options,
    )
    stopListening = store.listen(id, () => reading.update())
    this.#readings.add(reading)
    return reading
  }

  async groupState(id: string, group: string): Promise<GroupState> {
    const problem = this.#refusal(id) ?? groupProblem(group)
    if (problem !== undefined) throw problem
    const binding = await this.#bindingOf(id)
    return groupState(binding, group, (epoch) => this.#logPorts(binding, epoch))
  }

  queue<T = unknown>(id: string): Queue<T, T>
  queue<Input, Output>(id: string, schema: Schema<Input, Output>): Queue<Input, Output>
  queue<Input, Output>(id: string, schema?: Schema<Input, Output>): Queue<Input, Output> {
    return queueOf(this, id, schema)
  }

  async flush(): Promise<void> {
    await Promise.all([...this.#senders.values(), ...this.#sideSenders.values()].map((sender) => sender.flush()))
  }

  close(options: CloseOptions = {}): Promise<CloseResult> {
    this.#closing ??= this.#close(options.deadlineMs ?? CLOSE_MS)
    // Whatever is wrong with its options: a process that is to end ends.
    const problem = optionsProblem('close', options, CLOSE_OPTIONS)
    return problem === undefined ? this.#closing : this.#closing.then(() => Promise.reject(problem))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(deadlineMs: number): Promise<CloseResult> {
    const endMs = this.#parts.deps.clock.monotonicMs() + deadlineMs
    const subscriptions = [...this.#subscriptions]
    const { source, prover, cache, clusters, telemetry, shadow, deps, logger } = this.#parts
    for (const reading of this.#readings) reading.close()
    const wait = (limitMs: number, promise: Promise<unknown>): Promise<unknown> =>
      withinOrUndefined(deps, limitMs, promise)
    let senders: [string, IdSender][] = []
    const unsettled = await closeInTurn(
      deps,
      deadlineMs,
      (handlersMs) => Promise.all(subscriptions.map((one) => one.close({ deadlineMs: handlersMs }))),
      (limitMs) => {
        // Handlers may have been the first to send somewhere.
        senders = [...this.#senders.entries(), ...this.#sideSenders.entries()]
        return Promise.all(senders.map(([, sender]) => sender.close(limitMs, wait)))
      },
    )
    await shadow?.close()
    const stillRunning = leftBehind(logger, subscriptions, this.#subscriptions)
    await telemetry.close(Math.max(LAST_REPORT_MS, endMs - deps.clock.monotonicMs()))
    await prover.close()
    await source.close()
    await clusters.close()
    await cache?.settled()
    const records = unsettled.reduce((sum, count) => sum + count, 0)
    if (records === 0) return { stillRunning }
    const perId = Object.fromEntries(
      senders.flatMap(([id], index) => (unsettled[index]! > 0 ? [[id, unsettled[index]!]] : [])),
    )
    const list = Object.entries(perId).map(([id, count]) => `${count} for ${id}`)
    throw new MqError(
      'MQ_CLOSE_INCOMPLETE',
      `${records} records were not acknowledged within ${deadlineMs} ms: ${list.join(', ')}`,
      { details: { records, perId, stillRunning } },
    )
  }

  /** The binding in force, waited for a moment. @throws MQ_CONTROL_PLANE_AWAY, MQ_ID_DELETED */
  async #bindingOf(id: string): Promise<Binding> {
    const { source, deps } = this.#parts
    const binding = await withinOrUndefined(deps, FIRST_BINDING_MS, source.resolve(id))
    if (binding === undefined) throw noBinding(id, source.problem(id), `after ${FIRST_BINDING_MS} ms`)
    if (binding.deleted) throw new MqError('MQ_ID_DELETED', `${id} was deleted`)
    if (this.#closing !== undefined) throw closedError()
    return binding
  }

  #logPorts(binding: Binding, epoch: Epoch): LogPorts {
    const address = binding.clusters.find((cluster) => cluster.name === epoch.cluster)!
    return kafkaLogPorts(this.#parts.clusters.get(address))
  }

  #failuresOf(id: string): SendFailures {
    const known = this.#failures.get(id)
    if (known !== undefined) return known
    const failures = new SendFailures(id, this.#parts.deps.clock, this.#parts.logger)
    // Ids that are none are not kept without end.
    if (this.#failures.size < MOST_FAILURE_LOGS) this.#failures.set(id, failures)
    return failures
  }

  #refusal(id: unknown): MqError | undefined {
    return this.#closing !== undefined ? closedError() : idProblem(id)
  }

  /** The first send to an mQ ID: sends wait in it until the binding is there. */
  #open(id: string): IdSender {
    const { source, prover, store, budget, deps, sendDeadlineMs, clusters, telemetry, logger, instance } = this.#parts
    const isSide = isSideId(id)
    const senders = isSide ? this.#sideSenders : this.#senders
    const shadow = isSide ? undefined : this.#parts.shadow?.collector(id)
    const sender = new IdSender({
      mqId: id,
      ...(isSide ? { extraHeaderBytes: DEAD_LETTER_HEADER_BYTES } : {}),
      budget,
      deps,
      deadlineMs: sendDeadlineMs,
      refetch: () => source.refresh(id),
      noBinding: () => noBinding(id, source.problem(id), 'yet'),
      onRefused: (error) => this.#failuresOf(id).failed(1, error),
      onSwitched: (move) => telemetry.producerMigrated({ mqId: id, ...move }),
      writerFor: (binding, epoch) => {
        const address = binding.clusters.find((cluster) => cluster.name === epoch.cluster)!
        const cluster = clusters.get(address)
        return new EpochWriter({
          mqId: id,
          epoch,
          binding,
          instance,
          shadow,
          cluster,
          budget,
          deps,
          logger,
          failures: this.#failuresOf(id),
          sendDeadlineMs,
          telemetry,
          clocks: clusters.clocks.of(epoch.cluster),
          onWrongClock: (ahead) => clusters.clocks.isWrong(epoch.cluster, ahead),
          onThrottled: (throttleMs) => clusters.quotas.throttled(epoch.cluster, 'writes', throttleMs),
          onSealed: (writer) => {
            prover.refused(id, writer.epoch)
            void sender.sealed(writer)
          },
        })
      },
    })
    senders.set(id, sender)
    telemetry.addHolder(() => {
      const holding = sender.holding()
      return holding && { mqId: id, ...holding }
    })
    const apply = (binding: Binding): void => {
      try {
        sender.apply(binding)
      } catch (error) {
        sender.refuse(asMq(error))
      }
    }
    const stopListening = store.listen(id, apply)
    const known = store.get(id)
    if (known !== undefined) {
      apply(known)
      return sender
    }
    // A refusal ends the sends that wait; the next send asks anew.
    source.resolve(id).catch((error: unknown) => {
      sender.refuse(asMq(error))
      if (this.#closing !== undefined) return
      senders.delete(id)
      stopListening()
    })
    return sender
  }
}

export type PoisonHandler = (message: ReceivedMessage, error: MqError) => unknown

/** The handler, with unusable messages led to the application's own hands. */
export function guarded(handler: ContextHandler, onPoison: PoisonHandler | undefined): ContextHandler {
  if (onPoison === undefined) return handler
  const rescue = (message: ReceivedMessage, error: unknown): unknown => {
    const poison = RecordMessage.poisonOf(message)
    if (poison === undefined) throw error
    return onPoison(message, poison)
  }
  return (message, context) => {
    try {
      const result = handler(message, context)
      return result instanceof Promise ? result.catch((error: unknown) => rescue(message, error)) : result
    } catch (error) {
      return rescue(message, error)
    }
  }
}

export function consumeProblem<T>(group: unknown, handler: unknown, options: ConsumeOptions<T>): MqError | undefined {
  const problem = groupProblem(group)
  if (problem !== undefined) return problem
  if (typeof handler !== 'function')
    return new MqError('MQ_OPTION_INVALID', `handler is of type ${typeof handler}, not a function`)
  const { concurrency = 1, from = 'earliest' } = options
  if (!Number.isSafeInteger(concurrency) || concurrency < 1 || concurrency > 10_000) {
    return new MqError('MQ_OPTION_INVALID', `concurrency is ${String(concurrency)}, not a whole number from 1 to 10000`)
  }
  const isTime = from instanceof Date && from.getTime() >= 0
  if (from !== 'earliest' && from !== 'latest' && !isTime) {
    return new MqError('MQ_OPTION_INVALID', `from is '${String(from)}', not 'earliest', 'latest' or a Date`)
  }
  const { handlerTimeoutMs = 1 } = options
  if (!Number.isFinite(handlerTimeoutMs) || handlerTimeoutMs <= 0 || handlerTimeoutMs > 0x7fff_ffff) {
    return new MqError('MQ_OPTION_INVALID', `handlerTimeoutMs is ${String(handlerTimeoutMs)}, not milliseconds above 0`)
  }
  return undefined
}

function groupProblem(group: unknown): MqError | undefined {
  if (Name.safeParse(group).success) return undefined
  return new MqError('MQ_NAME_INVALID', `'${String(group).slice(0, 200)}' is not a name for a group`)
}

/** The code is that of what is really wrong: a control plane that answers is not away. */
function noBinding(id: string, problem: MqError | undefined, when: string): MqError {
  const what = `There is no binding of ${id} ${when}, and none is cached`
  if (problem === undefined) return new MqError('MQ_CONTROL_PLANE_AWAY', `${what}: the control plane has not answered`)
  return new MqError(problem.code, `${what}: ${problem.message}`, { cause: problem, details: problem.details })
}

export function closedError(): MqError {
  return new MqError('MQ_CLOSED', 'The connection to mQ was closed')
}

function asMq(error: unknown): MqError {
  return error instanceof MqError ? error : new MqError('MQ_INTERNAL', String(error), { cause: error })
}
