/**
 * Whether records were appended to a partition from an offset on.
 *
 * A1. Headers tell it: neither checksums nor codecs stand in the way.
 * A2. Markers of transactions are no records: one that was open when its topic was sealed ends behind the seal.
 */
import { MqError } from '@mq/contract'
import { ClusterFetchNetwork, type FetchCluster } from '../fetch/fetch-network.ts'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'
import { ATTRIBUTE_CONTROL, announcedBytes, readBatchHeader } from '../records/batch-header.ts'
import type { AdminCluster } from './calls.ts'

const ANSWER_BYTES = 65_536
const WAIT_MS = 500

/** What may pass is thrown as a retryable error. */
export async function hasRecordsFrom(
  cluster: FetchCluster & AdminCluster,
  topic: string,
  partition: number,
  from: bigint,
): Promise<boolean> {
  const what = `look what was appended to ${topic}/${partition}`
  const network = new ClusterFetchNetwork(cluster)
  const located = (await network.locate([topic], true)).find(({ name }) => name === topic)
  if (located === undefined || (located.errorCode ?? 0) !== 0) {
    throw toMqError(located?.errorCode ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION, what)
  }
  const place = located.partitions.find(({ index }) => index === partition)
  if (place === undefined || place.leader < 0) throw toMqError(KafkaCode.LEADER_NOT_AVAILABLE, what)
  const link = await network.open(place.leader)
  try {
    const { earliest, latest } = await link.range(topic, partition)
    for (let position = Math.max(Number(from), earliest); position < latest; ) {
      const { buffer, topics } = await link.fetch({
        maxWaitMs: WAIT_MS,
        minBytes: 1,
        maxBytes: ANSWER_BYTES,
        isolation: 'read_uncommitted',
        topics: [
          {
            name: topic,
            id: located.id,
            partitions: [{ partition, leaderEpoch: place.leaderEpoch, offset: position, maxBytes: ANSWER_BYTES }],
          },
        ],
      })
      const part = topics[0]?.partitions[0]
      if (part === undefined || part.partition !== partition) {
        throw new MqError('MQ_KAFKA_UNREACHABLE', `A broker left ${topic}/${partition} out of its fetch response`)
      }
      if (part.errorCode !== 0) throw toMqError(part.errorCode, what)
      let at = part.start
      for (let header = readBatchHeader(buffer, at, part.end); header !== undefined; ) {
        if (header.lastOffset >= position && (header.attributes & ATTRIBUTE_CONTROL) === 0) return true
        position = Math.max(position, header.lastOffset + 1)
        at = header.end
        header = readBatchHeader(buffer, at, part.end)
      }
      // No marker is too large for an answer.
      if (at === part.start && announcedBytes(buffer, at, part.end) !== undefined) return true
    }
    return false
  } finally {
    link.close()
  }
}
