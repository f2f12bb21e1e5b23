/**
 * One member of a consumer group: joins, holds its share of the partitions, commits, leaves.
 *
 *   new --start--> running --close--> closing --> closed
 *                  running --what cannot pass--> failed --close--> closed
 *
 * M1. A partition is given to `onAssigned` before it counts as ours, and to `onRevoked`, awaited, before the group hears it is free.
 * M2. Whoever is fenced, unknown or out of touch for a session gives everything to `onLost` and joins again by itself.
 * M3. Only what is final (final-errors.ts) ends the membership: everything lost, one `onError` that says so, `start` rejects if it
 *     waits. Everything else is tried again: rights that are taken away are given back.
 * M4. `close` hands back what is held, says goodbye and ends within `CLOSE_MS`; a partition whose `onRevoked` takes longer is
 *     not declared free: it goes on to others when the session ends.
 * M5. Under `auto`, a cluster that does not know the consumer protocol, or has it switched off, is met by the classic one.
 * M6. A session that ended while the process stood still is found out by `check`, before any timer fires: then M2 applies.
 */

import { MqError } from '@mq/contract'
import { backoffMs, type Deps, sleep, systemDeps, withinOrUndefined } from '@mq/contract/timing'
import { isFinal } from '../protocol/final-errors.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import type { IdentifiedPartition } from '../protocol/offset-requests.ts'
import * as requests from '../protocol/requests.ts'
import { ClassicProtocol } from './classic-protocol.ts'
import { ConsumerProtocol } from './consumer-protocol.ts'
import { Coordinator } from './coordinator.ts'
import { GroupOffsets } from './offsets.ts'
import { Ownership } from './ownership.ts'
import { pausesFor, TroubleReport } from './trouble.ts'
import type { CommitOffset, GroupOptions, GroupProtocol, Position, TopicPartition } from './types.ts'

const CLOSE_MS = 5_000

type State =
  | { readonly kind: 'new' }
  | { readonly kind: 'running'; readonly ended: Promise<void> }
  | { readonly kind: 'failed'; readonly ended: Promise<void> }
  | { readonly kind: 'closing'; readonly done: Promise<void> }

export class GroupMember {
  readonly #options: GroupOptions
  readonly #deps: Deps
  readonly #coordinator: Coordinator
  readonly #ownership: Ownership
  readonly #offsets: GroupOffsets
  readonly #stop = new AbortController()
  readonly #settled = Promise.withResolvers<void>()
  #protocol: GroupProtocol | undefined
  #state: State = { kind: 'new' }

  constructor(options: GroupOptions) {
    const { cluster, groupId, deps = systemDeps } = options
    if (groupId === '') throw new MqError('MQ_OPTION_INVALID', 'A group needs a name')
    if (options.topics.length === 0) throw new MqError('MQ_OPTION_INVALID', `Group ${groupId} is given no topic`)
    this.#options = options
    this.#deps = deps
    this.#coordinator = new Coordinator(cluster, groupId, deps)
    this.#ownership = new Ownership({
      onAssigned: (added) => options.onAssigned(added),
      onRevoked: (removed) => options.onRevoked(removed),
      onLost: (lost) => options.onLost(lost),
      onRevokeFailed: (error) =>
        options.onError(toMqError(error, `group ${groupId}: giving up partitions failed`), false),
    })
    this.#offsets = new GroupOffsets({
      cluster,
      groupId,
      instanceId: options.instanceId,
      coordinator: this.#coordinator,
      deps,
      identity: () => this.#protocol?.identity,
      owns: (topic, partition) => this.#ownership.owns(topic, partition),
      onDoubt: () => this.#protocol?.nudge(),
    })
    // Nobody has to wait for the first assignment.
    this.#settled.promise.catch(() => {})
  }

  /** Resolves once the first assignment, which may be empty, was taken over. */
  async start(): Promise<void> {
    if (this.#state.kind === 'new') this.#state = { kind: 'running', ended: this.#run() }
    await this.#settled.promise
  }

  assignment(): TopicPartition[] {
    return this.#ownership.owned()
  }

  /**
   * What can be committed is, also when it rejects.
   * @throws MqError MQ_GROUP_FENCED for partitions that are not ours any more, MQ_TOPIC_RECREATED for a topic that is not there any more
   */
  async commit(offsets: readonly CommitOffset[]): Promise<void> {
    await this.#offsets.commit(offsets)
  }

  /** By `topic:partition`; no entry for a partition without a committed offset. */
  async committed(partitions: readonly IdentifiedPartition[]): Promise<Map<string, bigint>> {
    const positions = await this.positions(partitions)
    return new Map([...positions].map(([name, { offset }]) => [name, offset]))
  }

  /** As `committed`, with what is finished beyond the offsets. */
  async positions(partitions: readonly IdentifiedPartition[]): Promise<Map<string, Position>> {
    return await this.#offsets.positions(partitions)
  }

  /** M6. Cheap: one look at the clock. */
  check(): void {
    this.#protocol?.check()
  }

  async close(): Promise<void> {
    if (this.#state.kind !== 'closing') this.#state = { kind: 'closing', done: this.#close(this.#state) }
    await this.#state.done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    try {
      this.#protocol = this.#make(await this.#choose(signal))
      await this.#runAs(signal)
    } catch (error) {
      if (signal.aborted) return
      await this.#fail(toMqError(error, `group ${this.#options.groupId} on cluster ${this.#options.cluster.name}`))
    }
  }

  async #runAs(signal: AbortSignal): Promise<void> {
    try {
      await this.#protocol?.run(signal)
    } catch (error) {
      const { code } = toMqError(error, `group ${this.#options.groupId}`)
      const isRefused = code === 'MQ_KAFKA_VERSION' && this.#protocol?.identity === undefined
      if (!isRefused || (this.#options.protocol ?? 'auto') !== 'auto' || signal.aborted) throw error
      // The request is known but switched off in the cluster (M5).
      this.#protocol = this.#make('classic')
      await this.#protocol.run(signal)
    }
  }

  async #choose(signal: AbortSignal): Promise<'consumer' | 'classic'> {
    const { protocol = 'auto', cluster, onError } = this.#options
    if (protocol !== 'auto') return protocol
    const trouble = new TroubleReport(this.#deps.clock, (error) => onError(error, false))
    for (let failures = 1; ; failures += 1) {
      try {
        const version = await requests.consumerGroupHeartbeat.find(await cluster.anyConnection('group'))
        return version === undefined ? 'classic' : 'consumer'
      } catch (error) {
        const problem = toMqError(error, `group ${this.#options.groupId}`)
        if (isFinal(problem)) throw problem
        trouble.report(problem)
        await sleep(this.#deps, backoffMs(failures, this.#deps.random, pausesFor(problem)), signal)
      }
    }
  }

  #make(protocol: 'consumer' | 'classic'): GroupProtocol {
    const Protocol = protocol === 'consumer' ? ConsumerProtocol : ClassicProtocol
    return new Protocol(this.#options, this.#coordinator, this.#ownership, this.#deps, {
      onSettled: () => this.#settled.resolve(),
      commitLate: (identity) => this.#offsets.commitAs(identity, this.#options.onRejoining?.() ?? []),
    })
  }

  async #fail(cause: MqError): Promise<void> {
    const error = cause.retryable ? new MqError('MQ_GROUP_FAILED', cause.message, { cause }) : cause
    if (this.#state.kind === 'running') this.#state = { kind: 'failed', ended: this.#state.ended }
    this.#ownership.loseAll()
    this.#settled.reject(error)
    this.#options.onError(error, true)
    await this.#leave(CLOSE_MS)
    this.#coordinator.close()
  }

  async #close(before: State): Promise<void> {
    const endMs = this.#deps.clock.monotonicMs() + CLOSE_MS
    if (before.kind === 'running') {
      const isReleased = await this.#inTime(endMs, this.#ownership.seal())
      this.#stop.abort()
      this.#coordinator.dropOwn()
      await this.#inTime(endMs, before.ended)
      if (isReleased) await this.#leave(Math.max(1, endMs - this.#deps.clock.monotonicMs()))
      else this.#ownership.loseAll()
    }
    if (before.kind === 'failed') await this.#inTime(endMs, before.ended)
    this.#stop.abort()
    this.#coordinator.close()
    this.#settled.reject(new MqError('MQ_CLOSED', `The membership in group ${this.#options.groupId} was closed`))
  }

  async #leave(limitMs: number): Promise<void> {
    try {
      await this.#protocol?.leave(limitMs)
    } catch (error) {
      // Not fatal to anyone: the session ends without us, only later.
      this.#options.onError(toMqError(error, `group ${this.#options.groupId} could not be left`), false)
    }
  }

  /** Whether the work ended before the given time. */
  async #inTime(endMs: number, work: Promise<void>): Promise<boolean> {
    const leftMs = Math.max(0, endMs - this.#deps.clock.monotonicMs())
    const ended = work.then(
      () => true,
      () => true,
    )
    return (await withinOrUndefined(this.#deps, leftMs, ended)) ?? false
  }
}
