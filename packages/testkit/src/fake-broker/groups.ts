/**
 * The groups of a fake cluster: who coordinates each, its members by either protocol, and what it committed.
 *
 * G1. A group is of the protocol that its members speak; without members it may become one of the other.
 * G2. A commit is taken from a member of the generation or epoch that is now, and from anybody while the group has no members.
 */
import type { Deps } from '@mq/kafka'
import { ClassicGroup } from './classic-group.ts'
import { Code } from './codes.ts'
import { ConsumerGroup } from './consumer-group.ts'
import type { GroupTimes } from './options.ts'
import type { FakeTopics } from './topics.ts'

export interface FakePosition {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly leaderEpoch: number
  readonly metadata: string | null
}

const TIMES: GroupTimes = { initialDelayMs: 50, sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5_000 }

export class FakeGroup {
  readonly id: string
  readonly classic: ClassicGroup
  readonly consumer: ConsumerGroup
  /** By `topic:partition`. */
  readonly positions = new Map<string, FakePosition>()

  constructor(id: string, topics: FakeTopics, deps: Pick<Deps, 'clock' | 'timers'>, times: GroupTimes) {
    this.id = id
    this.classic = new ClassicGroup(deps, times)
    this.consumer = new ConsumerGroup(topics, deps, times)
  }

  memberIds(): string[] {
    return [...this.classic.memberIds(), ...this.consumer.memberIds()]
  }

  /** The code with which a commit is refused (G2). */
  refusalOf(memberId: string, generation: number): number | undefined {
    if (this.consumer.size > 0) return this.consumer.refusalOf(memberId, generation)
    if (this.classic.size > 0) return this.classic.refusalOf(memberId, generation)
    return memberId === '' && generation < 0 ? undefined : Code.UNKNOWN_MEMBER_ID
  }

  commit(position: FakePosition): void {
    this.positions.set(`${position.topic}:${position.partition}`, position)
  }
}

export class Groups {
  readonly #topics: FakeTopics
  readonly #nodeIds: () => readonly number[]
  readonly #deps: Pick<Deps, 'clock' | 'timers'>
  readonly #times: GroupTimes
  readonly #groups = new Map<string, FakeGroup>()
  readonly #coordinators = new Map<string, number>()

  constructor(
    topics: FakeTopics,
    nodeIds: () => readonly number[],
    deps: Pick<Deps, 'clock' | 'timers'>,
    times: Partial<GroupTimes> = {},
  ) {
    this.#topics = topics
    this.#nodeIds = nodeIds
    this.#deps = deps
    this.#times = { ...TIMES, ...times }
  }

  all(): FakeGroup[] {
    return [...this.#groups.values()]
  }

  get(id: string): FakeGroup | undefined {
    return this.#groups.get(id)
  }

  /** Made when it is not there yet. */
  of(id: string): FakeGroup {
    const known = this.#groups.get(id)
    if (known !== undefined) return known
    const group = new FakeGroup(id, this.#topics, this.#deps, this.#times)
    this.#groups.set(id, group)
    return group
  }

  delete(id: string): void {
    this.#groups.delete(id)
  }

  coordinatorOf(id: string): number {
    return this.#coordinators.get(id) ?? this.#nodeIds()[0]!
  }

  moveTo(id: string, nodeId: number): void {
    this.#coordinators.set(id, nodeId)
  }

  /** Positions of a topic go with it. */
  forgetTopic(name: string): void {
    for (const { positions } of this.#groups.values()) {
      for (const [key, { topic }] of positions) if (topic === name) positions.delete(key)
    }
  }

  stop(): void {
    for (const group of this.#groups.values()) {
      group.classic.stop()
      group.consumer.stop()
    }
  }
}
