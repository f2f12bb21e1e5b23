import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { type LocalCluster, startCluster } from '@mq/local'
import { within } from '@mq/testkit'
import { Admin } from '@platformatic/kafka'
import { Admin as MqAdmin } from '../src/admin/admin.ts'
import { topicIdOf } from '../src/group/commit-metadata.ts'
import { Cluster } from '../src/net/cluster.ts'
import { offsetCommitById } from '../src/protocol/requests.ts'
import { Fixture, type TestMember, Timeline, until, untilAsync } from './group-fixture.ts'
import { javaTool } from './kafka-tools.ts'

const PARTITIONS = 6
const CONFIGS = {
  'group.consumer.min.session.timeout.ms': '3000',
  'group.consumer.session.timeout.ms': '6000',
  'group.consumer.min.heartbeat.interval.ms': '300',
  'group.consumer.heartbeat.interval.ms': '500',
  'group.min.session.timeout.ms': '3000',
}
const PROTOCOLS = ['consumer', 'classic'] as const

describe('groups on real Kafka', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let admin: Admin
  let fixture: Fixture
  let topics = 0

  before(async () => {
    kafka = await startCluster({ name: 'groups', brokers: 1, configs: CONFIGS })
    admin = new Admin({ clientId: 'mq-test', bootstrapBrokers: [...kafka.bootstrap] })
    fixture = new Fixture(kafka.bootstrap)
  })

  after(async () => {
    await fixture?.close()
    await admin?.close()
    await kafka?.stop()
  })

  const create = async (partitions = PARTITIONS): Promise<string> => {
    const topic = `groups-${++topics}`
    await admin.createTopics({ topics: [topic], partitions, replicas: 1 })
    return topic
  }

  const isWhole = (timeline: Timeline, members: readonly TestMember[], topic: string): boolean => {
    const held = members.flatMap(({ member }) => member.assignment()).filter((one) => one.topic === topic)
    return (
      held.length === PARTITIONS &&
      new Set(held.map(({ partition }) => partition)).size === PARTITIONS &&
      timeline.holders.size === PARTITIONS
    )
  }

  // The broker is the slow part, so both take their turns at once.
  describe('by protocol', { concurrency: true }, () => {
    for (const protocol of PROTOCOLS) {
      describe(`by the ${protocol} protocol`, () => {
        const test = (name: string, body: () => Promise<void>): void => {
          it(name, async (context) => {
            const lack = protocol === 'consumer' ? await kafka.lacks('group.version') : undefined
            if (lack === undefined) await body()
            else context.skip(lack)
          })
        }

        test('two members share the partitions, and one takes over at once when the other closes (M1, M4)', async () => {
          const topic = await create()
          const timeline = new Timeline()
          const spec = { groupId: `share-${topic}`, topics: [topic], protocol }
          const first = fixture.member(timeline, spec)
          await first.member.start()
          await until('the first holds all', () => first.count() === PARTITIONS)
          const second = fixture.member(timeline, spec)
          await second.member.start()
          await until('both hold three', () => first.count() === 3 && second.count() === 3)
          assert.ok(isWhole(timeline, [first, second], topic))
          // Half of the session of a member that had not left.
          await within(3_000, async () => {
            await second.member.close()
            await until('the first holds all', () => first.count() === PARTITIONS)
          })
          assert.deepEqual(timeline.violations, [])
          assert.deepEqual(first.errors, [])
          await first.member.close()
          assert.equal(timeline.holders.size, 0)
        })

        test('a member that slept through its session loses everything at the first check, and joins again (M6)', async () => {
          const topic = await create()
          const timeline = new Timeline()
          let sleptMs = 0
          const clock = { ...systemDeps.clock, monotonicMs: () => systemDeps.clock.monotonicMs() + sleptMs }
          const deps = { ...systemDeps, clock }
          const sleeper = fixture.member(timeline, { groupId: `sleep-${topic}`, topics: [topic], protocol, deps })
          await sleeper.member.start()
          await until('it holds all', () => sleeper.count() === PARTITIONS)
          sleeper.member.check()
          assert.deepEqual(sleeper.lost, [])
          sleptMs = 6_500
          sleeper.member.check()
          assert.deepEqual([sleeper.count(), sleeper.lost.length], [0, PARTITIONS])
          await until('it holds all again', () => sleeper.count() === PARTITIONS)
          assert.deepEqual(timeline.violations, [])
          await sleeper.member.close()
        })

        test('a partition reaches its next owner only after onRevoked of the last one ended (W1, W2, G2)', async () => {
          const topic = await create()
          const timeline = new Timeline()
          const spec = { groupId: `slow-${topic}`, topics: [topic], protocol }
          const first = fixture.member(timeline, { ...spec, revokeMs: 1_500 })
          await first.member.start()
          await until('the first holds all', () => first.count() === PARTITIONS)
          const startMs = performance.now()
          const second = fixture.member(timeline, spec)
          await second.member.start()
          await until('both hold three', () => first.count() === 3 && second.count() === 3)
          assert.ok(performance.now() - startMs >= 1_500)
          assert.deepEqual(timeline.violations, [])
          assert.deepEqual([...first.lost, ...second.lost], [])
          await Promise.all([first.member.close(), second.member.close()])
        })

        test('what a dead member held goes to the others after its session, and its commits survive (M2)', async () => {
          const topic = await create()
          const timeline = new Timeline()
          const spec = { groupId: `death-${topic}`, topics: [topic], protocol }
          const first = fixture.member(timeline, spec)
          const second = fixture.member(timeline, spec)
          await first.member.start()
          await second.member.start()
          await until('both hold three', () => first.count() === 3 && second.count() === 3)
          const doomed = second.member.assignment()
          await second.member.commit(doomed.map((one) => ({ ...one, offset: BigInt(100 + one.partition) })))
          second.die()
          const startMs = performance.now()
          await within(18_000, async () => {
            await until('the dead one knows it lost all', () => second.count() === 0)
            await until('the first holds all', () => first.count() === PARTITIONS)
          })
          assert.ok(performance.now() - startMs > 3_000)
          assert.equal(second.lost.length, 3)
          assert.deepEqual(timeline.violations, [])
          const committed = await first.member.committed(
            Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })),
          )
          assert.deepEqual(
            committed,
            new Map(doomed.map(({ partition }) => [`${topic}:${partition}`, BigInt(100 + partition)])),
          )
          await assert.rejects(second.member.commit([{ topic, partition: doomed[0]?.partition ?? 0, offset: 999n }]), {
            code: 'MQ_GROUP_FENCED',
          })
          await Promise.all([first.member.close(), second.member.close()])
        })

        test('commits made while partitions move are stored, those of others are refused (F1, F2, F3)', async () => {
          const topic = await create()
          const timeline = new Timeline()
          const spec = { groupId: `commit-${topic}`, topics: [topic], protocol }
          let first: TestMember
          first = fixture.member(timeline, {
            ...spec,
            onRevoked: async (removed) => {
              await first.member.commit(removed.map((one) => ({ ...one, offset: 7n })))
            },
          })
          await first.member.start()
          await until('the first holds all', () => first.count() === PARTITIONS)
          assert.equal((await first.member.committed(first.member.assignment())).size, 0)
          const second = fixture.member(timeline, spec)
          let isDone = false
          let offset = 0n
          const kept = new Map<string, bigint>()
          const committing = (async () => {
            while (!isDone) {
              offset += 1n
              for (const one of first.member.assignment()) {
                try {
                  await first.member.commit([{ ...one, offset: 1_000n + offset }])
                  kept.set(`${topic}:${one.partition}`, 1_000n + offset)
                } catch (error) {
                  assert.equal((error as { code?: string }).code, 'MQ_GROUP_FENCED')
                }
              }
            }
          })()
          await second.member.start()
          await until('both hold three', () => first.count() === 3 && second.count() === 3)
          isDone = true
          await committing
          const moved = await second.member.committed(second.member.assignment())
          assert.equal(moved.size, 3)
          const left = await first.member.committed(first.member.assignment())
          for (const [key, value] of left) assert.equal(value, kept.get(key))
          const [foreign] = second.member.assignment()
          const [own] = first.member.assignment()
          assert.ok(foreign !== undefined && own !== undefined)
          await assert.rejects(
            first.member.commit([
              { ...foreign, offset: 5n },
              { ...own, offset: 4_000n },
            ]),
            { code: 'MQ_GROUP_FENCED' },
          )
          assert.equal((await first.member.committed([own])).get(`${topic}:${own.partition}`), 4_000n)
          assert.notEqual((await first.member.committed([foreign])).get(`${topic}:${foreign.partition}`), 5n)
          await Promise.all([first.member.close(), second.member.close()])
        })

        test('after a dozen of members came and went every partition has exactly one owner', async () => {
          const topic = await create()
          const timeline = new Timeline()
          const spec = { groupId: `churn-${topic}`, topics: [topic], protocol, revokeMs: 50 }
          const living: TestMember[] = []
          const opening: Promise<void>[] = []
          for (let step = 0; step < 14; step += 1) {
            if (step % 3 === 2) {
              const leaving = living.shift()
              if (leaving !== undefined) opening.push(leaving.member.close())
            } else {
              const joined = fixture.member(timeline, spec)
              living.push(joined)
              opening.push(joined.member.start().catch(() => {}))
            }
            await sleep((step * 37) % 250)
          }
          await Promise.all(opening)
          // Held once by all of them, and still so a while later: not on the way through.
          let sinceMs = Number.POSITIVE_INFINITY
          await until('every partition is held once, for two seconds', () => {
            const isSettled = isWhole(timeline, living, topic) && living.every((one) => [1, 2].includes(one.count()))
            sinceMs = isSettled ? Math.min(sinceMs, performance.now()) : Number.POSITIVE_INFINITY
            return performance.now() - sinceMs > 2_000
          })
          assert.deepEqual(timeline.violations, [])
          await Promise.all(living.map(({ member }) => member.close()))
          assert.equal(timeline.holders.size, 0)
        })

        test('a topic that comes later is waited for', async () => {
          const topic = `later-${protocol}`
          const timeline = new Timeline()
          const only = fixture.member(timeline, { groupId: `later-${protocol}`, topics: [topic], protocol })
          await only.member.start()
          assert.deepEqual(only.member.assignment(), [])
          await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 })
          await until('both partitions are ours', () => only.count() === 2)
          await only.member.close()
        })

        test('positions of a topic that was created again are not those of the old one, by id and by name (F5, V1)', async () => {
          const topic = `reborn-${protocol}`
          const groupId = `reborn-${protocol}`
          const cluster = new Cluster({ name: 'test', clientId: 'reborn', bootstrap: kafka.bootstrap })
          const mqAdmin = new MqAdmin(cluster)
          const idOf = async (): Promise<string> => (await cluster.metadata([topic], { refresh: true }))[0]?.id ?? ''
          await mqAdmin.createTopic({ name: topic, partitions: 1, replication: 1 })
          const first = await idOf()
          assert.notEqual(topicIdOf(first), undefined)
          const member = fixture.member(new Timeline(), { groupId, topics: [topic], protocol })
          const byName = fixture.member(new Timeline(), {
            groupId: `${groupId}-by-name`,
            topics: [topic],
            protocol,
            newestOffsetVersion: 9,
          })
          const groups = [member, byName]
          const hasIds = (await offsetCommitById.find(await cluster.anyConnection('group'))) !== undefined
          const place = { topic, partition: 0 }
          for (const one of groups) {
            await one.member.start()
            await until('the partition is ours', () => one.count() === 1)
            const finished = [{ first: 102n, end: 400n }]
            await one.member.commit([{ ...place, offset: 100n, topicId: first, finished, leaderEpoch: 0 }])
            const position = { offset: 100n, finished, leaderEpoch: 0 }
            assert.deepEqual(
              [...(await one.member.positions([{ ...place, topicId: first }]))],
              [[`${topic}:0`, position]],
            )
          }
          assert.equal((await mqAdmin.committedOffsets(groupId, [topic])).get(`${topic}:0`), 100n)
          await mqAdmin.deleteTopic(topic)
          let second = first
          await untilAsync('the topic is there again', async () => {
            await mqAdmin.createTopic({ name: topic, partitions: 1, replication: 1 }).catch(() => {})
            second = await idOf()
            return second !== first && topicIdOf(second) !== undefined
          })
          for (const one of groups) {
            await untilAsync('the partition is ours', async () => {
              // Under the consumer protocol the partition of the new topic comes as a new one.
              const late = await one.member.commit([{ ...place, offset: 100n, topicId: first }]).catch((error) => error)
              if (late instanceof MqError && late.code === 'MQ_GROUP_FENCED') return false
              assert.equal(late?.code, one === member && hasIds ? 'MQ_TOPIC_RECREATED' : undefined)
              return true
            })
            assert.deepEqual([...(await one.member.positions([{ ...place, topicId: second }]))], [])
          }
          const late = await mqAdmin.committedPositions(`${groupId}-by-name`, [topic])
          assert.deepEqual(
            late.map(({ offset, topicId, isOfFormerTopic }) => ({ offset, topicId, isOfFormerTopic })),
            [{ offset: 100n, topicId: first, isOfFormerTopic: true }],
          )
          assert.equal((await mqAdmin.committedOffsets(`${groupId}-by-name`, [topic])).size, 0)
          for (const one of groups) {
            await untilAsync('the partition of the new topic is ours', async () => {
              // The first late commit may have come before the coordinator took the partition of the former topic away.
              const now = await one.member.commit([{ ...place, offset: 7n, topicId: second }]).catch((error) => error)
              if (now instanceof MqError && now.code === 'MQ_GROUP_FENCED') return false
              assert.equal(now, undefined)
              return true
            })
            assert.equal((await one.member.committed([{ ...place, topicId: second }])).get(`${topic}:0`), 7n)
            await one.member.close()
          }
          await cluster.close()
        })

        test("Kafka's own tool sees the group and its offsets", async () => {
          const topic = await create()
          const groupId = `tool-${topic}`
          const only = fixture.member(new Timeline(), { groupId, topics: [topic], protocol })
          await only.member.start()
          await until('all are ours', () => only.count() === PARTITIONS)
          await only.member.commit([{ topic, partition: 0, offset: 0n }])
          const server = ['--bootstrap-server', kafka.bootstrap[0] ?? '']
          const tool = 'consumer.group.ConsumerGroupCommand'
          const described = await javaTool(tool, [
            ...server,
            '--describe',
            '--group',
            groupId,
            '--members',
            '--verbose',
          ])
          assert.match(described, new RegExp(`${groupId}\\s`))
          assert.match(described, /0,1,2,3,4,5/)
          const offsets = await javaTool(tool, [...server, '--describe', '--group', groupId])
          assert.match(offsets, new RegExp(`${topic}\\s+0\\s+0\\s`))
          await only.member.close()
        })
      })
    }
  })

  it('what is final ends the membership with one error that says so (M3)', async () => {
    const topic = await create()
    const broken = fixture.member(new Timeline(), {
      groupId: `broken-${topic}`,
      topics: [topic],
      onAssigned: () => Promise.reject(new Error('no room')),
    })
    // With the first partitions, which may come after an empty first assignment.
    await broken.member.start().catch(() => {})
    await until('it says so', () => broken.errors.length > 0)
    assert.match(broken.errors[0]?.message ?? '', /no room/)
    assert.deepEqual(broken.ends, broken.errors)
    assert.deepEqual(broken.member.assignment(), [])
    await broken.member.close()
  })

  it('members out of touch for a session lose everything, and share it again once the broker answers (M2, G4, J5)', async () => {
    const topic = await create()
    const isNewKnown = (await kafka.lacks('group.version')) === undefined
    const protocols = PROTOCOLS.filter((protocol) => protocol === 'classic' || isNewKnown)
    const groups = protocols.map((protocol) => {
      const timeline = new Timeline()
      const spec = { groupId: `silence-${protocol}`, topics: [topic], protocol }
      const members = [fixture.member(timeline, spec), fixture.member(timeline, spec)]
      return { timeline, members, isEven: () => members.every((one) => one.count() === PARTITIONS / 2) }
    })
    const all = groups.flatMap(({ members }) => members)
    await Promise.all(all.map(({ member }) => member.start()))
    await until('both groups share evenly', () => groups.every(({ isEven }) => isEven()))
    const [broker] = kafka.brokers
    broker?.pause()
    const startMs = performance.now()
    try {
      // A session takes 6 s.
      await within(8_000, () => until('everybody lost everything', () => all.every((one) => one.count() === 0)))
      assert.ok(performance.now() - startMs > 3_000)
    } finally {
      broker?.resume()
    }
    await until('both groups share evenly again', () => groups.every(({ isEven }) => isEven()))
    for (const { timeline } of groups) assert.deepEqual(timeline.violations, [])
    await Promise.all(all.map(({ member }) => member.close()))
  })
})
