/**
 * A Kafka cluster as the control plane sees one, in memory, with faults to order.
 */
import { type AdvertisedBroker, groupOfId, MqError } from '@mq/contract'
import type { ActiveProducer, FailingRecord, FinishedRange, WriteQuota } from '@mq/kafka'
import type { ClusterAdmin, OpenAdmin, TopicFacts, TopicGroup, TopicSpec } from '../src/provision/cluster-admin.ts'

interface FakeTopic extends TopicSpec {
  readonly id: string
  partitions: number
  replication: number
  readonly ends: bigint[]
  /** First offsets: above 0 where records expired. */
  readonly starts: bigint[]
  /** Leaders that took the seal, by partition. */
  readonly sealed: Set<number>
  leaderEpoch: number
  configs: Readonly<Record<string, string>>
}

interface FakeGroup {
  members: number
  readonly commits: Map<string, Map<number, bigint>>
  readonly assigned: Map<string, Set<number>>
  /** Finished beyond the positions, by `topic/partition`. */
  readonly finished: Map<string, readonly FinishedRange[]>
  /** Records that failed, by `topic/partition`. */
  readonly failing: Map<string, readonly FailingRecord[]>
}

export class FakeKafka {
  clusterId = 'fake-cluster'
  brokers = 3
  /** Racks of its brokers; null where they name none. */
  zones: number | null = null
  readonly topics = new Map<string, FakeTopic>()
  readonly calls: string[] = []
  readonly groups = new Map<string, FakeGroup>()
  /** The copy of the registry. */
  readonly registryCopy = new Map<string, string>()
  /** Whether settings of topics may be changed. */
  mayAlter = true
  /** Whether a batch with a wrong checksum is refused; else it is stored, and no reader gets past it. */
  checksCrc = true
  /** The leader of this partition answers no probe. */
  mutePartition: number | undefined
  /** Whether a question if a setting may be changed changes nothing. */
  honoursValidateOnly = true
  /** Leaders that follow a change of the size limit between two probes. */
  leadersPerProbe = 2
  /** Replicas of each partition that are in sync at most. */
  inSync = Number.POSITIVE_INFINITY
  /** Free bytes of each broker; undefined where it does not tell. */
  freeBytes: bigint | undefined = 1_000_000_000_000n
  /** Bytes of one copy of every topic. */
  topicBytes = 0n
  quotas: WriteQuota[] = []
  /** `topic/partition` to whose end only markers of transactions were added. */
  readonly markers = new Set<string>()
  /** When the record at an offset was written: one a second. */
  timeOf = (offset: bigint): number => 1_800_000_000_000 + Number(offset) * 1_000
  /** Producers that leaders remember, of every topic. */
  producers: ActiveProducer[] = []
  /** Admin connections that are open. */
  open = 0
  /** Thrown by every call as long as it is set. */
  away: MqError | undefined
  /** Topics that were made and that the broker asked does not know of yet. */
  readonly unseen = new Set<string>()
  /** Topic settings this Kafka does not know. */
  readonly unknownSettings = new Set<string>()
  /** Called before a call takes effect; may throw or wait. */
  before: (call: string) => Promise<void> | void = () => {}
  /** Where its brokers say that clients find them, and what came of trying. */
  advertised: readonly AdvertisedBroker[] = []
  /** Called after a call took effect, with the topic where one is asked for groups; what it throws is a lost answer. */
  after: (call: string, topic?: string) => Promise<void> | void = () => {}
  #made = 0

  readonly openAdmin: OpenAdmin = () => {
    this.open++
    return this.#admin()
  }

  addForeignTopic(name: string, partitions = 1, records = 1n): void {
    const ends = new Array<bigint>(partitions).fill(records)
    this.topics.set(name, {
      ...fresh({ name, partitions, replication: 3, configs: {} }, 'foreign'),
      ends,
    })
  }

  /** Appends records where the leader takes them, as a producer would. */
  append(name: string, partition: number, records: bigint): boolean {
    const topic = this.#topic(name)
    if (topic.sealed.has(partition)) return false
    topic.ends[partition] = topic.ends[partition]! + records
    return true
  }

  /** Somebody adds partitions, with records in each of them where its leader takes them. */
  addPartitions(name: string, partitions: number, records = 0n): void {
    const topic = this.#topic(name)
    const isSealed = topic.configs['max.message.bytes'] === '78'
    for (let partition = topic.partitions; partition < partitions; partition++) {
      topic.ends.push(isSealed ? 0n : records)
      topic.starts.push(0n)
      if (isSealed) topic.sealed.add(partition)
    }
    topic.partitions = partitions
  }

  /** Somebody gives the partitions of a topic other copies. */
  reassign(name: string, replication: number): void {
    this.#topic(name).replication = replication
  }

  /** Somebody deletes a topic and creates it anew; positions on it go, as from Kafka 4.0 on. */
  recreate(name: string, partitions: number, records = 0n): void {
    const { replication } = this.#topic(name)
    const topic = fresh({ name, partitions, replication, configs: {} }, `topic-${++this.#made}`)
    topic.ends.fill(records)
    this.topics.set(name, topic)
    for (const group of this.groups.values()) group.commits.delete(name)
  }

  commit(groupId: string, topic: string, partition: number, offset: bigint): void {
    const group = this.group(groupId)
    const offsets = group.commits.get(topic) ?? new Map<number, bigint>()
    offsets.set(partition, offset)
    group.commits.set(topic, offsets)
  }

  group(groupId: string): FakeGroup {
    const group = this.groups.get(groupId) ?? {
      ...{ members: 0, commits: new Map(), assigned: new Map(), finished: new Map(), failing: new Map() },
    }
    this.groups.set(groupId, group)
    return group
  }

  #groupOn(groupId: string, topic: string): TopicGroup {
    const group = this.groups.get(groupId)
    return {
      groupId,
      members: group?.members ?? 0,
      exists: group !== undefined,
      assigned: new Set(group?.assigned.get(topic)),
      committed: new Map(group?.commits.get(topic)),
    }
  }

  #topic(name: string): FakeTopic {
    const topic = this.topics.get(name)
    if (topic === undefined) throw new MqError('MQ_TOPIC_MISSING', `topic ${name} is gone`)
    return topic
  }

  #limit(name: string, limit: string): void {
    const topic = this.#topic(name)
    if (!this.mayAlter) throw new MqError('MQ_KAFKA_FORBIDDEN', `settings of topic ${name} may not be changed`)
    topic.configs = { ...topic.configs, 'max.message.bytes': limit }
  }

  /** Some leaders hear of the size limit now. */
  #follow(topic: FakeTopic): void {
    const isSealed = topic.configs['max.message.bytes'] === '78'
    let moves = this.leadersPerProbe
    for (let partition = 0; partition < topic.partitions && moves > 0; partition++) {
      if (topic.sealed.has(partition) === isSealed) continue
      if (isSealed) topic.sealed.add(partition)
      else topic.sealed.delete(partition)
      moves--
    }
  }

  #check(configs: Readonly<Record<string, string>>): void {
    const unknown = Object.keys(configs).find((name) => this.unknownSettings.has(name))
    if (unknown === undefined) return
    throw new MqError('MQ_KAFKA_REFUSED', `INVALID_CONFIG: Unknown topic config name: ${unknown}`)
  }

  #admin(): ClusterAdmin {
    const call = async <T>(name: string, effect: () => T, topic?: string): Promise<T> => {
      this.calls.push(name)
      await this.before(name)
      if (this.away !== undefined) throw this.away
      const result = effect()
      await this.after(name, topic)
      return result
    }
    return {
      describe: () =>
        call('describe', () => {
          const { clusterId, brokers, zones, advertised } = this
          return { clusterId, brokers, zones, advertised }
        }),
      findTopics: (names) =>
        call('findTopics', () => {
          const found = new Map<string, TopicFacts>()
          for (const name of names) {
            const topic = this.topics.get(name)
            if (topic === undefined || this.unseen.has(name)) continue
            const { id: topicId, partitions, replication } = topic
            found.set(name, {
              topicId,
              partitions,
              replication,
              zones: this.zones === null ? null : Math.min(this.zones, replication),
              leaderless: 0,
              leastInSync: Math.min(replication, this.inSync),
            })
          }
          return found
        }),
      topicSettings: (names) =>
        call('topicSettings', () => {
          const found = new Map<string, ReadonlyMap<string, string | null>>()
          for (const name of names) {
            const topic = this.topics.get(name)
            if (topic !== undefined) found.set(name, new Map(Object.entries(topic.configs)))
          }
          return found
        }),
      createTopic: (spec) =>
        call('createTopic', () => {
          this.#check(spec.configs)
          if (this.topics.has(spec.name)) throw new MqError('MQ_TOPIC_EXISTS', `topic ${spec.name} exists`)
          this.topics.set(spec.name, fresh(spec, `topic-${++this.#made}`))
        }),
      deleteTopic: (name) => call('deleteTopic', () => void this.topics.delete(name)),
      alterTopicConfigs: (name, configs) =>
        call('alterTopicConfigs', () => {
          const topic = this.topics.get(name)
          if (topic === undefined) throw new MqError('MQ_TOPIC_MISSING', `topic ${name} is gone`)
          this.#check(configs)
          topic.configs = { ...topic.configs, ...configs }
        }),
      endOffsets: (name) => call('endOffsets', () => [...(this.topics.get(name)?.ends ?? [])]),
      hasRecords: (name, partition, from) =>
        call('hasRecords', () => {
          const end = this.topics.get(name)?.ends[partition] ?? 0n
          return end > from && !this.markers.has(`${name}/${partition}`)
        }),
      validateTopic: (spec) =>
        call('validateTopic', () => {
          if (spec.replication > this.brokers) throw new MqError('MQ_KAFKA_REFUSED', 'INVALID_REPLICATION_FACTOR')
        }),
      checkSealing: ({ name }) =>
        call('checkSealing', () => {
          if (this.checksCrc && this.honoursValidateOnly) return
          throw new MqError('MQ_SEAL_UNSAFE', `the engine does not keep it (seen on the canary topic ${name})`)
        }),
      validateSeal: (name) =>
        call('validateSeal', () => {
          this.#topic(name)
          if (!this.mayAlter) throw new MqError('MQ_SEAL_FORBIDDEN', `topic ${name} cannot be sealed`)
          if (!this.honoursValidateOnly) this.#limit(name, '78')
        }),
      sizeLimit: (name) => call('sizeLimit', () => this.#topic(name).configs['max.message.bytes'] ?? '1048588'),
      requestSeal: (name) => call('requestSeal', () => this.#limit(name, '78')),
      releaseSeal: (name, limit) => call('releaseSeal', () => this.#limit(name, limit)),
      probeSeal: (name, partitions) =>
        call('probeSeal', () => {
          const topic = this.#topic(name)
          if (!this.checksCrc) for (const partition of partitions) topic.ends[partition] = topic.ends[partition]! + 1n
          this.#follow(topic)
          return partitions.map((partition) => ({
            partition,
            leader: partition % this.brokers,
            leaderEpoch: topic.leaderEpoch,
            verdict:
              partition === this.mutePartition
                ? ('unknown' as const)
                : topic.sealed.has(partition)
                  ? ('sealed' as const)
                  : ('open' as const),
            reason: '',
          }))
        }),
      sealedEnds: (name, proofs) =>
        call('sealedEnds', () => {
          const topic = this.#topic(name)
          return proofs.map(({ partition, leaderEpoch }) =>
            leaderEpoch === topic.leaderEpoch
              ? {
                  kind: 'end' as const,
                  partition,
                  endOffset: topic.ends[partition]!,
                  highWatermark: topic.ends[partition]!,
                }
              : { kind: 'moved' as const, partition, reason: 'FENCED_LEADER_EPOCH' },
          )
        }),
      startOffsets: (name) => call('startOffsets', () => [...this.#topic(name).starts]),
      activeProducers: () => call('activeProducers', () => [...this.producers]),
      writeQuotas: () => call('writeQuotas', () => [...this.quotas]),
      disks: (topic) =>
        call('disks', () =>
          Array.from({ length: this.brokers }, (_, nodeId) => ({
            nodeId,
            usableBytes: this.freeBytes,
            topicBytes:
              topic === undefined
                ? 0n
                : (this.topicBytes * BigInt(this.topics.get(topic.name)?.replication ?? 0)) / BigInt(this.brokers),
          })),
        ),
      canary: () => call('canary', () => ({ writeMs: 1, readMs: 1 })),
      groupsOf: (mqId, topic) =>
        call(
          'groupsOf',
          () =>
            [...this.groups.keys()]
              .filter((groupId) => groupOfId(groupId, mqId) !== undefined)
              .map((groupId) => this.#groupOn(groupId, topic))
              .filter((group) => group.committed.size > 0 || group.assigned.size > 0),
          topic,
        ),
      otherConsumers: (mqId, topic) =>
        call('otherConsumers', () => ({
          groups: [...this.groups.keys()]
            .filter((groupId) => groupOfId(groupId, mqId) === undefined)
            .map((groupId) => this.#groupOn(groupId, topic))
            .filter((group) => group.committed.size > 0 || group.assigned.size > 0)
            .map(({ groupId, members, committed, assigned }) => {
              const count = assigned.size > 0 ? members : 0
              return { groupId, members: count, clients: new Array<string>(count).fill('rdkafka@/10.0.0.9'), committed }
            }),
          unseen: [],
        })),
      dropPositions: (groupId, topics) =>
        call('dropPositions', () => {
          const group = this.groups.get(groupId)
          if (group === undefined) return 0
          let positions = 0
          for (const topic of topics) {
            positions += group.commits.get(topic)?.size ?? 0
            group.commits.delete(topic)
          }
          if (group.commits.size === 0) this.groups.delete(groupId)
          return positions
        }),
      groupStanding: (groupId, topic) =>
        call('groupStanding', () => {
          const group = this.groups.get(groupId)
          const held = [...(group?.assigned.get(topic) ?? [])]
          return {
            state: group === undefined ? null : group.members > 0 ? 'Stable' : 'Empty',
            members: Array.from({ length: group?.members ?? 0 }, (_, index) => ({
              ...{ memberId: `member-${index}`, clientId: 'checkout', host: `10.0.0.${index + 1}` },
              partitions: index === 0 ? held : [],
            })),
            positions: new Map(
              [...(group?.commits.get(topic) ?? [])].map(([partition, offset]) => {
                const finished = group?.finished.get(`${topic}/${partition}`) ?? []
                const failing = group?.failing.get(`${topic}/${partition}`) ?? []
                const leaderEpoch = finished.length + failing.length === 0 ? undefined : 0
                return [partition, { offset, finished, leaderEpoch, failing }]
              }),
            ),
          }
        }),
      offsetsAt: (name, partitions, timeMs) =>
        call('offsetsAt', () => {
          const { starts, ends } = this.#topic(name)
          return Array.from({ length: partitions }, (_, partition) => {
            for (let at = starts[partition]!; at < ends[partition]!; at++) if (this.timeOf(at) >= timeMs) return at
            return null
          })
        }),
      recordAt: (name, partition, from) =>
        call('recordAt', () => {
          const { starts, ends } = this.#topic(name)
          const [start, end] = [starts[partition]!, ends[partition]!]
          const offset = from < start ? start : from
          if (offset >= end) return undefined
          return { offset, timestampMs: this.timeOf(offset), leaderEpoch: 0 }
        }),
      setPositions: (groupId, topic, positions) =>
        call('setPositions', () => {
          const group = this.group(groupId)
          if (group.members > 0) throw new MqError('MQ_GROUP_FENCED', `UNKNOWN_MEMBER_ID: ${groupId} has members`)
          for (const [partition, { offset, finished, failing = [] }] of positions) {
            this.commit(groupId, topic, partition, offset)
            group.finished.set(`${topic}/${partition}`, finished)
            group.failing.set(`${topic}/${partition}`, failing)
          }
        }),
      groupOn: (groupId, topic) => call('groupOn', () => this.#groupOn(groupId, topic)),
      seedGroup: (groupId, topic, partitions) =>
        call('seedGroup', () => {
          const group = this.#groupOn(groupId, topic)
          if (group.committed.size > 0) return 'kept' as const
          if (group.members > 0) return 'active' as const
          for (let partition = 0; partition < partitions; partition++) this.commit(groupId, topic, partition, 0n)
          return 'seeded' as const
        }),
      readRegistryCopy: () => call('readRegistryCopy', () => new Map(this.registryCopy)),
      writeRegistryCopy: (values) =>
        call('writeRegistryCopy', () => {
          for (const [key, value] of values) this.registryCopy.set(key, value)
        }),
      close: async () => {
        this.open--
      },
    }
  }
}

function fresh(spec: TopicSpec, id: string): FakeTopic {
  const zeros = (): bigint[] => new Array<bigint>(spec.partitions).fill(0n)
  return { ...spec, id, ends: zeros(), starts: zeros(), sealed: new Set(), leaderEpoch: 0 }
}
