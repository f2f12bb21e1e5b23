/**
 * The shapes of messages against the library: what its clients write is what would be written here, byte for byte, and what is written
 * here is what they read, in every version that both have.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as library from '@platformatic/kafka'
import type { Api } from '../src/protocol/api.ts'
import { allApis } from '../src/protocol/messages/all-apis.ts'
import { chanceOf, leavesOf, leavesOfObject, type SampleOptions, sampleOf } from './wire-samples.ts'

const SEED = 848

// biome-ignore lint/suspicious/noExplicitAny: messages of all kinds, and functions of the library that take their parts
type Any = any

interface LibraryVersion {
  createRequest(...args: unknown[]): library.Writer
  parseResponse(correlationId: number, key: number, version: number, reader: library.Reader): unknown
}

interface Check {
  /** What the library's `createRequest` is given for a request of ours. */
  readonly args: (request: Any, version: number) => unknown[]
  /** What the library writes whatever it is told, or takes in a form of its own. */
  readonly fixed?: Readonly<Record<string, unknown>>
  /** Where the library's answer is in another order than its bytes. */
  readonly answer?: (answer: Any) => unknown
  /** Below it nothing is null here, because Kafka or the library does not allow it there. */
  readonly nullableSince?: number
}

const NO_ID = '00000000-0000-0000-0000-000000000000'
/** What stands for something that is not told. */
const ADDED = new Set<unknown>([
  0,
  1,
  -1,
  0n,
  -1n,
  '',
  null,
  false,
  -2_147_483_648,
  '00000000-0000-0000-0000-000000000000',
])

const named = (one: Any): Any => ({
  ...one,
  partitions: one.partitions.map((partition: Any) => ({ ...partition, partitionIndex: partition.partition })),
})
const offsetTopics = (topics: Any[]): Any =>
  topics?.map(({ name, partitions }) => ({ name, partitionIndexes: partitions })) ?? null

const checks: Readonly<Record<string, Check>> = {
  ListOffsets: {
    args: ({ replicaId, isolationLevel, topics }) => [
      replicaId,
      isolationLevel,
      topics.map(({ name, partitions }: Any) => ({
        name,
        partitions: partitions.map((one: Any) => ({
          ...one,
          partitionIndex: one.partition,
          timestamp: one.timestampMs,
        })),
      })),
    ],
  },
  Metadata: {
    args: ({ topics, allowAutoTopicCreation, includeClusterOperations, includeTopicOperations }, version) =>
      version >= 8 && version <= 10
        ? [topics, allowAutoTopicCreation, includeTopicOperations, includeClusterOperations]
        : [topics, allowAutoTopicCreation, includeTopicOperations],
    // Before version 12 the library asks by name only.
    fixed: { includeClusterOperations: false, topicId: NO_ID },
    nullableSince: 12,
    answer: ({ clusterAuthorizedOperations, ...others }) => ({ ...others, clusterAuthorizedOperations }),
  },
  OffsetCommit: {
    args: ({ groupId, generation, memberId, instanceId, topics }) => [
      groupId,
      generation,
      memberId,
      instanceId,
      topics.map(({ name, partitions }: Any) => ({
        name,
        partitions: partitions.map((one: Any) => ({
          partitionIndex: one.partition,
          committedOffset: one.offset,
          committedLeaderEpoch: one.leaderEpoch,
          committedMetadata: one.metadata,
        })),
      })),
    ],
    fixed: { retentionMs: -1n },
  },
  OffsetFetch: {
    args: ({ groupId, topics, groups, requireStable }, version) => [
      version < 8
        ? [{ groupId, topics: offsetTopics(topics) }]
        : groups.map((group: Any) => ({ ...group, topics: offsetTopics(group.topics) })),
      requireStable,
    ],
    nullableSince: 2,
  },
  FindCoordinator: {
    args: ({ key, keyType, keys }, version) => [keyType, version < 4 ? [key] : keys],
  },
  JoinGroup: {
    args: (one) => [
      one.groupId,
      one.sessionTimeoutMs,
      one.rebalanceTimeoutMs,
      one.memberId,
      one.instanceId,
      one.protocolType,
      one.protocols,
      one.reason,
    ],
  },
  Heartbeat: { args: (one) => [one.groupId, one.generationId, one.memberId, one.instanceId] },
  LeaveGroup: {
    args: ({ groupId, memberId, members }, version) => [
      groupId,
      version < 3 ? [{ memberId }] : members.map((one: Any) => ({ ...one, groupInstanceId: one.instanceId })),
    ],
  },
  SyncGroup: {
    args: (one) => [
      one.groupId,
      one.generationId,
      one.memberId,
      one.instanceId,
      one.protocolType,
      one.protocolName,
      one.assignments,
    ],
  },
  DescribeGroups: { args: ({ groups, includeOperations }) => [groups, includeOperations] },
  ListGroups: { args: ({ states, types }) => [states, types], fixed: { states: ['Stable'], types: ['classic'] } },
  SaslHandshake: { args: ({ mechanism }) => [mechanism] },
  SaslAuthenticate: { args: ({ bytes }) => [bytes] },
  ApiVersions: { args: ({ softwareName, softwareVersion }) => [softwareName, softwareVersion] },
  CreateTopics: {
    args: ({ topics, timeoutMs, validateOnly }) => [
      topics.map((one: Any) => ({
        ...one,
        numPartitions: one.partitions,
        assignments: one.assignments.map(({ partition, brokers }: Any) => ({
          partitionIndex: partition,
          brokerIds: brokers,
        })),
      })),
      timeoutMs,
      validateOnly,
    ],
  },
  DeleteTopics: {
    args: ({ topics, names, timeoutMs }, version) => [
      version < 6 ? names.map((name: string) => ({ name })) : topics,
      timeoutMs,
    ],
    nullableSince: 6,
  },
  InitProducerId: {
    args: (one) => [one.transactionalId, one.transactionTimeoutMs, one.producerId, one.producerEpoch],
  },
  OffsetForLeaderEpoch: { args: ({ replicaId, topics }) => [replicaId, topics.map(named)] },
  DescribeConfigs: {
    args: ({ resources, includeSynonyms, includeDocumentation }) => [
      resources.map((one: Any) => ({ resourceType: one.type, resourceName: one.name, configurationKeys: one.keys })),
      includeSynonyms,
      includeDocumentation,
    ],
  },
  DescribeLogDirs: { args: ({ topics }) => [topics] },
  DeleteGroups: { args: ({ groups }) => [groups] },
  IncrementalAlterConfigs: {
    args: ({ resources, validateOnly }) => [
      resources.map((one: Any) => ({
        resourceType: one.type,
        resourceName: one.name,
        configs: one.configs.map((config: Any) => ({ ...config, configOperation: config.operation })),
      })),
      validateOnly,
    ],
  },
  OffsetDelete: { args: ({ groupId, topics }) => [groupId, topics.map(named)] },
  DescribeClientQuotas: { args: ({ components, isStrict }) => [components, isStrict] },
  DescribeCluster: { args: ({ includeOperations, endpointType }) => [includeOperations, endpointType] },
  DescribeProducers: {
    args: ({ topics }) => [topics.map(({ name, partitions }: Any) => ({ name, partitionIndexes: partitions }))],
  },
  ConsumerGroupHeartbeat: {
    args: (one) => [
      one.groupId,
      one.memberId,
      one.memberEpoch,
      one.instanceId,
      one.rackId,
      one.rebalanceTimeoutMs,
      one.topicNames,
      one.topicRegex,
      one.assignor,
      one.held,
    ],
  },
  ConsumerGroupDescribe: { args: ({ groups, includeOperations }) => [groups, includeOperations] },
}

function libraryVersion(api: Api, version: number): LibraryVersion | undefined {
  const name = `${api.name[0]!.toLowerCase()}${api.name.slice(1)}V${version}`
  return (library as unknown as Record<string, LibraryVersion | undefined>)[name]
}

/** The library adds what the version lacks, as of the newest. */
function assertAnswer(actual: readonly unknown[], expected: readonly unknown[], what: string): void {
  let next = 0
  const others = actual.filter((leaf) => {
    if (!Object.is(leaf, expected[next])) return true
    next++
    return false
  })
  const isWhole = next === expected.length && others.every((leaf) => ADDED.has(leaf))
  if (!isWhole) assert.deepEqual(actual, expected, what)
}

describe('messages of the library', () => {
  const seen = new Map<string, number[]>()
  for (const [name, { args, nullableSince = 0, fixed = {}, answer = (one: Any): unknown => one }] of Object.entries(
    checks,
  )) {
    it(`${name}: what it writes is read, and what is written it reads`, () => {
      const chance = chanceOf(SEED)
      const api = allApis.find((one) => one.name === name)!
      for (let version = api.min; version <= api.max; version++) {
        const theirs = libraryVersion(api, version)
        if (theirs === undefined) continue
        seen.set(name, [...(seen.get(name) ?? []), version])
        for (let round = 0; round < 10; round++) {
          const options: SampleOptions = { version, chance, withTags: false, withoutNull: version < nullableSince }
          const request = sampleOf(api.request, { ...options, fixed }) as never
          const written: Buffer = theirs.createRequest(...args(request, version)).buffer
          assert.deepEqual(api.readRequest(written, version), request, `${name} ${version}`)
          assert.equal(api.writeRequest(version, request).concat().toString('hex'), written.toString('hex'))

          const isZero = { errorCode: 0, configErrorCode: 0 }
          const response = sampleOf(api.response, { ...options, fixed: isZero }) as never
          const body = api.writeResponse(version, response).concat()
          const read = theirs.parseResponse(1, api.key, version, library.Reader.from(body))
          const expected = leavesOf(api.response, response, version)
          assertAnswer(leavesOfObject(answer(read)), expected, `${name} ${version}`)
        }
      }
      assert.ok((seen.get(name) ?? []).length > 0, `the library has no version of ${name}`)
    })
  }
})
