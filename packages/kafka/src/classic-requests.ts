/**
 * The four requests of the classic group protocol, each in the highest version both sides know.
 */
import {
  type Connection,
  heartbeatV4,
  joinGroupV7,
  joinGroupV8,
  joinGroupV9,
  leaveGroupV4,
  leaveGroupV5,
  syncGroupV5,
} from '@platformatic/kafka'
import type { Coordinator, Lane, RequestLimits } from './coordinator.ts'
import type { GroupOptions } from './group-types.ts'

const JOIN_GROUP = { 7: joinGroupV7, 8: joinGroupV8, 9: joinGroupV9 } as const
const LEAVE_GROUP = { 4: leaveGroupV4, 5: leaveGroupV5 } as const
const JOIN_GROUP_API = 11
const LEAVE_GROUP_API = 13
const PROTOCOL_TYPE = 'consumer'
const ASSIGNOR = 'cooperative-sticky'

export type Joined = Pick<
  joinGroupV9.JoinGroupResponse,
  'generationId' | 'leader' | 'memberId' | 'members' | 'protocolName'
> & { readonly skipAssignment?: boolean }

export interface MemberShare {
  readonly memberId: string
  readonly assignment: Buffer
}

export class ClassicRequests {
  readonly #options: GroupOptions
  readonly #coordinator: Coordinator

  constructor(options: GroupOptions, coordinator: Coordinator) {
    this.#options = options
    this.#coordinator = coordinator
  }

  /** Blocks at the broker until every member joined. */
  async join(
    memberId: string,
    metadata: Buffer,
    times: { readonly sessionMs: number; readonly rebalanceMs: number },
    limits: RequestLimits,
  ): Promise<Joined> {
    const { cluster, groupId, instanceId = null } = this.#options
    const protocols = [{ name: ASSIGNOR, metadata }]
    const { sessionMs, rebalanceMs } = times
    return await this.#request('own', 'join', limits, async (to): Promise<Joined> => {
      const version = await cluster.apiVersion(JOIN_GROUP_API, [7, 8, 9])
      const { api } = JOIN_GROUP[version as keyof typeof JOIN_GROUP]
      return await api.async(to, groupId, sessionMs, rebalanceMs, memberId, instanceId, PROTOCOL_TYPE, protocols, null)
    })
  }

  /** Blocks at the broker until the leader sent its plan. @returns our share, encoded */
  async sync(joined: Joined, plan: readonly MemberShare[], limits: RequestLimits): Promise<Buffer> {
    const { groupId, instanceId = null } = this.#options
    const { generationId, memberId, protocolName } = joined
    const { assignment } = await this.#request('own', 'sync', limits, (to) =>
      syncGroupV5.api.async(to, groupId, generationId, memberId, instanceId, PROTOCOL_TYPE, protocolName, [...plan]),
    )
    return assignment
  }

  async heartbeat(lane: Lane, memberId: string, generation: number, limits: RequestLimits): Promise<void> {
    const { groupId, instanceId = null } = this.#options
    await this.#request(lane, 'heartbeat', limits, (to) =>
      heartbeatV4.api.async(to, groupId, generation, memberId, instanceId),
    )
  }

  async leave(memberId: string, limits: RequestLimits): Promise<void> {
    const { cluster, groupId } = this.#options
    await this.#request('shared', 'leave', limits, async (to) => {
      const version = await cluster.apiVersion(LEAVE_GROUP_API, [4, 5])
      return await LEAVE_GROUP[version as keyof typeof LEAVE_GROUP].api.async(to, groupId, [
        { memberId, reason: 'closed' },
      ])
    })
  }

  context(what: string): string {
    return `${what} of group ${this.#options.groupId} on cluster ${this.#options.cluster.name}`
  }

  async #request<T>(
    lane: Lane,
    what: string,
    limits: RequestLimits,
    call: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    return await this.#coordinator.request(lane, this.context(what), call, limits)
  }
}
