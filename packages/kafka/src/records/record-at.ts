/**
 * One record by its offset, without its content: when it was written, and under which leader.
 *
 * R1. The record at the offset, or the first one behind it: markers of transactions and holes of compaction are no records.
 * R2. A batch larger than an answer is asked for again as a whole.
 * R3. Timestamps are those of the record, or of the broker where the topic says so.
 */
import { MqError } from '@mq/contract'
import type { AdminCluster } from '../admin/calls.ts'
import { ClusterFetchNetwork, type FetchCluster } from '../fetch/fetch-network.ts'
import { KafkaCode, toMqError } from '../protocol/kafka-errors.ts'
import { ByteCursor } from '../protocol/varint.ts'
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  ATTRIBUTE_LOG_APPEND_TIME,
  announcedBytes,
  BATCH_HEADER_BYTES,
  type BatchHeader,
  corrupt,
  readBatchHeader,
} from './batch-header.ts'
import { codecs, decompress } from './compression.ts'
import { checkRecords } from './record-check.ts'

const ANSWER_BYTES = 65_536
const MAX_BATCH_BYTES = 128 * 1_048_576
const WAIT_MS = 500

export interface RecordPosition {
  readonly offset: bigint
  readonly timestampMs: number
  /** Of the batch that holds it. */
  readonly leaderEpoch: number
}

/** Undefined where no record stands at the offset or behind it. */
export async function recordAt(
  cluster: FetchCluster & AdminCluster,
  topic: string,
  partition: number,
  from: bigint,
): Promise<RecordPosition | undefined> {
  const what = `look for the record at offset ${from} of ${topic}/${partition}`
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
    let maxBytes = ANSWER_BYTES
    for (let position = Math.max(Number(from), earliest); position < latest; ) {
      const { buffer, topics } = await link.fetch({
        maxWaitMs: WAIT_MS,
        minBytes: 1,
        maxBytes,
        isolation: 'read_uncommitted',
        topics: [
          {
            name: topic,
            id: located.id,
            partitions: [{ partition, leaderEpoch: place.leaderEpoch, offset: position, maxBytes }],
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
        if (header.lastOffset >= position && (header.attributes & ATTRIBUTE_CONTROL) === 0) {
          const found = recordIn(buffer, header, Number(from))
          if (found !== undefined) return found
        }
        position = Math.max(position, header.lastOffset + 1)
        at = header.end
        header = readBatchHeader(buffer, at, part.end)
      }
      if (at !== part.start) continue
      // R2
      const wholeBytes = announcedBytes(buffer, at, part.end) ?? 0
      if (wholeBytes > MAX_BATCH_BYTES || wholeBytes <= maxBytes) return undefined
      maxBytes = wholeBytes
    }
    return undefined
  } finally {
    link.close()
  }
}

/** The first record of a batch that does not stand before the offset. */
function recordIn(buffer: Buffer, header: BatchHeader, from: number): RecordPosition | undefined {
  const { baseOffset, lastOffset, attributes, recordCount, leaderEpoch } = header
  const codec = codecs[attributes & ATTRIBUTE_CODEC_MASK]
  if (codec === undefined) throw corrupt(`the batch at offset ${baseOffset} names a codec that does not exist`)
  const content = buffer.subarray(header.start + BATCH_HEADER_BYTES, header.end)
  const records = codec === 'none' ? content : decompress(codec, content, MAX_BATCH_BYTES)
  const { position, count } = checkRecords(records, recordCount, lastOffset - baseOffset, from - baseOffset)
  if (count === 0) return undefined
  const cursor = new ByteCursor(records, position)
  cursor.readVarint()
  cursor.position += 1
  const timestampDelta = cursor.readVarlong()
  const offset = BigInt(baseOffset + cursor.readVarint())
  // R3
  const isBrokerTime = (attributes & ATTRIBUTE_LOG_APPEND_TIME) !== 0
  const timestampMs = isBrokerTime ? header.maxTimestampMs : header.baseTimestampMs + timestampDelta
  return { offset, timestampMs, leaderEpoch }
}
