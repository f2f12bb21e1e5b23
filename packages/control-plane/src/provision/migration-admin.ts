/**
 * What migrations ask of a cluster, through the Kafka protocol.
 *
 * K1. Groups of an mQ ID are known by their Kafka group id alone (contract N4), so groups of others are never touched.
 * K2. A position is given only to a group that has none on the topic: seeding never takes a group back.
 */
import { groupOfId, MqError } from '@mq/contract'
import { Admin, type Cluster, checkSealing, hasRecordsFrom, Survey, sendCanary, TopicSeal } from '@mq/kafka'
import type { MigrationAdmin, OtherGroup, TopicGroup } from './cluster-admin.ts'

export function migrationAdmin(cluster: Cluster): MigrationAdmin {
  const admin = new Admin(cluster)
  const seal = new TopicSeal(cluster)

  const groupOn = async (groupId: string, topic: string): Promise<TopicGroup> => {
    const [positions, description] = await Promise.all([
      admin.committedOffsets(groupId, [topic]),
      admin.describeGroup(groupId),
    ])
    const committed = new Map<number, bigint>()
    for (const [key, offset] of positions) {
      const colon = key.lastIndexOf(':')
      if (key.slice(0, colon) === topic) committed.set(Number(key.slice(colon + 1)), offset)
    }
    const members = description?.members ?? []
    const assigned = new Set(
      members.flatMap((member) => member.partitions.filter((one) => one.topic === topic).map((one) => one.partition)),
    )
    const subscribers = members.filter(({ topics }) => topics?.includes(topic) === true)
    const told = members.every(({ topics }) => topics !== undefined)
      ? { subscribed: subscribers.length, isSettled: subscribers.every((member) => member.isSettled !== false) }
      : {}
    return { groupId, members: members.length, exists: description !== undefined, assigned, committed, ...told }
  }

  return {
    validateTopic: (spec) => seal.validateTopic(spec),
    checkSealing: (spec) => checkSealing(cluster, spec),
    validateSeal: (topic) => seal.validate(topic),
    sizeLimit: (topic) => seal.sizeLimit(topic),
    requestSeal: (topic) => seal.request(topic),
    releaseSeal: (topic, sizeLimit) => seal.release(topic, sizeLimit),
    probeSeal: (topic, partitions, refresh) => seal.probe(topic, partitions, refresh),
    sealedEnds: (topic, proofs) => seal.ends(topic, proofs),
    hasRecords: (topic, partition, from) => hasRecordsFrom(cluster, topic, partition, from),
    startOffsets: async (topic, partitions) => {
      const indexes = Array.from({ length: partitions }, (_, index) => index)
      const starts = await admin.listOffsets(topic, indexes, 'earliest')
      return indexes.map((index) => starts.get(index) ?? 0n)
    },
    activeProducers: (topic, partitions) =>
      admin.activeProducers(
        topic,
        Array.from({ length: partitions }, (_, index) => index),
      ),
    writeQuotas: () => admin.writeQuotas(),
    disks: (topic) => admin.brokerRooms(topic),
    canary: (spec, settings) => sendCanary(cluster, spec, settings),
    groupsOf: async (mqId, topic) => {
      const listed = await admin.listGroups()
      const own = listed.filter(({ groupId }) => groupOfId(groupId, mqId) !== undefined)
      const groups = await Promise.all(own.map(({ groupId }) => groupOn(groupId, topic)))
      return groups.filter((group) => group.committed.size > 0 || group.assigned.size > 0)
    },
    otherConsumers: async (mqId, topic) => {
      const { found, problems } = await new Survey(cluster).groups()
      const groups = [...found.values()].flatMap(({ groupId, members, reads, clients, committed }): OtherGroup[] => {
        if (groupOfId(groupId, mqId) !== undefined) return []
        const positions = committed.get(topic)
        const isReading = reads?.has(topic) === true
        if (positions === undefined && !isReading) return []
        const own = new Map([...(positions ?? [])].map(([partition, offset]) => [partition, BigInt(offset)] as const))
        // One that may not be looked into counts with all its members.
        const count = isReading || reads === null ? (members ?? 0) : 0
        return [{ groupId, members: count, clients: count > 0 ? clients : [], committed: own }]
      })
      return { groups, unseen: [...problems.keys()] }
    },
    dropPositions: (groupId, topics) => admin.dropPositions(groupId, topics),
    groupOn,
    seedGroup: async (groupId, topic, partitions) => {
      const before = await groupOn(groupId, topic)
      if (before.committed.size > 0) return 'kept'
      if (before.members > 0) return 'active'
      try {
        await admin.commitOffsets(
          groupId,
          Array.from({ length: partitions }, (_, partition) => ({ topic, partition, offset: 0n })),
        )
        return 'seeded'
      } catch (error) {
        // A member may have joined since.
        if (!(error instanceof MqError) || (await groupOn(groupId, topic)).members === 0) throw error
        return 'active'
      }
    },
  }
}
