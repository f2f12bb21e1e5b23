/**
 * The members of a group by the classic protocol, as its coordinator sees them.
 *
 *   empty --join--> joining --everybody joined, or the time is over--> syncing --the leader's plan--> stable
 *   stable --join of a new member or the leader, leave, end of a session--> joining
 *
 * C1. A member without an id is given one first (MEMBER_ID_REQUIRED), unless it asks in a version that does not know that.
 * C2. Whoever has not joined when the time of a rebalance is over is no member any more.
 * C3. A member that joins a stable group as it was before is told of the generation that is; only its leader begins another.
 * C4. A named member (instance id) that comes back takes the place of its predecessor, which is fenced by its id being unknown.
 */
import { randomUUID } from 'node:crypto'
import type { Deps, TimerHandle } from '@mq/kafka'
import type { joinGroupApi, syncGroupApi } from '@mq/kafka/protocol'
import type { RequestOfApi, ResponseOfApi } from './api-types.ts'
import { Code } from './codes.ts'
import type { GroupTimes } from './options.ts'

export type JoinRequest = RequestOfApi<typeof joinGroupApi>
export type JoinResponse = ResponseOfApi<typeof joinGroupApi>
export type SyncRequest = RequestOfApi<typeof syncGroupApi>
export type SyncResponse = ResponseOfApi<typeof syncGroupApi>

interface Member {
  readonly id: string
  readonly instanceId: string | null
  readonly clientId: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: JoinRequest['protocols']
  assignment: Buffer
  timer: TimerHandle | undefined
  joining: ((response: JoinResponse) => void) | undefined
  syncing: ((response: SyncResponse) => void) | undefined
}

const NOTHING = Buffer.alloc(0)

export class ClassicGroup {
  readonly #deps: Pick<Deps, 'timers'>
  readonly #times: GroupTimes
  readonly #members = new Map<string, Member>()
  /** Ids that were given and not used yet. */
  readonly #given = new Set<string>()
  state: 'empty' | 'joining' | 'syncing' | 'stable' = 'empty'
  generation = 0
  protocolType = 'consumer'
  protocolName: string | null = null
  #leader = ''
  #rebalance: TimerHandle | undefined

  constructor(deps: Pick<Deps, 'timers'>, times: GroupTimes) {
    this.#deps = deps
    this.#times = times
  }

  get size(): number {
    return this.#members.size
  }

  memberIds(): string[] {
    return [...this.#members.keys()]
  }

  /** For a description. */
  members(): readonly Pick<Member, 'id' | 'instanceId' | 'clientId' | 'protocols' | 'assignment'>[] {
    return [...this.#members.values()]
  }

  /** @param isIdNeeded C1 */
  join(request: JoinRequest, clientId: string, isIdNeeded: boolean): JoinResponse | Promise<JoinResponse> {
    const { instanceId } = request
    const predecessor = [...this.#members.values()].find((one) => instanceId !== null && one.instanceId === instanceId)
    if (request.memberId === '' && predecessor !== undefined) this.#remove(predecessor)
    if (request.memberId === '' && isIdNeeded && instanceId === null) {
      const memberId = `${clientId}-${randomUUID()}`
      this.#given.add(memberId)
      return this.refuse(request, Code.MEMBER_ID_REQUIRED, memberId)
    }
    const isKnown = this.#members.has(request.memberId) || this.#given.delete(request.memberId)
    if (request.memberId !== '' && !isKnown) return this.refuse(request, Code.UNKNOWN_MEMBER_ID)
    const names = request.protocols.map(({ name }) => name)
    const others = [...this.#members.values()].filter(({ id }) => id !== request.memberId)
    if (others.length > 0 && !names.some((name) => others.every((one) => one.protocols.some((p) => p.name === name)))) {
      return this.refuse(request, Code.INCONSISTENT_GROUP_PROTOCOL)
    }
    const id = request.memberId === '' ? `${instanceId ?? clientId}-${randomUUID()}` : request.memberId
    const before = this.#members.get(id)
    if (before !== undefined && this.#isUnchanged(before, request)) return this.#joined(before)
    const member: Member = before ?? {
      id,
      instanceId,
      clientId,
      sessionTimeoutMs: request.sessionTimeoutMs,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs,
      protocols: request.protocols,
      assignment: NOTHING,
      timer: undefined,
      joining: undefined,
      syncing: undefined,
    }
    member.sessionTimeoutMs = request.sessionTimeoutMs
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs < 0 ? request.sessionTimeoutMs : request.rebalanceTimeoutMs
    member.protocols = request.protocols
    this.protocolType = request.protocolType
    this.#members.set(id, member)
    this.#disarm(member)
    // A second join over another connection takes the place of the first.
    member.joining?.(this.refuse(request, Code.UNKNOWN_MEMBER_ID))
    const { promise, resolve } = Promise.withResolvers<JoinResponse>()
    member.joining = resolve
    this.#begin()
    return promise
  }

  sync(request: SyncRequest): SyncResponse | Promise<SyncResponse> {
    const refused = this.refusalOf(request.memberId, request.generationId)
    if (refused !== undefined) return { errorCode: refused, assignment: NOTHING }
    const member = this.#members.get(request.memberId)!
    if (this.state === 'joining') return { errorCode: Code.REBALANCE_IN_PROGRESS, assignment: NOTHING }
    this.#arm(member)
    if (this.state === 'stable') return this.#synced(member)
    const { promise, resolve } = Promise.withResolvers<SyncResponse>()
    member.syncing = resolve
    if (member.id === this.#leader) this.#settle(request.assignments)
    return promise
  }

  heartbeat(memberId: string, generation: number): number {
    const refused = this.refusalOf(memberId, generation)
    if (refused !== undefined) return refused
    this.#arm(this.#members.get(memberId)!)
    return this.state === 'joining' ? Code.REBALANCE_IN_PROGRESS : Code.NONE
  }

  leave(memberId: string, instanceId: string | null): number {
    const member = [...this.#members.values()].find(
      (one) => one.id === memberId || (instanceId !== null && one.instanceId === instanceId),
    )
    if (member === undefined) return this.#given.delete(memberId) ? Code.NONE : Code.UNKNOWN_MEMBER_ID
    this.#remove(member)
    if (this.size > 0) this.#begin()
    return Code.NONE
  }

  /** The code with which a member is refused. */
  refusalOf(memberId: string, generation: number): number | undefined {
    if (!this.#members.has(memberId)) return Code.UNKNOWN_MEMBER_ID
    return generation === this.generation ? undefined : Code.ILLEGAL_GENERATION
  }

  refuse(request: JoinRequest, errorCode: number, memberId = request.memberId): JoinResponse {
    return { errorCode, memberId, generationId: -1, protocolName: '', leader: '', members: [] }
  }

  stop(): void {
    for (const member of this.#members.values()) this.#disarm(member)
    if (this.#rebalance !== undefined) this.#deps.timers.clearTimeout(this.#rebalance)
  }

  /** C3 */
  #isUnchanged(member: Member, { protocols }: JoinRequest): boolean {
    if (this.state !== 'syncing' && (this.state !== 'stable' || member.id === this.#leader)) return false
    return (
      protocols.length === member.protocols.length &&
      protocols.every(({ name, metadata }, index) => {
        const before = member.protocols[index]!
        return before.name === name && before.metadata.equals(metadata)
      })
    )
  }

  #begin(): void {
    if (this.state !== 'joining') {
      const wasEmpty = this.state === 'empty'
      this.state = 'joining'
      for (const member of this.#members.values()) {
        member.syncing?.({ errorCode: Code.REBALANCE_IN_PROGRESS, assignment: NOTHING })
        member.syncing = undefined
      }
      const limits = Array.from(this.#members.values(), ({ rebalanceTimeoutMs }) => rebalanceTimeoutMs)
      const limitMs = wasEmpty ? this.#times.initialDelayMs : Math.max(...limits)
      this.#rebalance = this.#deps.timers.setTimeout(() => this.#complete(), limitMs)
      if (wasEmpty) return
    }
    // The first members of a group wait for each other, the others only for those who were members.
    if (this.generation > 0 && [...this.#members.values()].every(({ joining }) => joining !== undefined))
      this.#complete()
  }

  #complete(): void {
    if (this.#rebalance !== undefined) this.#deps.timers.clearTimeout(this.#rebalance)
    this.#rebalance = undefined
    for (const member of [...this.#members.values()]) if (member.joining === undefined) this.#remove(member)
    this.generation += 1
    const [first] = this.#members.values()
    if (first === undefined) {
      this.state = 'empty'
      return
    }
    if (!this.#members.has(this.#leader)) this.#leader = first.id
    this.protocolName =
      first.protocols.find(({ name }) =>
        [...this.#members.values()].every(({ protocols }) => protocols.some((one) => one.name === name)),
      )?.name ?? null
    this.state = 'syncing'
    for (const member of this.#members.values()) {
      const answer = member.joining!
      member.joining = undefined
      this.#arm(member)
      answer(this.#joined(member))
    }
  }

  #joined(member: Member): JoinResponse {
    const isLeader = member.id === this.#leader
    const metadataOf = ({ protocols }: Member): Buffer =>
      protocols.find(({ name }) => name === this.protocolName)?.metadata ?? NOTHING
    return {
      errorCode: Code.NONE,
      generationId: this.generation,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      leader: this.#leader,
      memberId: member.id,
      members: isLeader
        ? Array.from(this.#members.values(), (one) => ({
            ...{ memberId: one.id, instanceId: one.instanceId, metadata: metadataOf(one) },
          }))
        : [],
    }
  }

  #settle(assignments: SyncRequest['assignments']): void {
    this.state = 'stable'
    for (const member of this.#members.values()) {
      member.assignment = Buffer.from(assignments.find(({ memberId }) => memberId === member.id)?.assignment ?? NOTHING)
      member.syncing?.(this.#synced(member))
      member.syncing = undefined
    }
  }

  #synced({ assignment }: Member): SyncResponse {
    return {
      errorCode: Code.NONE,
      protocolType: this.protocolType,
      protocolName: this.protocolName,
      assignment,
    }
  }

  #remove(member: Member): void {
    this.#disarm(member)
    this.#members.delete(member.id)
    const unknown = { errorCode: Code.UNKNOWN_MEMBER_ID, memberId: member.id, generationId: -1 }
    member.joining?.({ ...unknown, protocolName: '', leader: '', members: [] })
    member.syncing?.({ errorCode: Code.UNKNOWN_MEMBER_ID, assignment: NOTHING })
    if (this.size === 0 && this.state !== 'joining') {
      this.state = 'empty'
      this.generation += 1
    }
  }

  /** Its session begins anew. */
  #arm(member: Member): void {
    this.#disarm(member)
    member.timer = this.#deps.timers.setTimeout(() => {
      // Who waits for a join or a plan is alive.
      if (member.joining !== undefined || member.syncing !== undefined) return this.#arm(member)
      this.#remove(member)
      if (this.size > 0) this.#begin()
    }, member.sessionTimeoutMs)
    member.timer.unref()
  }

  #disarm(member: Member): void {
    if (member.timer !== undefined) this.#deps.timers.clearTimeout(member.timer)
    member.timer = undefined
  }
}
