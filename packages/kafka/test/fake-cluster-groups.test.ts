/** Members of mQ's groups before the fake cluster of the test kit, by both protocols, and with faults by control. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { FakeCluster, type FakeClusterOptions, KafkaErrorCode, speechUpTo } from '@mq/testkit'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'
import * as requests from '../src/protocol/requests.ts'
import { Fixture, type TestMember, Timeline, until } from './group-fixture.ts'

const TIMEOUT = { timeout: 300_000 }
const PARTITIONS = 6
const GROUP = 'g'

interface Stage {
  readonly fake: FakeCluster
  readonly timeline: Timeline
  join(): Promise<TestMember>
  isWhole(...members: readonly TestMember[]): boolean
}

async function stage(
  t: TestContext,
  protocol: 'consumer' | 'classic',
  options: Partial<FakeClusterOptions> = {},
): Promise<Stage> {
  const fake = await FakeCluster.start({
    topics: { t: PARTITIONS },
    groupTimes: { heartbeatIntervalMs: 50 },
    ...options,
  })
  const fixture = new Fixture(fake.nodes.map(({ address }) => address))
  t.after(async () => {
    await fixture.close()
    await fake.stop()
  })
  const timeline = new Timeline()
  return {
    fake,
    timeline,
    join: async () => {
      const member = fixture.member(timeline, { groupId: GROUP, topics: ['t'], protocol })
      await member.member.start()
      return member
    },
    isWhole: (...members) =>
      members.reduce((sum, member) => sum + member.count(), 0) === PARTITIONS && timeline.holders.size === PARTITIONS,
  }
}

for (const protocol of ['consumer', 'classic'] as const) {
  describe(`a group by the ${protocol} protocol`, () => {
    it('shares its partitions between two members, and one takes over when the other leaves', TIMEOUT, async (t) => {
      const { timeline, join, isWhole, fake } = await stage(t, protocol)
      const first = await join()
      await until('the first holds all', () => isWhole(first))
      const second = await join()
      await until('both hold three', () => first.count() === 3 && second.count() === 3)
      assert.ok(isWhole(first, second))
      assert.equal(fake.membersOf(GROUP).length, 2)
      await second.member.close()
      await until('the first holds all', () => isWhole(first))
      assert.deepEqual([timeline.violations, first.errors, first.lost], [[], [], []])
      assert.equal(fake.membersOf(GROUP).length, 1)
    })

    it('goes on where it stood after a restart of its member', TIMEOUT, async (t) => {
      const { join, isWhole, fake } = await stage(t, protocol)
      const first = await join()
      await until('it holds all', () => isWhole(first))
      await first.member.commit([0, 1].map((partition) => ({ topic: 't', partition, offset: BigInt(10 + partition) })))
      assert.deepEqual(
        fake.positionsOf(GROUP),
        new Map([
          ['t:0', 10n],
          ['t:1', 11n],
        ]),
      )
      await first.member.close()
      assert.deepEqual(fake.membersOf(GROUP), [])
      const second = await join()
      await until('it holds all', () => isWhole(second))
      const all = [...new Array(PARTITIONS).keys()].map((partition) => ({ topic: 't', partition }))
      assert.deepEqual(await second.member.committed(all), fake.positionsOf(GROUP))
    })

    it('follows its coordinator to another broker, and commits there', TIMEOUT, async (t) => {
      const { join, isWhole, fake, timeline } = await stage(t, protocol, { brokers: 3 })
      const first = await join()
      await until('it holds all', () => isWhole(first))
      const before = fake.coordinatorOf(GROUP)
      fake.moveCoordinator(GROUP, before === 3 ? 1 : 3)
      await first.member.commit([{ topic: 't', partition: 2, offset: 5n }])
      assert.deepEqual(fake.positionsOf(GROUP), new Map([['t:2', 5n]]))
      const second = await join()
      await until('both hold three', () => first.count() === 3 && second.count() === 3)
      assert.deepEqual([timeline.violations, first.lost], [[], []])
    })

    it('keeps its share over answers that are lost', TIMEOUT, async (t) => {
      const { join, isWhole, fake, timeline } = await stage(t, protocol)
      const names =
        protocol === 'classic'
          ? (['JoinGroup', 'SyncGroup', 'Heartbeat'] as const)
          : (['ConsumerGroupHeartbeat'] as const)
      for (const name of names) {
        fake.control(name, (_, { index }) => (index % 3 === 1 ? { kind: 'drop', when: 'after' } : 'pass'))
      }
      const first = await join()
      await until('it holds all', () => isWhole(first))
      const second = await join()
      await until('both hold three', () => isWhole(first, second) && first.count() === 3)
      assert.deepEqual(timeline.violations, [])
    })

    it('is joined anew by a member that the coordinator does not know any more', TIMEOUT, async (t) => {
      const { join, isWhole, fake, timeline } = await stage(t, protocol)
      const first = await join()
      await until('it holds all', () => isWhole(first))
      const refuse = { kind: 'error', code: KafkaErrorCode.UNKNOWN_MEMBER_ID } as const
      const name = protocol === 'classic' ? 'Heartbeat' : 'ConsumerGroupHeartbeat'
      const stop = fake.control(name, (_, { index }) => (index === 0 ? refuse : 'pass'))
      await until('everything is lost', () => first.lost.length === PARTITIONS)
      stop()
      await until('it holds all again', () => isWhole(first))
      assert.deepEqual(timeline.violations, [])
    })
  })
}

describe('a member whose session ended by its own clock', () => {
  const away = async (t: TestContext, commit: 'passes' | 'is refused') => {
    const fake = await FakeCluster.start({ topics: { t: 2 }, groupTimes: { heartbeatIntervalMs: 50 } })
    const fixture = new Fixture(fake.nodes.map(({ address }) => address))
    t.after(async () => {
      await fixture.close()
      await fake.stop()
    })
    const spec = { groupId: GROUP, topics: ['t'], protocol: 'consumer', sessionTimeoutMs: 1_000 } as const
    const member = fixture.member(new Timeline(), {
      ...spec,
      onRejoining: () => member.lost.map(() => ({ topic: 't', partition: 1, offset: 77n })).slice(0, 1),
    })
    await member.member.start()
    await until('it holds both', () => member.count() === 2)
    if (commit === 'is refused') {
      const refuse = { kind: 'error', code: KafkaErrorCode.UNKNOWN_MEMBER_ID } as const
      fake.control('OffsetCommit', () => refuse)
    }
    // No heartbeat is answered, as when all brokers are away; the brokers count the session anew when they are back.
    const isBack = fake.control('ConsumerGroupHeartbeat', () => ({ kind: 'drop', when: 'before' }))
    await until('it lost both', () => member.lost.length === 2)
    isBack()
    await until('it holds both again', () => member.count() === 2)
    return fake
  }

  it('commits what it had finished before it joins again, where the broker still knows it', TIMEOUT, async (t) => {
    const fake = await away(t, 'passes')
    assert.deepEqual(fake.positionsOf(GROUP), new Map([['t:1', 77n]]))
  })

  it('joins again without that where the broker refuses', TIMEOUT, async (t) => {
    const fake = await away(t, 'is refused')
    assert.deepEqual(fake.positionsOf(GROUP), new Map())
  })
})

describe('groups by the requests of other versions', () => {
  for (const version of requests.joinGroup.versions) {
    it(`JoinGroup ${version}`, TIMEOUT, async (t) => {
      const { join, isWhole, fake } = await stage(t, 'classic', { speech: speechUpTo({ JoinGroup: version }) })
      const member = await join()
      await until('it holds all', () => isWhole(member))
      assert.ok(fake.requests.some((one) => one.key === requests.joinGroup.apiKey && one.version === version))
    })
  }

  for (const version of [7, 8, 9, 10]) {
    it(`OffsetCommit ${version} and OffsetFetch ${version}`, TIMEOUT, async (t) => {
      const speech = speechUpTo({ OffsetCommit: version, OffsetFetch: version })
      const { join, isWhole, fake } = await stage(t, 'consumer', { speech })
      const member = await join()
      await until('it holds all', () => isWhole(member))
      const cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap: [fake.bootstrap] })
      t.after(() => cluster.close())
      const [topic] = await cluster.metadata(['t'])
      const place = { topic: 't', partition: 3, topicId: topic!.id }
      await member.member.commit([{ ...place, offset: 77n }])
      assert.deepEqual(await member.member.committed([place]), new Map([['t:3', 77n]]))
      for (const key of [requests.offsetCommit.apiKey, requests.offsetFetch.apiKey]) {
        const used = fake.requests.filter((one) => one.key === key).map((one) => one.version)
        assert.ok(used.includes(version), `${key}: ${used.join()}`)
      }
    })
  }

  it(
    'a commit of an admin is taken while the group has no members, and refused while it has some',
    TIMEOUT,
    async (t) => {
      const { join, isWhole, fake } = await stage(t, 'consumer')
      const cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap: [fake.bootstrap] })
      t.after(() => cluster.close())
      const admin = new Admin(cluster)
      await admin.commitOffsets(GROUP, [{ topic: 't', partition: 0, offset: 3n }])
      assert.deepEqual(fake.positionsOf(GROUP), new Map([['t:0', 3n]]))
      const member = await join()
      await until('it holds all', () => isWhole(member))
      await assert.rejects(admin.commitOffsets(GROUP, [{ topic: 't', partition: 0, offset: 9n }]))
      assert.deepEqual(fake.positionsOf(GROUP), new Map([['t:0', 3n]]))
    },
  )
})
