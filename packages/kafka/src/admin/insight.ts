/**
 * What brokers know of a topic's writers, of their own disks, and of limits on who writes.
 *
 * N1. A leader remembers the idempotent and transactional producers that wrote to a partition, by producer id. It knows no
 *     client ids of them, and nothing of producers that are not idempotent: the protocol has no place for either.
 * N2. Sizes of volumes are told by Kafka 3.3 and newer; where a broker does not tell, the answer says so.
 */
import { MqError } from '@mq/contract'
import { protocolError, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { AdminCalls } from './calls.ts'

export interface ActiveProducer {
  readonly partition: number
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Timestamp of its last batch in the partition. */
  readonly lastWriteAtMs: number
}

export interface BrokerRoom {
  readonly nodeId: number
  /** Free bytes of the roomiest log directory; undefined where the broker does not tell (N2). */
  readonly usableBytes: bigint | undefined
  /** Bytes of the topic's partitions on the broker. */
  readonly topicBytes: bigint
}

/** A limit on how fast producers may write to each broker. */
export interface WriteQuota {
  /** Whom it is about, such as `user=shop, client-id=<default>`. */
  readonly entity: string
  readonly bytesPerSecond: number
}

/** Every quota of the cluster that slows producers down. */
export async function writeQuotas(calls: AdminCalls): Promise<WriteQuota[]> {
  const what = 'describe the quotas of producers'
  return calls.retrying(what, async () => {
    const { errorCode, entries } = await calls.askAny(what, (connection) =>
      requests.describeClientQuotas.send(connection, [], false),
    )
    if (errorCode !== 0) throw toMqError(errorCode, calls.context(what))
    return (entries ?? []).flatMap(({ entity, values }) => {
      const limit = values.find(({ key }) => key === 'producer_byte_rate')
      if (limit === undefined) return []
      const names = entity.map(({ entityType, entityName }) => `${entityType}=${entityName ?? '<default>'}`)
      return [{ entity: names.join(', '), bytesPerSecond: limit.value }]
    })
  })
}

/** Producers the leaders of the partitions remember (N1). */
export async function activeProducers(
  calls: AdminCalls,
  topic: string,
  partitions: readonly number[],
): Promise<ActiveProducer[]> {
  const what = `describe the producers of topic ${topic}`
  return calls.retrying(what, async ({ number }) => {
    const [known] = await calls.cluster.metadata([topic], { refresh: number > 0 })
    const led = (known?.partitions ?? []).filter(({ index, leader }) => leader >= 0 && partitions.includes(index))
    const found = await Promise.all(
      [...Map.groupBy(led, ({ leader }) => leader)].map(async ([nodeId, owned]) => {
        const asked = { name: topic, partitionIndexes: owned.map(({ index }) => index) }
        const answer = await calls.askBroker(nodeId, what, (connection) =>
          requests.describeProducers.send(connection, [asked]),
        )
        return answer.topics.flatMap((one) => one.partitions)
      }),
    )
    return found.flat().flatMap(({ partitionIndex, errorCode, activeProducers }): ActiveProducer[] => {
      if (errorCode !== 0) throw toMqError(errorCode, calls.context(what))
      return activeProducers.map(({ producerId, producerEpoch, lastTimestamp }) => ({
        partition: partitionIndex,
        producerId,
        producerEpoch,
        lastWriteAtMs: Number(lastTimestamp),
      }))
    })
  })
}

/** Every broker with its free bytes and what the topic takes there, if one is named. */
export async function brokerRooms(
  calls: AdminCalls,
  topic?: { readonly name: string; readonly partitions: number },
): Promise<BrokerRoom[]> {
  const asked =
    topic === undefined
      ? []
      : [{ name: topic.name, partitions: Array.from({ length: topic.partitions }, (_, index) => index) }]
  const what = 'describe the log directories'
  return calls.retrying(what, async () => {
    await calls.cluster.metadata([], { refresh: true })
    const brokers = calls.cluster.brokers()
    return Promise.all(
      brokers.map(async ({ nodeId }): Promise<BrokerRoom> => {
        const { errorCode, results } = await calls.askBroker(nodeId, what, (connection) =>
          requests.describeLogDirs.send(connection, asked),
        )
        if (errorCode !== 0) throw toMqError(errorCode, calls.context(what))
        let topicBytes = 0n
        let usableBytes: bigint | undefined
        for (const dir of results) {
          if (dir.errorCode !== 0) {
            const { name } = protocolError(dir.errorCode)
            if (results.length === 1) throw new MqError('MQ_KAFKA_REFUSED', `${calls.context(what)}: ${name}`)
            continue
          }
          // A partition lies in one directory as a whole: the roomiest one is what counts.
          if (dir.usableBytes >= 0n && (usableBytes ?? -1n) < dir.usableBytes) usableBytes = dir.usableBytes
          for (const { partitions } of dir.topics) {
            for (const { partitionSize } of partitions) topicBytes += partitionSize
          }
        }
        return { nodeId, usableBytes, topicBytes }
      }),
    )
  })
}
