/**
 * Membership by the consumer protocol (KIP-848): the broker assigns, one heartbeat loop says what we hold.
 *
 *   joining --answer--> member --answer--> member ...
 *   member --fenced, unknown, or no answer within the session--> joining (everything held is lost)
 *
 * G1. Every heartbeat says everything (topics, timeouts, what is held), so a lost one needs no repair and every answer names the
 *     whole assignment.
 * G2. What is held goes out as long as a callback works on it: heartbeats go on during `onRevoked`, with the old set; the smaller
 *     set goes out at once after it.
 * G3. An answer that comes after the session ended changes nothing.
 * G4. The session counts from when the last answered heartbeat was sent: never longer than the broker's own count.
 * G6. A member that is out by its own clock (G4) commits what it had finished, if the broker still knows it, before it joins again.
 * G5. A topic id nobody knows yet is left out of the target and looked up again with the next heartbeat.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, WakeableWait } from '@mq/contract/timing'
import type { consumerGroupHeartbeatV1 } from '@platformatic/kafka'
import { isFinal } from '../protocol/final-errors.ts'
import { KafkaCode, kafkaCodeOf, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { Coordinator } from './coordinator.ts'
import { LateCommit } from './late-commit.ts'
import type { Ownership } from './ownership.ts'
import { pausesFor, TroubleReport } from './trouble.ts'
import type { GroupOptions, GroupProtocol, Identity, ProtocolEvents, Share } from './types.ts'

/** The brokers' own default; a member that waits longer for an answer would work on what others have. */
const LONGEST_SESSION_MS = 45_000
const REQUEST_MS = 10_000
const LEAVE = -1
const LEAVE_FOR_RESTART = -2

type Standing =
  | { readonly kind: 'joining' }
  | { readonly kind: 'member'; readonly epoch: number; readonly aliveUntilMs: number }

type Assigned = readonly { readonly topicId: string; readonly partitions: readonly number[] }[]
type Answer = consumerGroupHeartbeatV1.ConsumerGroupHeartbeatResponse

export class ConsumerProtocol implements GroupProtocol {
  readonly #options: GroupOptions
  readonly #coordinator: Coordinator
  readonly #ownership: Ownership
  readonly #deps: Deps
  readonly #events: ProtocolEvents
  readonly #late: LateCommit
  readonly #wait: WakeableWait
  readonly #sessionMs: number
  readonly #trouble: TroubleReport
  readonly #topicNames = new Map<string, string>()
  #memberId = ''
  #standing: Standing = { kind: 'joining' }
  #target: Assigned | undefined
  #isMoving = false
  #fatal: unknown

  constructor(
    options: GroupOptions,
    coordinator: Coordinator,
    ownership: Ownership,
    deps: Deps,
    events: ProtocolEvents,
  ) {
    this.#options = options
    this.#coordinator = coordinator
    this.#ownership = ownership
    this.#deps = deps
    this.#events = events
    this.#late = new LateCommit((identity) => events.commitLate(identity))
    this.#wait = new WakeableWait(deps)
    this.#sessionMs = Math.min(options.sessionTimeoutMs ?? LONGEST_SESSION_MS, LONGEST_SESSION_MS)
    this.#trouble = new TroubleReport(deps.clock, (error) => options.onError(error, false))
  }

  get identity(): Identity | undefined {
    return this.#standing.kind === 'member' ? { memberId: this.#memberId, epoch: this.#standing.epoch } : undefined
  }

  nudge(): void {
    this.#wait.wake()
  }

  check(): void {
    if (this.#leftMs() <= 0) this.#sessionEnded()
  }

  async run(signal: AbortSignal): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      let pauseMs: number
      try {
        pauseMs = await this.#beat(signal)
        failures = 0
        this.#trouble.over()
      } catch (error) {
        if (signal.aborted) return
        failures += 1
        const problem = this.#onFailure(error)
        pauseMs = backoffMs(failures, this.#deps.random, pausesFor(problem))
      }
      if (this.#fatal !== undefined) throw this.#fatal
      await this.#wait.forMs(Math.min(pauseMs, this.#leftMs()), signal)
      if (this.#fatal !== undefined) throw this.#fatal
      if (this.#leftMs() <= 0) this.#sessionEnded()
    }
  }

  async leave(timeoutMs: number): Promise<void> {
    if (this.#memberId === '') return
    const wasMember = this.#standing.kind === 'member'
    this.#standing = { kind: 'joining' }
    const epoch = this.#options.instanceId === undefined ? LEAVE : LEAVE_FOR_RESTART
    try {
      await this.#send('shared', `leave group ${this.#options.groupId}`, epoch, [], timeoutMs)
    } catch (error) {
      // Whether a first heartbeat that was cut off made us a member is not known: it did not.
      if (wasMember || kafkaCodeOf(error) !== KafkaCode.UNKNOWN_MEMBER_ID) throw error
    }
  }

  /** @returns how long to wait for the next one */
  async #beat(signal: AbortSignal): Promise<number> {
    const before = this.#standing
    if (before.kind === 'joining') await this.#late.send()
    const epoch = before.kind === 'member' ? before.epoch : 0
    const held = before.kind === 'member' ? this.#ownership.held() : []
    const sentMs = this.#deps.clock.monotonicMs()
    const limitMs = Math.max(1, Math.min(REQUEST_MS, this.#leftMs()))
    const what = `heartbeat of group ${this.#options.groupId}`
    const answer = await this.#send('own', what, epoch, held, limitMs, signal)
    // G3, also when the end was found out meanwhile.
    if (before.kind === 'member' && (this.#standing !== before || this.#leftMs() <= 0)) {
      throw new MqError('MQ_KAFKA_TIMEOUT', `${what} came too late`)
    }
    if (answer.memberId) this.#memberId = answer.memberId
    const heartbeatMs = Math.max(1, answer.heartbeatIntervalMs)
    const aliveUntilMs = sentMs + this.#sessionMs
    this.#standing = { kind: 'member', epoch: answer.memberEpoch, aliveUntilMs }
    // The next beat must be well within the session, whatever the interval the broker asks for.
    const wantedMs = this.#options.heartbeatMs?.() ?? heartbeatMs
    const pauseMs = Math.min(heartbeatMs, wantedMs, this.#sessionMs / 3)
    if (answer.assignment === null) return pauseMs
    this.#target = answer.assignment.topicPartitions
    this.#follow()
    return pauseMs
  }

  async #send(
    lane: 'own' | 'shared',
    what: string,
    epoch: number,
    held: readonly Share[],
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Answer> {
    const { groupId, topics, instanceId = null, rackId = null, rebalanceTimeoutMs = 60_000 } = this.#options
    const byTopic = Map.groupBy(held, ({ topicId }) => topicId)
    const owned = [...byTopic].map(([topicId, shares]) => ({
      topicId,
      partitions: shares.map(({ partition }) => partition),
    }))
    return await this.#coordinator.request(
      lane,
      what,
      async (connection) => {
        const heartbeat = requests.consumerGroupHeartbeat
        const version = await heartbeat.choose(connection)
        // Since version 1 the member chooses its id, so that a lost first answer leaves no ghost behind.
        if (this.#memberId === '' && version >= 1) this.#memberId = newMemberId(this.#deps.random)
        const id = this.#memberId
        const wanted = [...topics]
        const timeout = rebalanceTimeoutMs
        return await heartbeat.send(
          connection,
          groupId,
          id,
          epoch,
          instanceId,
          rackId,
          timeout,
          wanted,
          null,
          null,
          owned,
        )
      },
      { timeoutMs, signal },
    )
  }

  /** Moves to the target, one move after the other, while heartbeats go on. */
  #follow(): void {
    if (this.#isMoving) return
    this.#isMoving = true
    this.#moves().catch((error: unknown) => {
      this.#fatal = error
      this.#wait.wake()
    })
  }

  async #moves(): Promise<void> {
    try {
      for (let done: Assigned | undefined; this.#target !== undefined && this.#target !== done; ) {
        const target = this.#target
        done = target
        const shares = await this.#sharesOf(target)
        if (shares === undefined) return
        if (this.#target !== target) continue
        if (!this.#ownership.isAt(shares)) await this.#ownership.moveTo(shares, () => this.#wait.wake())
        if (this.#target !== undefined) this.#events.onSettled()
      }
    } finally {
      this.#isMoving = false
    }
  }

  /** @returns nothing while the names of the topics cannot be found out: the next heartbeat brings the assignment again */
  async #sharesOf(assigned: Assigned): Promise<Share[] | undefined> {
    if (assigned.some(({ topicId }) => !this.#topicNames.has(topicId))) {
      try {
        const topics = await this.#options.cluster.metadata(this.#options.topics, { refresh: true })
        for (const { id, name } of topics) this.#topicNames.set(id, name)
      } catch (error) {
        this.#trouble.report(toMqError(error, `look up the topics of group ${this.#options.groupId}`))
        return undefined
      }
    }
    return assigned.flatMap(({ topicId, partitions }) => {
      const topic = this.#topicNames.get(topicId)
      return topic === undefined ? [] : partitions.map((partition) => ({ topicId, topic, partition }))
    })
  }

  #onFailure(error: unknown): MqError {
    const code = kafkaCodeOf(error)
    const problem = toMqError(error, `group ${this.#options.groupId} on cluster ${this.#options.cluster.name}`)
    if (code === KafkaCode.FENCED_MEMBER_EPOCH || code === KafkaCode.UNKNOWN_MEMBER_ID) {
      this.#options.onError(problem, false)
      this.#expire()
    } else if (code === KafkaCode.UNRELEASED_INSTANCE_ID) {
      // The one before us is still thought alive: its session ends by itself.
      this.#trouble.report(new MqError('MQ_GROUP_FENCED', problem.message, { cause: problem }))
    } else if (code === KafkaCode.FENCED_INSTANCE_ID) {
      this.#fatal = new MqError('MQ_GROUP_FAILED', problem.message, { cause: problem, details: problem.details })
    } else if (isFinal(problem) || (problem.code === 'MQ_KAFKA_VERSION' && this.#standing.kind === 'joining')) {
      // A cluster that has this protocol switched off is met by the other one (M5).
      this.#fatal = problem
    } else {
      this.#trouble.report(problem)
    }
    return problem
  }

  #leftMs(): number {
    if (this.#standing.kind === 'joining') return Number.POSITIVE_INFINITY
    return this.#standing.aliveUntilMs - this.#deps.clock.monotonicMs()
  }

  /** By our own clock: the broker may think otherwise. */
  #sessionEnded(): void {
    this.#late.sessionEnded(this.identity)
    this.#expire()
  }

  #expire(): void {
    this.#standing = { kind: 'joining' }
    this.#target = undefined
    this.#ownership.loseAll()
  }
}

function newMemberId(random: () => number): string {
  return Array.from({ length: 4 }, () =>
    Math.floor(random() * 0x1_0000_0000)
      .toString(16)
      .padStart(8, '0'),
  ).join('')
}
