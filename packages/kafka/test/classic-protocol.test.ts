/** What becomes of a member of the classic protocol whose session ends (J5, J6), at a coordinator that answers as the test says. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { ClassicProtocol } from '../src/group/classic-protocol.ts'
import type { Coordinator, Lane, RequestLimits } from '../src/group/coordinator.ts'
import { encodeAssignment } from '../src/group/member-metadata.ts'
import { Ownership } from '../src/group/ownership.ts'
import type { GroupOptions } from '../src/group/types.ts'
import { toMqError } from '../src/protocol/kafka-errors.ts'
import { until } from './group-fixture.ts'

const SESSION_MS = 400
const REBALANCE_IN_PROGRESS = 27
const GROUP_AUTHORIZATION_FAILED = 30
const SHARE = encodeAssignment([{ topic: 'orders', partition: 0 }])

type Answer = (limits: RequestLimits) => Promise<unknown>

/** As the real one, it gives up a request when its time is over or its signal says so. */
const silence: Answer = ({ timeoutMs, signal }) =>
  new Promise((_, reject) => {
    setTimeout(() => reject(new MqError('MQ_KAFKA_TIMEOUT', 'no answer')), timeoutMs).unref()
    const giveUp = (): void => reject(new MqError('MQ_CLOSED', 'given up'))
    if (signal?.aborted) giveUp()
    signal?.addEventListener('abort', giveUp)
  })
/** Not at once: the way to a broker takes its time. */
const refusal =
  (code: number): Answer =>
  async ({ signal }) => {
    await sleep(50, undefined, { ref: false })
    if (signal?.aborted) throw new MqError('MQ_CLOSED', 'given up')
    throw toMqError(code, 'a request of the test')
  }

function rig(answers: (what: string, lane: Lane, nth: number) => Answer | undefined) {
  const asked = new Map<string, number>()
  const lost: string[] = []
  const late: string[] = []
  const errors: string[] = []
  const coordinator: Pick<Coordinator, 'request'> = {
    async request<T>(lane: Lane, context: string, _call: unknown, limits: RequestLimits): Promise<T> {
      const what = context.split(' ')[0]!
      const nth = (asked.get(what) ?? 0) + 1
      asked.set(what, nth)
      const answer = answers(what, lane, nth)
      if (answer !== undefined) return (await answer(limits)) as T
      if (what === 'sync') return { assignment: SHARE } as T
      if (what !== 'join') return {} as T
      return {
        generationId: nth,
        leader: 'other',
        memberId: 'me',
        members: [],
        protocolName: 'cooperative-sticky',
      } as T
    },
  }
  const ownership = new Ownership({
    onAssigned: async () => {},
    onRevoked: async () => {},
    onLost: (gone) => lost.push(...gone.map(({ topic, partition }) => `${topic}:${partition}`)),
    onRevokeFailed: () => {},
  })
  const options = {
    ...{ groupId: 'g', topics: ['orders'], sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: 60_000 },
    cluster: { name: 'test', metadata: async () => [] },
    onError: ({ code }: MqError) => void errors.push(code),
  } as unknown as GroupOptions
  const protocol = new ClassicProtocol(options, coordinator as Coordinator, ownership, systemDeps, {
    onSettled: () => {},
    commitLate: async ({ memberId, epoch }) => void late.push(`${memberId} in ${epoch} at join ${asked.get('join')}`),
  })
  const stop = new AbortController()
  const ended = protocol.run(stop.signal)
  ended.catch(() => {})
  return {
    ...{ ownership, lost, late, errors, ended },
    joins: () => asked.get('join') ?? 0,
    stop: async () => {
      stop.abort()
      protocol.nudge()
      await ended
    },
  }
}

describe('a session that ends (J6)', () => {
  it('while a join is awaited from a coordinator that fell silent: all is lost, and the member joins again (J5)', async () => {
    const member = rig((what, lane, nth) => {
      if (what === 'heartbeat' && lane === 'own' && nth === 1) return refusal(REBALANCE_IN_PROGRESS)
      if (what === 'heartbeat' && lane === 'shared') return silence
      if (what === 'join' && nth === 2) return silence
      return undefined
    })
    await until('it joined a third time', () => member.joins() === 3)
    await until('it holds its partition again', () => member.ownership.owned().length === 1)
    assert.deepEqual(member.lost, ['orders:0'])
    // What it had finished goes out under its old identity, before it joins again.
    assert.deepEqual(member.late, ['me in 1 at join 2'])
    await member.stop()
  })

  it('in the pause after a refusal: all is lost, and the member joins as soon as it may', async () => {
    let mayBeInGroup = true
    const member = rig((what, lane) => {
      if (what === 'heartbeat' && lane === 'own' && member.lost.length === 0) mayBeInGroup = false
      if (what === 'sync' || mayBeInGroup) return undefined
      return refusal(GROUP_AUTHORIZATION_FAILED)
    })
    await until('it lost its partition', () => member.lost.length > 0)
    mayBeInGroup = true
    await until('it holds its partition again', () => member.ownership.owned().length === 1)
    assert.deepEqual(member.errors, ['MQ_KAFKA_FORBIDDEN'])
    await member.stop()
  })
})
