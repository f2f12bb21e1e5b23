/**
 * Membership by the classic protocol: members join, their leader assigns (cooperative-sticky), heartbeats say when to join anew.
 *
 *   out --join, sync--> member --rebalance, gave something up, partitions came--> member of the next generation
 *   member --unknown, or no answer within the session--> out (everything held is lost)
 *
 * J1. Nothing is given up for a rebalance as such: every join says what is held, and only what the leader moves is revoked.
 * J2. Heartbeats go on while callbacks run; a rebalance heard of meanwhile is joined after them.
 * J3. Who gave something up joins anew at once, so that it can reach its next owner.
 * J4. The leader looks for new partitions and topics by itself and calls for a rebalance when it finds some.
 * J5. The session counts from when the last answered request was sent, also while a join is awaited: heartbeats on another
 *     connection then ask whether the coordinator still answers.
 * J6. A session that ends is never the end of the membership: the member joins again as a new one. Where only our own clock says that it
 *     ended, what was finished is committed before that, if the broker still knows the member.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, pause, WakeableWait } from '@mq/contract/timing'
import { ClassicRequests, type Joined, type MemberShare } from '../protocol/classic-requests.ts'
import { isFinal } from '../protocol/final-errors.ts'
import { KafkaCode, kafkaCodeOf, responseOf, toMqError } from '../protocol/kafka-errors.ts'
import type { Coordinator } from './coordinator.ts'
import { LateCommit } from './late-commit.ts'
import {
  decodeAssignment,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
  NO_GENERATION,
} from './member-metadata.ts'
import type { Ownership } from './ownership.ts'
import { assign } from './sticky-assignor.ts'
import { pausesFor, TroubleReport } from './trouble.ts'
import type { GroupOptions, GroupProtocol, Identity, ProtocolEvents, Share } from './types.ts'

const SESSION_MS = 45_000
const REBALANCE_MS = 60_000
const REQUEST_MS = 10_000
const LONGEST_HEARTBEAT_MS = 3_000
/** Beyond the rebalance itself, for the way there and back. */
const JOIN_SLACK_MS = 5_000
const LOOK_EVERY_MS = 30_000
const LOOK_FOR_MISSING_EVERY_MS = 3_000

interface Generation {
  readonly id: number
  /** Partitions of each topic as the leader saw them; nothing for the others. */
  readonly counts: ReadonlyMap<string, number> | undefined
}

export class ClassicProtocol implements GroupProtocol {
  readonly #options: GroupOptions
  readonly #requests: ClassicRequests
  readonly #ownership: Ownership
  readonly #deps: Deps
  readonly #events: ProtocolEvents
  readonly #late: LateCommit
  readonly #wait: WakeableWait
  readonly #trouble: TroubleReport
  readonly #sessionMs: number
  readonly #rebalanceMs: number
  #memberId = ''
  #generation: Generation | undefined
  #lastGeneration = NO_GENERATION
  #aliveUntilMs = Number.POSITIVE_INFINITY
  #fatal: { readonly error: unknown } | undefined

  constructor(
    options: GroupOptions,
    coordinator: Coordinator,
    ownership: Ownership,
    deps: Deps,
    events: ProtocolEvents,
  ) {
    this.#options = options
    this.#requests = new ClassicRequests(options, coordinator)
    this.#ownership = ownership
    this.#deps = deps
    this.#events = events
    this.#late = new LateCommit((identity) => events.commitLate(identity))
    this.#wait = new WakeableWait(deps)
    this.#trouble = new TroubleReport(deps.clock, (error) => options.onError(error, false))
    this.#sessionMs = options.sessionTimeoutMs ?? SESSION_MS
    this.#rebalanceMs = options.rebalanceTimeoutMs ?? REBALANCE_MS
  }

  get identity(): Identity | undefined {
    return this.#generation === undefined ? undefined : { memberId: this.#memberId, epoch: this.#generation.id }
  }

  nudge(): void {
    this.#wait.wake()
  }

  check(): void {
    if (this.#generation !== undefined && this.#leftMs() <= 0) this.#sessionEnded()
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      try {
        // A session that ended in the pause is over before it is asked about (J6).
        this.check()
        if (this.#generation === undefined) await this.#late.send()
        const target = await this.#join(signal)
        failures = 0
        this.#trouble.over()
        await this.#live(target, signal)
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        const problem = this.#onFailure(error)
        if (this.#leftMs() <= 0) this.#sessionEnded()
        await this.#wait.forMs(backoffMs(failures, this.#deps.random, pausesFor(problem)), signal)
      }
    }
  }

  async leave(timeoutMs: number): Promise<void> {
    // A named member stays known, so that its restart moves nothing.
    if (this.#memberId === '' || this.#options.instanceId !== undefined) return
    this.#generation = undefined
    try {
      await this.#requests.leave(this.#memberId, { timeoutMs })
    } catch (error) {
      if (kafkaCodeOf(error) !== KafkaCode.UNKNOWN_MEMBER_ID) throw error
    }
  }

  /** @returns what the leader gave us */
  async #join(signal: AbortSignal): Promise<Share[]> {
    const timeoutMs = this.#rebalanceMs + JOIN_SLACK_MS
    const joined = await this.#whileAlive(signal, (until) => this.#askToJoin({ timeoutMs, signal: until }))
    this.#memberId = joined.memberId
    const counts = joined.leader === joined.memberId ? await this.#countPartitions(joined) : undefined
    const plan = counts === undefined || joined.skipAssignment === true ? [] : planFor(joined, counts)
    const share = await this.#whileAlive(signal, (until) =>
      this.#requests.sync(joined, plan, { timeoutMs, signal: until }),
    )
    this.#generation = { id: joined.generationId, counts }
    this.#lastGeneration = joined.generationId
    this.#aliveUntilMs = this.#deps.clock.monotonicMs() + this.#sessionMs
    return decodeAssignment(share).map((one) => ({ ...one, topicId: '' }))
  }

  async #askToJoin(limits: { readonly timeoutMs: number; readonly signal: AbortSignal }): Promise<Joined> {
    const { topics, rackId = null } = this.#options
    const owned = this.#ownership.held()
    const metadata = encodeSubscription({ topics, owned, generation: this.#lastGeneration, rackId })
    const times = { sessionMs: this.#sessionMs, rebalanceMs: this.#rebalanceMs }
    try {
      return await this.#requests.join(this.#memberId, metadata, times, limits)
    } catch (error) {
      const given = responseOf<Joined>(error)?.memberId
      if (kafkaCodeOf(error) !== KafkaCode.MEMBER_ID_REQUIRED || !given) throw error
      this.#memberId = given
      return await this.#requests.join(given, metadata, times, limits)
    }
  }

  /** Awaits what may block at the broker for long, and ends it when the coordinator is silent for a session (J5). */
  async #whileAlive<T>(signal: AbortSignal, work: (until: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#generation === undefined) return await work(signal)
    const silence = new AbortController()
    const done = new AbortController()
    const pinging = this.#ping(AbortSignal.any([signal, done.signal]), () => silence.abort())
    try {
      return await work(AbortSignal.any([signal, silence.signal]))
    } catch (error) {
      if (!silence.signal.aborted || signal.aborted) throw error
      const what = `${this.#requests.context('membership')}: the coordinator was silent for the session of ${this.#sessionMs} ms`
      throw new MqError('MQ_KAFKA_TIMEOUT', what, { cause: error })
    } finally {
      done.abort()
      await pinging
    }
  }

  async #ping(signal: AbortSignal, onSilence: () => void): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#deps, Math.max(1, Math.min(this.#everyMs(), this.#leftMs())), signal)
      if (signal.aborted) return
      if (this.#leftMs() <= 0) return onSilence()
      const sentMs = this.#deps.clock.monotonicMs()
      const timeoutMs = Math.max(1, Math.min(REQUEST_MS, this.#leftMs()))
      try {
        const generation = this.#generation?.id ?? NO_GENERATION
        await this.#requests.heartbeat('shared', this.#memberId, generation, { timeoutMs, signal })
        this.#aliveUntilMs = sentMs + this.#sessionMs
      } catch (error) {
        // Only its words matter here, whatever they say: what becomes of us the join will tell.
        if (kafkaCodeOf(error) !== undefined) this.#aliveUntilMs = sentMs + this.#sessionMs
      }
    }
  }

  /** Takes the share over and stays until it is time to join again. */
  async #live(target: readonly Share[], signal: AbortSignal): Promise<void> {
    let isMoved = false
    let isAgain = false
    this.#ownership.moveTo(target).then(
      (gaveUp) => {
        isMoved = true
        isAgain ||= gaveUp
        this.#events.onSettled()
        this.#wait.wake()
      },
      (error: unknown) => {
        this.#fatal = { error }
        this.#wait.wake()
      },
    )
    let lookAtMs = this.#deps.clock.monotonicMs() + this.#lookEveryMs()
    while (!signal.aborted) {
      await this.#wait.forMs(this.#everyMs(), signal)
      if (this.#fatal !== undefined) throw this.#fatal.error
      if (isMoved && isAgain) return
      if (signal.aborted) return
      isAgain = (await this.#beat(signal)) || isAgain
      if (isMoved && this.#deps.clock.monotonicMs() >= lookAtMs) {
        isAgain = (await this.#sawChange()) || isAgain
        lookAtMs = this.#deps.clock.monotonicMs() + this.#lookEveryMs()
      }
      if (isMoved && isAgain) return
    }
  }

  /** @returns whether a rebalance is on */
  async #beat(signal: AbortSignal): Promise<boolean> {
    const generation = this.#generation?.id ?? NO_GENERATION
    for (let failures = 1; ; failures += 1) {
      // The session ended meanwhile: whatever the answer would be, it is time to join again.
      if (this.#generation === undefined) return true
      const sentMs = this.#deps.clock.monotonicMs()
      const timeoutMs = Math.max(1, Math.min(REQUEST_MS, this.#leftMs()))
      try {
        await this.#requests.heartbeat('own', this.#memberId, generation, { timeoutMs, signal })
        if (this.#generation === undefined) return true
        this.#aliveUntilMs = sentMs + this.#sessionMs
        this.#trouble.over()
        return false
      } catch (error) {
        const code = kafkaCodeOf(error)
        if (code === KafkaCode.REBALANCE_IN_PROGRESS) {
          this.#aliveUntilMs = sentMs + this.#sessionMs
          return true
        }
        const problem = toMqError(error, this.#requests.context('heartbeat'))
        const isAnswered = code === KafkaCode.UNKNOWN_MEMBER_ID || code === KafkaCode.ILLEGAL_GENERATION
        if (signal.aborted || isAnswered || !problem.retryable || this.#leftMs() <= 0) throw problem
        this.#trouble.report(problem)
        await this.#wait.forMs(Math.min(backoffMs(failures, this.#deps.random), Math.max(1, this.#leftMs())), signal)
      }
    }
  }

  #everyMs(): number {
    return Math.min(LONGEST_HEARTBEAT_MS, this.#sessionMs / 4)
  }

  #leftMs(): number {
    return this.#aliveUntilMs - this.#deps.clock.monotonicMs()
  }

  #lookEveryMs(): number {
    const counts = this.#generation?.counts
    if (counts === undefined) return Number.POSITIVE_INFINITY
    return [...counts.values()].includes(0) ? LOOK_FOR_MISSING_EVERY_MS : LOOK_EVERY_MS
  }

  async #sawChange(): Promise<boolean> {
    const counts = this.#generation?.counts
    if (counts === undefined) return false
    try {
      const seen = await this.#options.cluster.metadata([...counts.keys()], { refresh: true })
      return seen.some(({ name, partitions }) => partitions.length !== (counts.get(name) ?? 0))
    } catch {
      // Looked for again at the next time.
      return false
    }
  }

  async #countPartitions(joined: Joined): Promise<Map<string, number>> {
    const topics = [...new Set(joined.members.flatMap(({ metadata }) => decodeSubscription(metadata).topics))]
    const found = await this.#options.cluster.metadata(topics, { refresh: true })
    const counts = new Map(found.map(({ name, partitions }) => [name, partitions.length]))
    return new Map(topics.map((topic) => [topic, counts.get(topic) ?? 0]))
  }

  #onFailure(error: unknown): MqError {
    if (this.#fatal !== undefined) throw this.#fatal.error
    const code = kafkaCodeOf(error)
    const problem = toMqError(error, this.#requests.context('membership'))
    if (code === KafkaCode.FENCED_INSTANCE_ID) {
      throw new MqError('MQ_GROUP_FAILED', problem.message, { cause: problem, details: problem.details })
    }
    if (code === KafkaCode.UNKNOWN_MEMBER_ID || code === KafkaCode.ILLEGAL_GENERATION) {
      // From a member that was never in, nothing is taken away.
      if (this.#generation !== undefined) this.#options.onError(problem, false)
      if (code === KafkaCode.UNKNOWN_MEMBER_ID) this.#memberId = ''
      this.#expire()
    } else if (isFinal(problem)) {
      throw problem
    } else if (code !== KafkaCode.REBALANCE_IN_PROGRESS) {
      this.#trouble.report(problem)
    }
    return problem
  }

  /** By our own clock: the broker may think otherwise. */
  #sessionEnded(): void {
    this.#late.sessionEnded(this.identity)
    this.#expire()
  }

  #expire(): void {
    this.#generation = undefined
    this.#lastGeneration = NO_GENERATION
    this.#aliveUntilMs = Number.POSITIVE_INFINITY
    this.#ownership.loseAll()
  }
}

function planFor(joined: Joined, counts: ReadonlyMap<string, number>): MemberShare[] {
  const members = joined.members.map(({ memberId, metadata }) => ({ id: memberId, ...decodeSubscription(metadata) }))
  const { now } = assign(members, counts)
  return members.map(({ id }) => ({ memberId: id, assignment: encodeAssignment(now.get(id) ?? []) }))
}
