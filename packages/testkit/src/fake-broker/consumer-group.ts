/**
 * The members of a group by the consumer protocol (KIP-848), as its coordinator sees them: it assigns, members come there step by step.
 *
 * K1. Whenever members or their topics change, the epoch of the group rises and a new target is made; members go there one by one.
 * K2. A member first gives up what it is not to have any more. Until it says that it did, it keeps its epoch, and nobody else gets those.
 * K3. Then it takes the epoch of the group, and of its target what nobody else holds; the rest follows when it is free.
 * K4. A member that is not heard of for its session, or that does not give up within its rebalance time, is no member any more.
 */
import type { Deps, TimerHandle } from '@mq/kafka'
import type { consumerGroupHeartbeatApi } from '@mq/kafka/protocol'
import type { RequestOfApi, ResponseOfApi } from './api-types.ts'
import { Code } from './codes.ts'
import type { GroupTimes } from './options.ts'
import type { FakeTopics } from './topics.ts'

export type HeartbeatRequest = RequestOfApi<typeof consumerGroupHeartbeatApi>
export type HeartbeatResponse = ResponseOfApi<typeof consumerGroupHeartbeatApi>

interface Member {
  readonly id: string
  readonly instanceId: string | null
  epoch: number
  /** Before its last change: its answer may have been lost. */
  formerEpoch: number
  topics: readonly string[]
  rebalanceTimeoutMs: number
  /** What it may hold now, as `topic id:partition`. */
  assigned: Set<string>
  revoking: Set<string>
  isToldAgain: boolean
  session: TimerHandle | undefined
  revocation: TimerHandle | undefined
}

const JOIN = 0
const LEAVE = -1
const LEAVE_STATIC = -2

export class ConsumerGroup {
  readonly #topics: FakeTopics
  readonly #deps: Pick<Deps, 'timers'>
  readonly #times: GroupTimes
  readonly #members = new Map<string, Member>()
  #target = new Map<string, Set<string>>()
  epoch = 0
  #partitionsSeen = ''

  constructor(topics: FakeTopics, deps: Pick<Deps, 'timers'>, times: GroupTimes) {
    this.#topics = topics
    this.#deps = deps
    this.#times = times
  }

  get size(): number {
    return this.#members.size
  }

  memberIds(): string[] {
    return [...this.#members.keys()]
  }

  heartbeat(request: HeartbeatRequest): HeartbeatResponse {
    const { memberId, memberEpoch } = request
    if (memberEpoch === LEAVE || memberEpoch === LEAVE_STATIC) return this.#leave(memberId, memberEpoch)
    if (memberEpoch === JOIN) this.#join(request)
    const member = this.#members.get(memberId)
    if (member === undefined) return refusal(Code.UNKNOWN_MEMBER_ID, 'no member of the group')
    const isRepeated = memberEpoch === member.formerEpoch && memberEpoch < member.epoch
    if (memberEpoch !== JOIN && memberEpoch !== member.epoch && !isRepeated) {
      this.#remove(member)
      return refusal(Code.FENCED_MEMBER_EPOCH, `the epoch of the member is ${member.epoch}`)
    }
    this.#arm(member)
    const topics = request.topicNames ?? member.topics
    if (topics.join() !== member.topics.join()) {
      member.topics = topics
      this.#plan()
    } else this.#lookForPartitions()
    const before = [...member.assigned].join()
    if (request.held !== null) this.#reconcile(member, heldBy(request.held))
    else this.#reconcile(member, undefined)
    const isChanged = before !== [...member.assigned].join() || member.isToldAgain
    const isTold = isChanged || memberEpoch === JOIN || request.held !== null || isRepeated
    member.isToldAgain = false
    return {
      errorCode: Code.NONE,
      memberId,
      memberEpoch: member.epoch,
      heartbeatIntervalMs: this.#times.heartbeatIntervalMs,
      assignment: isTold ? { topicPartitions: byTopic(member.assigned) } : null,
    }
  }

  /** The code with which a commit of a member is refused. */
  refusalOf(memberId: string, memberEpoch: number): number | undefined {
    const member = this.#members.get(memberId)
    if (member === undefined) return Code.UNKNOWN_MEMBER_ID
    return memberEpoch === member.epoch ? undefined : Code.STALE_MEMBER_EPOCH
  }

  stop(): void {
    for (const member of this.#members.values()) this.#disarm(member)
  }

  #join({ memberId, instanceId, topicNames, rebalanceTimeoutMs }: HeartbeatRequest): void {
    const before = this.#members.get(memberId)
    const predecessor = [...this.#members.values()].find((one) => instanceId !== null && one.instanceId === instanceId)
    if (predecessor !== undefined && predecessor !== before) this.#forget(predecessor)
    if (before !== undefined) {
      before.epoch = JOIN
      before.isToldAgain = true
      return
    }
    this.#members.set(memberId, {
      id: memberId,
      instanceId,
      epoch: JOIN,
      formerEpoch: JOIN,
      topics: topicNames ?? [],
      rebalanceTimeoutMs,
      assigned: new Set(),
      revoking: new Set(),
      isToldAgain: true,
      session: undefined,
      revocation: undefined,
    })
    this.#plan()
  }

  #leave(memberId: string, memberEpoch: number): HeartbeatResponse {
    const member = this.#members.get(memberId)
    if (member === undefined) return refusal(Code.UNKNOWN_MEMBER_ID, 'no member of the group')
    if (memberEpoch === LEAVE) this.#remove(member)
    return { errorCode: Code.NONE, memberId, memberEpoch, heartbeatIntervalMs: this.#times.heartbeatIntervalMs }
  }

  /** K2, K3 */
  #reconcile(member: Member, held: ReadonlySet<string> | undefined): void {
    const target = this.#target.get(member.id) ?? new Set()
    if (member.revoking.size > 0) {
      if (held === undefined || [...member.revoking].some((one) => held.has(one))) return
      member.revoking.clear()
      this.#endRevocation(member)
    }
    const surplus = [...member.assigned].filter((one) => !target.has(one))
    if (surplus.length > 0) {
      for (const one of surplus) member.assigned.delete(one)
      member.revoking = new Set(surplus)
      member.revocation = this.#deps.timers.setTimeout(() => this.#remove(member), member.rebalanceTimeoutMs)
      member.revocation.unref()
      return
    }
    if (member.epoch !== this.epoch) {
      member.formerEpoch = member.epoch
      member.epoch = this.epoch
    }
    for (const one of target) if (!this.#isHeld(one, member)) member.assigned.add(one)
  }

  #isHeld(partition: string, by: Member): boolean {
    return [...this.#members.values()].some(
      (other) => other !== by && (other.assigned.has(partition) || other.revoking.has(partition)),
    )
  }

  /** A new target: every topic is spread evenly, and what is held stays where it can. */
  #plan(): void {
    this.epoch += 1
    this.#partitionsSeen = this.#partitionsNow()
    const members = [...this.#members.values()]
    this.#target = new Map(members.map(({ id }) => [id, new Set<string>()]))
    for (const name of new Set(members.flatMap(({ topics }) => topics))) {
      const topic = this.#topics.get(name)
      const takers = members.filter(({ topics }) => topics.includes(name))
      if (topic === undefined || takers.length === 0) continue
      const most = Math.ceil(topic.partitions.length / takers.length)
      const least = Math.floor(topic.partitions.length / takers.length)
      let larger = topic.partitions.length - least * takers.length
      const free: string[] = []
      const counts = new Map(takers.map(({ id }) => [id, 0]))
      for (const { index } of topic.partitions) {
        const partition = `${topic.id}:${index}`
        const holder = takers.find(({ assigned }) => assigned.has(partition))
        const has = holder === undefined ? most : counts.get(holder.id)!
        const mayKeep = has < least || (has < most && larger > 0)
        if (holder === undefined || !mayKeep) free.push(partition)
        else {
          if (has >= least) larger -= 1
          counts.set(holder.id, has + 1)
          this.#target.get(holder.id)!.add(partition)
        }
      }
      for (const partition of free) {
        const [least] = takers.toSorted((a, b) => counts.get(a.id)! - counts.get(b.id)!)
        counts.set(least!.id, counts.get(least!.id)! + 1)
        this.#target.get(least!.id)!.add(partition)
      }
    }
  }

  /** A topic may have been made, or made again. */
  #lookForPartitions(): void {
    if (this.#partitionsSeen !== this.#partitionsNow()) this.#plan()
  }

  #partitionsNow(): string {
    const names = new Set([...this.#members.values()].flatMap(({ topics }) => topics))
    return [...names].map((name) => `${this.#topics.get(name)?.id}:${this.#topics.get(name)?.partitions.length}`).join()
  }

  #remove(member: Member): void {
    this.#forget(member)
    this.#plan()
  }

  #forget(member: Member): void {
    this.#disarm(member)
    this.#members.delete(member.id)
  }

  #arm(member: Member): void {
    if (member.session !== undefined) this.#deps.timers.clearTimeout(member.session)
    member.session = this.#deps.timers.setTimeout(() => this.#remove(member), this.#times.sessionTimeoutMs)
    member.session.unref()
  }

  #endRevocation(member: Member): void {
    if (member.revocation !== undefined) this.#deps.timers.clearTimeout(member.revocation)
    member.revocation = undefined
  }

  #disarm(member: Member): void {
    if (member.session !== undefined) this.#deps.timers.clearTimeout(member.session)
    member.session = undefined
    this.#endRevocation(member)
  }
}

function refusal(errorCode: number, errorMessage: string): HeartbeatResponse {
  return { errorCode, errorMessage }
}

function heldBy(held: NonNullable<HeartbeatRequest['held']>): Set<string> {
  return new Set(held.flatMap(({ topicId, partitions }) => partitions.map((index) => `${topicId}:${index}`)))
}

function byTopic(partitions: ReadonlySet<string>): { topicId: string; partitions: number[] }[] {
  const split = [...partitions].map((one) => one.split(':') as [string, string])
  return [...Map.groupBy(split, ([topicId]) => topicId)].map(([topicId, some]) => ({
    ...{ topicId, partitions: some.map(([, index]) => Number(index)) },
  }))
}
