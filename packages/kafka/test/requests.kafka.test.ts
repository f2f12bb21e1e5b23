/** Every version of every request that mQ speaks, at a real broker: what older ones answer is read as the newest are (requests T1). */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type LocalCluster, startCluster } from '@mq/local'
import type { Connection } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'
import { knownApisOf, pretendApis } from '../src/protocol/api-versions.ts'
import { BrokerApis } from '../src/protocol/broker-apis.ts'
import { sendFetch } from '../src/protocol/fetch-request.ts'
import { kafkaCodeOf, responseOf } from '../src/protocol/kafka-errors.ts'
import type { KafkaRequest } from '../src/protocol/kafka-request.ts'
import { type ProduceAnswer, sendProduce } from '../src/protocol/produce-request.ts'
import * as requests from '../src/protocol/requests.ts'
import { BatchEncoder, stamp } from '../src/records/batch-encoder.ts'

const TOPIC = 'spoken'
const GROUP = 'spoken-group'
const TOPIC_RESOURCE = 2 as const
const BROKERS = 1 as const
const SET = 0 as const
const RESOURCE = [{ resourceType: TOPIC_RESOURCE, resourceName: TOPIC, configurationKeys: ['retention.ms'] }]

/** @returns false, to ask again; anything else is thrown */
function isLoading(error: unknown): false {
  if (kafkaCodeOf(error) !== 14 && kafkaCodeOf(error) !== 15) throw error
  return false
}

describe('every version of every request', { timeout: 300_000 }, () => {
  let kafka: LocalCluster
  let cluster: Cluster
  let connection: Connection
  let own: BrokerApis
  const tried = new Map<string, number[]>()

  before(async () => {
    kafka = await startCluster({ name: 'spoken' })
    cluster = new Cluster({ name: 'c', clientId: 'test', bootstrap: kafka.bootstrap })
    const admin = new Admin(cluster)
    await admin.createTopic({ name: TOPIC, partitions: 2, replication: 1 })
    await admin.commitOffsets(GROUP, [{ topic: TOPIC, partition: 0, offset: 3n }])
    connection = await cluster.openConnection(kafka.brokers[0]!.nodeId, 'admin')
    own = knownApisOf(connection)!
  })
  after(async () => {
    connection?.socket.destroy()
    await cluster?.close()
    await kafka?.stop()
  })

  /** The broker as if it spoke these versions alone, by api key. */
  const onlySpeaking = (versions: Readonly<Record<number, number>>): void => {
    const ranges = [...own.ranges].map(([key, range]) => {
      const version = versions[key]
      return [key, version === undefined ? range : { min: version, max: version }] as const
    })
    pretendApis(connection, new BrokerApis(ranges, own.features))
  }
  const spokenOf = ({
    apiKey,
    versions,
  }: {
    readonly apiKey: number
    readonly versions: readonly number[]
  }): number[] => versions.filter((one) => own.highest(apiKey, [one]) === one)

  /** Sends it in each version; what is picked of the answers must be the same in all. */
  async function sameInAll<Args extends readonly unknown[] | [], Answer>(
    request: KafkaRequest<Args, Answer>,
    args: (version: number) => NoInfer<Args>,
    pick: (answer: Answer) => unknown,
  ): Promise<void> {
    let first: unknown
    for (const version of spokenOf(request)) {
      onlySpeaking({ [request.apiKey]: version })
      const asked = request.send(connection, ...args(version))
      const answer = await asked.catch((error: unknown) => {
        const partial = responseOf<Answer>(error)
        if (partial === undefined) throw new Error(`${request.name} v${version}: ${String(error)}`, { cause: error })
        return partial
      })
      const picked = pick(answer)
      first ??= picked
      assert.deepEqual(picked, first, `${request.name} v${version}`)
      tried.set(request.name, [...(tried.get(request.name) ?? []), version])
    }
  }

  test('about topics', async () => {
    await sameInAll(
      requests.metadata,
      () => [[TOPIC], false, false],
      ({ brokers, clusterId, topics }) => {
        const partitions = topics[0]?.partitions.map(({ partitionIndex, leaderId, leaderEpoch, isrNodes }) => {
          return { partitionIndex, leaderId, leaderEpoch, isrNodes }
        })
        const places = brokers.map(({ nodeId, host, port }) => ({ nodeId, host, port }))
        return { places, clusterId, name: topics[0]?.name, partitions }
      },
    )
    await sameInAll(
      requests.createTopics,
      (version) => [
        [{ name: `new-${version}`, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
        5_000,
        false,
      ],
      ({ topics }) => topics.map(({ errorCode }) => errorCode),
    )
    const made = spokenOf(requests.createTopics)
    await sameInAll(
      requests.deleteTopics,
      (version) => [[{ name: made.includes(version) ? `new-${version}` : `new-${made.at(-1)}` }], 5_000],
      ({ responses }) => responses.map(({ errorCode }) => errorCode === 0 || errorCode === 3),
    )
    await sameInAll(
      requests.describeConfigs,
      () => [RESOURCE],
      ({ results }) =>
        results.map(({ errorCode, resourceName, configs }) => ({
          errorCode,
          resourceName,
          configs: configs.map(({ name, value }) => ({ name, value })),
        })),
    )
    await sameInAll(
      requests.incrementalAlterConfigs,
      () => [
        [
          {
            resourceType: TOPIC_RESOURCE,
            resourceName: TOPIC,
            configs: [{ name: 'retention.ms', configOperation: SET, value: '5' }],
          },
        ],
        true,
      ],
      ({ responses }) => responses.map(({ errorCode, resourceName }) => ({ errorCode, resourceName })),
    )
  })

  test('records by produce and fetch', async () => {
    const [topic] = await cluster.metadata([TOPIC], { refresh: true })
    for (const [place, version] of spokenOf(requests.produce).entries()) {
      const encoder = new BatchEncoder(Buffer.alloc(BatchEncoder.bytesFor(100)))
      encoder.tryAppend(null, `value-${version}`, undefined, Date.now(), 100)
      encoder.seal()
      const batch = Buffer.from(encoder.sealed())
      stamp(batch, null, { producerId: -1n, producerEpoch: -1, baseSequence: -1 })
      const send = (header: Buffer): Promise<ProduceAnswer> =>
        new Promise((resolve, reject) => {
          const entry = { topic: TOPIC, partition: 0, header, records: null }
          sendProduce(connection, version, [entry], 5_000, (error, answer) => {
            if (answer === undefined) reject(error ?? new Error('no answer'))
            else resolve(answer)
          })
        })
      const { results } = await send(batch)
      assert.deepEqual(
        results.map(({ topic: name, partition, code, baseOffset }) => [name, partition, code, baseOffset]),
        [[TOPIC, 0, 0, BigInt(place)]],
        `Produce v${version}`,
      )
      const damaged = Buffer.from(batch)
      damaged.writeUInt32BE((damaged.readUInt32BE(17) ^ 1) >>> 0, 17)
      assert.equal((await send(damaged)).results[0]?.code, 2, `Produce v${version}`)
      tried.set('Produce', [...(tried.get('Produce') ?? []), version])
    }
    const stored = spokenOf(requests.produce).length
    for (const version of spokenOf(requests.fetch)) {
      const partitions = [{ partition: 0, leaderEpoch: -1, offset: 0, maxBytes: 1_000_000 }]
      const { errorCode, byId, topics, buffer } = await sendFetch(connection, version, {
        maxWaitMs: 1_000,
        minBytes: 1,
        maxBytes: 1_000_000,
        isolation: 'read_committed',
        topics: [{ name: TOPIC, id: topic!.id, partitions }],
      })
      assert.equal(errorCode, 0)
      assert.equal(topics[0]?.topic, byId ? topic!.id : TOPIC)
      const [part] = topics[0].partitions
      assert.deepEqual([part?.partition, part?.errorCode, part?.highWatermark], [0, 0, stored], `Fetch v${version}`)
      const text = buffer.subarray(part!.start, part!.end).toString('latin1')
      for (const one of spokenOf(requests.produce)) assert.ok(text.includes(`value-${one}`), `Fetch v${version}`)
      tried.set('Fetch', [...(tried.get('Fetch') ?? []), version])
    }
    await sameInAll(
      requests.listOffsets,
      () => [
        -1,
        0,
        [
          {
            name: TOPIC,
            partitions: [0, 1].map((index) => ({ partitionIndex: index, currentLeaderEpoch: -1, timestamp: -1n })),
          },
        ],
      ],
      ({ topics }) =>
        topics.map(({ name, partitions }) => [
          name,
          partitions.map((one) => [one.partitionIndex, one.errorCode, one.offset]),
        ]),
    )
    await sameInAll(
      requests.offsetForLeaderEpoch,
      () => [-1, [{ name: TOPIC, partitions: [{ partitionIndex: 0, currentLeaderEpoch: -1, leaderEpoch: 0 }] }]],
      ({ topics }) =>
        topics.map((one) => [one.topic, one.partitions.map(({ partition, endOffset }) => [partition, endOffset])]),
    )
    // The coordinator of transactions comes up with the first question.
    while (!(await requests.initProducerId.send(connection, null, 60_000, -1n, -1).then(() => true, isLoading)));
    await sameInAll(
      requests.initProducerId,
      () => [null, 60_000, -1n, -1],
      ({ errorCode, producerEpoch }) => [errorCode, producerEpoch],
    )
  })

  test('about groups from outside', async () => {
    await sameInAll(
      requests.findCoordinator,
      () => [0, [GROUP, 'another']],
      ({ coordinators }) => coordinators.map(({ key, errorCode, nodeId }) => ({ key, errorCode, nodeId })),
    )
    await sameInAll(
      requests.offsetFetch,
      () => [
        [
          { groupId: GROUP, memberEpoch: -1, topics: null },
          { groupId: 'nobody', memberEpoch: -1, topics: [{ name: TOPIC, partitionIndexes: [1] }] },
        ],
        true,
      ],
      ({ groups }) =>
        groups.map(({ groupId, errorCode, topics }) => ({
          groupId,
          errorCode,
          topics: topics.map(({ name, partitions }) => [
            name,
            partitions.map((one) => [one.partitionIndex, one.committedOffset]),
          ]),
        })),
    )
    await sameInAll(
      requests.offsetCommit,
      (version) => [
        `committed-${version}`,
        -1,
        '',
        null,
        [
          {
            name: TOPIC,
            partitions: [{ partitionIndex: 0, committedOffset: 9n, committedLeaderEpoch: -1, committedMetadata: 'm' }],
          },
        ],
      ],
      ({ topics }) => topics.map(({ name, partitions }) => [name, partitions]),
    )
    await sameInAll(
      requests.describeGroups,
      () => [[GROUP, 'nobody'], false],
      ({ groups }) => groups.map(({ groupId, groupState, members }) => [groupId, groupState, members.length]),
    )
    await sameInAll(
      requests.listGroups,
      () => [[], []],
      ({ groups }) =>
        groups.some(({ groupId, groupState }) => groupId === GROUP && (groupState === 'Empty' || groupState === '')),
    )
    await sameInAll(
      requests.offsetDelete,
      () => ['nobody', [{ name: TOPIC, partitions: [{ partitionIndex: 0 }] }]],
      ({ errorCode }) => errorCode,
    )
    await sameInAll(
      requests.deleteGroups,
      () => [['nobody']],
      ({ results }) => results.map(({ groupId, errorCode }) => [groupId, errorCode]),
    )
  })

  test('membership of a classic group', async () => {
    const metadata = Buffer.from([0, 1, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff])
    const protocols = [{ name: 'range', metadata }]
    const cycle = [requests.joinGroup, requests.syncGroup, requests.heartbeat, requests.leaveGroup]
    const rounds = Math.max(...cycle.map((request) => spokenOf(request).length))
    for (let round = 0; round < rounds; round += 1) {
      const versions = Object.fromEntries(
        cycle.map((request) => [request.apiKey, spokenOf(request)[round] ?? spokenOf(request).at(-1)!]),
      )
      onlySpeaking(versions)
      const groupId = `classic-${round}`
      const join = (memberId: string) =>
        requests.joinGroup.send(connection, groupId, 10_000, 10_000, memberId, null, 'consumer', protocols, null)
      const required = await join('').catch((error: unknown) => error)
      assert.equal(kafkaCodeOf(required), 79, JSON.stringify(versions))
      const memberId = responseOf<{ memberId: string }>(required)!.memberId
      const { generationId, leader, members } = await join(memberId)
      assert.deepEqual([leader, members.map((one) => one.memberId)], [memberId, [memberId]])
      assert.deepEqual(Buffer.from(members[0]!.metadata!), metadata)
      const plan = [{ memberId, assignment: Buffer.from('mine') }]
      const { assignment } = await requests.syncGroup.send(
        connection,
        groupId,
        generationId,
        memberId,
        null,
        'consumer',
        'range',
        plan,
      )
      assert.equal(assignment.toString(), 'mine')
      await requests.heartbeat.send(connection, groupId, generationId, memberId, null)
      await requests.leaveGroup.send(connection, groupId, [{ memberId, reason: 'over' }])
      const late = requests.heartbeat.send(connection, groupId, generationId, memberId, null)
      await assert.rejects(late, (error) => kafkaCodeOf(error) === 25)
      for (const request of cycle) {
        tried.set(request.name, [...new Set([...(tried.get(request.name) ?? []), versions[request.apiKey]!])])
      }
    }
  })

  test('about brokers', async () => {
    await sameInAll(
      requests.describeLogDirs,
      () => [[{ name: TOPIC, partitions: [0, 1] }]],
      ({ errorCode, results }) => [
        errorCode,
        results.map(({ errorCode: code, topics }) => [
          code,
          topics.map(({ name, partitions }) => [
            name,
            partitions
              .map((one) => [one.partitionIndex, one.partitionSize])
              .toSorted((a, b) => Number(a[0]) - Number(b[0])),
          ]),
        ]),
      ],
    )
    await sameInAll(
      requests.describeClientQuotas,
      () => [[], false],
      ({ errorCode, entries }) => [errorCode, entries],
    )
    await sameInAll(
      requests.describeCluster,
      () => [false, BROKERS],
      ({ brokers }) => brokers.length,
    )
    await sameInAll(
      requests.describeProducers,
      () => [[{ name: TOPIC, partitionIndexes: [0] }]],
      ({ topics }) => topics.map(({ name, partitions }) => [name, partitions.map(({ errorCode }) => errorCode)]),
    )
  })

  test('left out no version that this broker speaks', () => {
    const elsewhere = new Set([
      'ConsumerGroupHeartbeat',
      'ConsumerGroupDescribe',
      'OffsetCommit by topic id',
      'OffsetFetch by topic id',
    ])
    for (const request of requests.allRequests) {
      if (elsewhere.has(request.name)) continue
      assert.deepEqual(tried.get(request.name), spokenOf(request), request.name)
    }
  })
})
