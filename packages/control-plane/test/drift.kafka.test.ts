/**
 * Eleven kinds of drift made on real brokers: seen, accepted or repaired, and the alarm ends. Copies are spread over the racks that brokers
 * name (drift-watch W1-W3, resolver R1-R3, requirements R3).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { Admin, Cluster, systemDeps } from '@mq/kafka'
import { installKafka, type LocalCluster, startCluster } from '@mq/local'
import { type Assembled, assemble } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import { kafkaAdminOpener } from '../src/provision/kafka-admin.ts'
import { temporaryFolder } from './harness.ts'

interface Kind {
  readonly id: string
  readonly change: (topic: string) => Promise<void>
  readonly seen: string
  readonly alarm: boolean
  readonly end: readonly ('accept' | 'repair' | 'migrate')[]
}

describe('drift on real brokers', { timeout: 600_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin

  before(async () => {
    kafka = await startCluster({ name: 'drifts', brokers: 3, racks: ['zone-a', 'zone-b', 'zone-c'] })
    cluster = new Cluster({ name: 'drifts', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  })
  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  const call = async (plane: Assembled, method: 'GET' | 'PUT' | 'POST', url: string, payload?: object) => {
    const answer = await plane.app.inject({
      method,
      url,
      headers: { host: '127.0.0.1:7070' },
      ...(payload && { payload }),
    })
    assert.equal(answer.statusCode, 200, answer.payload)
    return answer.json()
  }

  const tool = async (name: string, ...args: string[]): Promise<void> => {
    const { classPath, java } = await installKafka()
    await promisify(execFile)(java.path, [
      ...['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath],
      ...[name, '--bootstrap-server', kafka.bootstrap.join(','), ...args],
    ])
  }

  const set = (name: string, value: string) => (topic: string) => admin.alterTopicConfigs(topic, { [name]: value })

  it('is seen, and its alarm ends when it is accepted, repaired or moved away from', async (t) => {
    const folder = temporaryFolder(t)
    const plane = await assemble({
      port: 0,
      dataDir: temporaryFolder(t),
      logger: silentLogger,
      clusters: [{ name: 'a', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' }],
      openAdmin: kafkaAdminOpener({}, systemDeps),
      migrationTimes: { warmMs: 200, watchMs: 200, pollMs: 100, quietMs: 0, deleteAfterMs: 0 },
      driftEveryMs: 0,
      driftSettleMs: 0,
      checkEveryMs: 3_600_000,
    })
    t.after(() => plane.close())
    await plane.clusters.checkAll()
    const [view] = (await call(plane, 'GET', '/v1/clusters')).clusters
    assert.deepEqual([view.brokers, view.zones], [3, 3])

    const kinds: Kind[] = [
      ['retention.ms', '172800000', true, 'accept'],
      ['retention.ms', '864000000', false, 'repair'],
      ['min.insync.replicas', '1', true, 'repair'],
      ['unclean.leader.election.enable', 'true', true, 'repair'],
      ['max.message.bytes', '2000', true, 'repair'],
      ['max.message.bytes', '9000000', false, 'accept'],
      ['cleanup.policy', 'compact', true, 'repair'],
    ].map(([name, value, alarm, end], index) => ({
      id: `setting.n${index}`,
      change: set(name as string, value as string),
      seen: name as string,
      alarm: alarm as boolean,
      end: [end as 'accept' | 'repair'],
    }))
    kinds.push(
      {
        id: 'topic.missing',
        change: (topic) => admin.deleteTopic(topic),
        seen: 'topic-missing',
        alarm: true,
        end: ['repair'],
      },
      {
        id: 'topic.recreated',
        change: async (topic) => {
          await admin.deleteTopic(topic)
          const again = { name: topic, partitions: 4, replication: 3, configs: { 'retention.ms': '604800000' } }
          await until('the topic is gone', () =>
            admin.createTopic(again).then(
              () => true,
              () => false,
            ),
          )
        },
        seen: 'topic-recreated',
        alarm: true,
        end: ['accept', 'repair'],
      },
      {
        id: 'partitions.added',
        change: (topic) =>
          tool('org.apache.kafka.tools.TopicCommand', '--alter', '--topic', topic, '--partitions', '6'),
        seen: 'partitions-added',
        alarm: true,
        end: ['migrate'],
      },
      {
        id: 'copies.fewer',
        change: async (topic) => {
          const [facts] = await admin.describeTopics([topic])
          const partitions = facts!.partitions.map(({ index, replicas }) => ({
            topic,
            partition: index,
            replicas: replicas.slice(0, 2),
          }))
          const file = join(folder, 'reassignment.json')
          writeFileSync(file, JSON.stringify({ version: 1, partitions }))
          const name = 'org.apache.kafka.tools.reassign.ReassignPartitionsCommand'
          await tool(name, '--reassignment-json-file', file, '--execute')
        },
        seen: 'copies-missing',
        alarm: true,
        end: ['accept'],
      },
    )

    const topics = new Map<string, string>()
    for (const { id } of kinds) {
      const made = await call(plane, 'PUT', `/v1/ids/${id}`, { intent: { minZones: id === 'copies.fewer' ? 2 : 3 } })
      assert.equal(made.replication, 3)
      topics.set(id, made.epochs[0].topic)
    }
    const facts = await plane.clusters.use('a', 'looking', (of) => of.findTopics([...topics.values()]))
    assert.deepEqual(new Set([...facts.values()].map(({ zones }) => zones)), new Set([3]), 'a copy in every rack')
    await plane.drift.look()
    assert.deepEqual(plane.drift.topics(), [], 'nothing was changed yet')

    for (const { id, change, seen, alarm, end } of kinds) {
      await change(topics.get(id)!)
      await until(`${id} is seen`, async () => {
        await plane.drift.look()
        return plane.drift.of(id).some(({ kind, setting }) => (setting ?? kind) === seen)
      })
      const [difference] = plane.drift.of(id).filter(({ kind, setting }) => (setting ?? kind) === seen)
      assert.equal(difference?.alarm, alarm, id)
      for (const action of end) {
        if (action === 'migrate') await call(plane, 'POST', `/v1/ids/${id}/migrations`, { partitions: 4 })
        else {
          const only = end.length > 1 && action === 'accept' ? { only: [seen] } : {}
          await call(plane, 'POST', `/v1/ids/${id}/drift/${action}`, only)
        }
      }
      await until(`${id} is as it should be`, async () => {
        await plane.drift.look()
        return plane.drift.of(id).length === 0
      })
    }
    assert.deepEqual(plane.drift.topics(), [])
    const { entries } = await call(plane, 'GET', '/v1/journal?limit=1000')
    const count = (kind: string): number => entries.filter((one: { kind: string }) => one.kind === kind).length
    assert.deepEqual([count('drift-accepted'), count('drift-repaired')], [4, 7])
  })
})

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `not within a minute: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
