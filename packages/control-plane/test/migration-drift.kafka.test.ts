/**
 * Somebody changes the old topic of a migration at every step, on a real cluster: nothing is lost, and the report is right about
 * each (source-topic T1-T3, readers R1-R3, delete-topic D7).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { Migration } from '@mq/contract'
import { Admin, Cluster, MemoryBudget, Producer, systemDeps } from '@mq/kafka'
import { installKafka, type LocalCluster, startCluster } from '@mq/local'
import { type Assembled, assemble } from '../src/control-plane.ts'
import { silentLogger } from '../src/logger.ts'
import type { ClusterAdmin, OpenAdmin } from '../src/provision/cluster-admin.ts'
import { kafkaAdminOpener } from '../src/provision/kafka-admin.ts'
import { temporaryFolder } from './harness.ts'

const STEPS = ['planned', 'sealing', 'refusing', 'draining'] as const
const DRIFTS = ['partitions-added', 'limit-changed', 'group-appearing', 'topic-recreated'] as const
type Step = (typeof STEPS)[number]
type Drift = (typeof DRIFTS)[number]

const RECORDS = 40
const settings = {
  codec: 'none',
  lingerMs: 0,
  batchBytes: 16_384,
  maxMessageBytes: 1_048_576,
  requestTimeoutMs: 5_000,
} as const

describe('a migration whose old topic is changed by somebody else', { timeout: 450_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let admin: Admin
  /** Called before a request of the control plane about a topic. */
  const hooks = new Map<string, (call: string) => Promise<void>>()

  before(async () => {
    kafka = await startCluster({ name: 'drift' })
    cluster = new Cluster({ name: 'drift', clientId: 'test', bootstrap: kafka.bootstrap })
    admin = new Admin(cluster)
  })
  after(async () => {
    await cluster?.close()
    await kafka?.stop()
  })

  const openAdmin: OpenAdmin = (address) => {
    const real = kafkaAdminOpener({}, systemDeps)(address)
    return new Proxy(real, {
      get: (of, name: keyof ClusterAdmin) => {
        const method = of[name] as (...args: unknown[]) => Promise<unknown>
        return async (...args: unknown[]) => {
          if (typeof args[0] === 'string') await hooks.get(args[0])?.(name)
          return method.apply(of, args)
        }
      },
    })
  }
  const start = async (t: TestContext): Promise<Assembled> => {
    const plane = await assemble({
      port: 0,
      dataDir: temporaryFolder(t),
      logger: silentLogger,
      clusters: [{ name: 'a', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' }],
      openAdmin,
      migrationTimes: {
        ...{ warmMs: 200, watchMs: 500, pollMs: 100, quietMs: 0, deleteAfterMs: 0 },
        // Kafka's own tool takes its time to start on a busy machine, and a step that waits for it is not to be undone.
        ...{ prepareMs: 300_000, sealMs: 300_000 },
        ...{ groupsMs: 100, silentMs: 300, lostMs: 1_000 },
      },
    })
    t.after(() => plane.close())
    return plane
  }
  const call = async (plane: Assembled, method: 'GET' | 'POST' | 'PUT', url: string, body?: object) => {
    // Asked again where a broker of a busy machine was late.
    for (let tries = 1; ; tries++) {
      const answer = await plane.app.inject({
        method,
        url,
        headers: { host: '127.0.0.1', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
        ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
      })
      const found = JSON.parse(answer.payload)
      if (found.retryable !== true || tries === 60) return { status: answer.statusCode, body: found }
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
  }
  const until = async (plane: Assembled, number: number, holds: (found: Migration) => boolean): Promise<Migration> => {
    const deadline = performance.now() + 120_000
    for (;;) {
      const found = Migration.parse((await call(plane, 'GET', `/v1/migrations/${number}`)).body)
      if (holds(found)) return found
      assert.ok(performance.now() < deadline, `still ${found.state}: ${JSON.stringify([found.steps, found.problem])}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const write = async (topic: string, partitions: number, records: number): Promise<void> => {
    const producer = new Producer({ cluster, settings, budget: new MemoryBudget(1_048_576), sendDeadlineMs: 120_000 })
    const handle = producer.topic(topic, partitions)
    await Promise.all(Array.from({ length: records }, (_, n) => producer.send(handle, `key-${n}`, `value ${n}`)))
    await producer.close()
  }
  const endsOf = async (topic: string): Promise<bigint[]> => {
    const [found] = await admin.describeTopics([topic])
    const partitions = found!.partitions.map(({ index }) => index)
    const ends = await admin.listOffsets(topic, partitions, 'latest')
    return partitions.map((partition) => ends.get(partition) ?? 0n)
  }
  const readAll = async (group: string, topic: string): Promise<void> => {
    const ends = await endsOf(topic)
    await admin.commitOffsets(
      group,
      ends.map((offset, partition) => ({ topic, partition, offset })),
    )
  }
  const change = async (drift: Drift, topic: string, partitions: number): Promise<void> => {
    if (drift === 'limit-changed') await admin.alterTopicConfigs(topic, { 'max.message.bytes': '2000000' })
    if (drift === 'group-appearing') await admin.commitOffsets(`kcat.${topic}`, [{ topic, partition: 0, offset: 0n }])
    if (drift === 'topic-recreated') {
      await admin.deleteTopic(topic)
      await admin.createTopic({ name: topic, partitions, replication: 1 })
    }
    if (drift !== 'partitions-added') return
    const { classPath, java } = await installKafka()
    await promisify(execFile)(java.path, [
      ...['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath],
      ...['org.apache.kafka.tools.TopicCommand', '--bootstrap-server', kafka.bootstrap.join(',')],
      ...['--alter', '--topic', topic, '--partitions', String(partitions + 2)],
    ])
    const deadline = performance.now() + 120_000
    while ((await admin.describeTopics([topic]))[0]?.partitions.length !== partitions + 2) {
      assert.ok(performance.now() < deadline, 'the partitions are not there')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** One migration with one change at one step. */
  const scenario = async (plane: Assembled, drift: Drift, step: Step): Promise<void> => {
    const what = `${drift} while ${step}`
    const id = `drift.${drift}.${step}`
    const topic = `${id}.e1`
    const group = `billing@${id}`
    const made = await call(plane, 'PUT', `/v1/ids/${id}`, { intent: {} })
    assert.equal(made.status, 200, JSON.stringify(made.body))
    const { partitions } = made.body
    await write(topic, partitions, RECORDS)
    await admin.commitOffsets(group, [{ topic, partition: 0, offset: 0n }])
    let stored = RECORDS
    let isSealAsked = false
    let changing: Promise<void> | undefined
    // Whoever asks again because it took too long waits for the same change.
    const now = (): Promise<void> => (changing ??= change(drift, topic, partitions))
    hooks.set(topic, async (asked) => {
      if (asked === 'requestSeal') {
        isSealAsked = true
        if (step === 'sealing') await now()
      }
      if (asked === 'sealedEnds' && isSealAsked && step === 'refusing') await now()
    })
    if (step === 'planned') {
      await now()
      if (drift === 'partitions-added') {
        // Some of them go to the added partitions.
        await write(topic, partitions + 2, RECORDS)
        stored += RECORDS
      }
    }
    const begun = await call(plane, 'POST', `/v1/ids/${id}/migrations`, { partitions: partitions + 3 })
    if (drift === 'topic-recreated' && step === 'planned') {
      assert.equal(begun.body.code, 'MQ_MIGRATION_REFUSED', what)
      assert.match(begun.body.message, /created anew/)
      return
    }
    assert.equal(begun.status, 200, `${what}: ${JSON.stringify(begun.body)}`)
    const { number } = begun.body.migration
    let found = await until(plane, number, ({ state }) => state === 'draining')
    if (step === 'draining') await now()
    const claims = (one: Migration, text: string) =>
      one.report.verdict.checks.find(({ claim }) => claim.startsWith(text))
    const ended = ({ steps, state }: Migration): boolean =>
      state === 'retired' && steps.some((one) => one.step === 'delete-topic' && one.endedAtMs !== null)
    if (drift === 'topic-recreated') {
      if (step !== 'draining') await readAll(group, topic)
      found = await until(plane, number, ended)
      assert.equal(claims(found, 'every group')?.result, 'broken', `${what}: ${claims(found, 'every group')?.evidence}`)
      if (step === 'draining')
        assert.equal((await admin.describeTopics([topic])).length, 1, `${what}: it is not mQ's to delete`)
      return
    }
    const ends = (await endsOf(topic)).reduce((sum, end) => sum + end, 0n)
    assert.equal(ends, BigInt(stored), `${what}: records are in the old topic`)
    if (drift === 'partitions-added') {
      found = await until(plane, number, ({ endOffsets }) => endOffsets?.length === partitions + 2)
      const sealed = found.endOffsets!.reduce((sum, end) => sum + BigInt(end), 0n)
      assert.equal(sealed, BigInt(stored), `${what}: every record stands before the ends`)
      assert.equal(found.proofs.length, partitions + 2)
    }
    if (drift === 'group-appearing') {
      await readAll(group, topic)
      found = await until(plane, number, ({ problem }) => problem?.message.includes(`kcat.${topic}`) === true)
      assert.equal(found.state, 'draining', `${what}: it is waited for`)
      const dropped = await call(plane, 'POST', `/v1/ids/${id}/groups/drop`, { group: `kcat.${topic}` })
      assert.deepEqual([dropped.body.kind, dropped.body.positions], ['other', 1], what)
    }
    assert.equal((await admin.describeTopics([topic])).length, 1, `${what}: nothing unread is deleted`)
    if (drift === 'limit-changed') {
      const deadline = performance.now() + 120_000
      while ((await admin.topicConfigs(topic)).get('max.message.bytes') !== '78') {
        assert.ok(performance.now() < deadline, `${what}: the seal is not set again`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    await readAll(group, topic)
    found = await until(plane, number, ended)
    assert.deepEqual(await admin.describeTopics([topic]), [], `${what}: what every group has read goes`)
    assert.equal(found.report.verdict.result, 'held', `${what}: ${JSON.stringify(found.report.verdict.checks)}`)
    assert.deepEqual(found.stragglers, [], what)
    const added = /2 partitions (more than mQ made|were added)/
    assert.equal(added.test(claims(found, 'nothing was added')?.evidence ?? ''), drift === 'partitions-added', what)
    assert.equal(/was dropped by/.test(claims(found, 'every group')?.evidence ?? ''), drift === 'group-appearing', what)
    assert.equal(claims(found, 'every group')?.result, 'proven', what)
  }

  for (const drift of DRIFTS) {
    it(`loses nothing, and says what was done: ${drift}, at every step`, async (t) => {
      const plane = await start(t)
      await Promise.all(STEPS.map((step) => scenario(plane, drift, step)))
    })
  }
})
