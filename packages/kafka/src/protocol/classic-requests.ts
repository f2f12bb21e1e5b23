/**
 * The four requests of the classic group protocol, each in the highest version both sides know.
 */
import type { Connection, joinGroupV9 } from '@platformatic/kafka'
import type { Coordinator, Lane, RequestLimits } from '../group/coordinator.ts'
import type { GroupOptions } from '../group/types.ts'
import * as requests from './requests.ts'

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
    const { groupId, instanceId = null } = this.#options
    const protocols = [{ name: ASSIGNOR, metadata }]
    const { sessionMs, rebalanceMs } = times
    return await this.#request(
      'own',
      'join',
      limits,
      (to): Promise<Joined> =>
        requests.joinGroup.send(
          to,
          groupId,
          sessionMs,
          rebalanceMs,
          memberId,
          instanceId,
          PROTOCOL_TYPE,
          protocols,
          null,
        ),
    )
  }

  /** Blocks at the broker until the leader sent its plan. @returns our share, encoded */
  async sync(joined: Joined, plan: readonly MemberShare[], limits: RequestLimits): Promise<Buffer> {
    const { groupId, instanceId = null } = this.#options
    const { generationId, memberId, protocolName } = joined
    const { assignment } = await this.#request('own', 'sync', limits, (to) =>
      requests.syncGroup.send(to, groupId, generationId, memberId, instanceId, PROTOCOL_TYPE, protocolName, [...plan]),
    )
    return assignment
  }

  async heartbeat(lane: Lane, memberId: string, generation: number, limits: RequestLimits): Promise<void> {
    const { groupId, instanceId = null } = this.#options
    await this.#request(lane, 'heartbeat', limits, (to) =>
      requests.heartbeat.send(to, groupId, generation, memberId, instanceId),
    )
  }

  async leave(memberId: string, limits: RequestLimits): Promise<void> {
    const { groupId } = this.#options
    const members = [{ memberId, reason: 'closed' }]
    await this.#request('shared', 'leave', limits, (to) => requests.leaveGroup.send(to, groupId, members))
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
