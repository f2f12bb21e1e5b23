/**
 * A look at some record batches of many partitions: how they were made, by whom, and the records to try other codecs on.
 *
 * B1. Reading takes no part in any group and commits nothing.
 * B2. Batches of one partition are handed over as soon as they are there and are not kept: memory is that of one answer.
 * B3. A batch that is damaged, or in a format that is not read, ends the look at its partition and is told for its topic.
 */
import type { Codec } from '@mq/contract'
import { MqError } from '@mq/contract'
import { within } from './backoff.ts'
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  BATCH_HEADER_BYTES,
  corrupt,
  readBatchHeader,
} from './batch-header.ts'
import { codecs, decompress } from './compression.ts'
import { crc32c } from './crc32c.ts'
import type { Deps } from './deps.ts'
import type { FetchLink, FetchNetwork } from './fetch-network.ts'
import type { FetchResponse } from './fetch-request.ts'
import { toMqError } from './kafka-errors.ts'
import { checkRecords } from './record-check.ts'
import { partsOf } from './survey-answers.ts'

export interface SampleWish {
  readonly topic: string
  readonly topicId: string
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
  readonly offset: number
  readonly maxBytes: number
}

export interface SampledBatch {
  readonly codec: Codec
  readonly count: number
  /** Both with the header of the batch. */
  readonly wireBytes: number
  readonly uncompressedBytes: number
  /** Null for a producer that is not idempotent. */
  readonly producerId: bigint | null
  readonly baseOffset: number
  readonly lastOffset: number
  readonly baseTimestampMs: number
  readonly maxTimestampMs: number
  /** Uncompressed; valid while it is handed over (B2). */
  readonly records: Buffer
}

export interface SampleOptions {
  readonly deps: Deps
  /** For one fetch. */
  readonly requestMs: number
  readonly onSample: (wish: SampleWish, batches: readonly SampledBatch[]) => void
  readonly onProblem: (wish: SampleWish, problem: MqError) => void
}

const BYTES_A_REQUEST = 4 * 1_048_576
const PARTITIONS_A_REQUEST = 200
const MAX_BATCH_BYTES = 32 * 1_048_576
const CRC_COVERS_FROM = 21

/** One link to each leader, one request under way on each. */
export async function sampleBatches(
  network: FetchNetwork,
  wishes: readonly SampleWish[],
  options: SampleOptions,
): Promise<void> {
  const byLeader = Map.groupBy(wishes, ({ leader }) => leader)
  await Promise.all(
    [...byLeader].map(async ([leader, own]) => {
      let link: FetchLink | undefined
      try {
        link = await network.open(leader)
        for (const part of requestsOf(own)) await fetchPart(link, part, options)
      } catch (error) {
        const problem = toMqError(error, `sample batches at broker ${leader}`)
        for (const wish of own) options.onProblem(wish, problem)
      } finally {
        link?.close()
      }
    }),
  )
}

/** Parts that fit one answer. */
function requestsOf(wishes: readonly SampleWish[]): SampleWish[][] {
  const parts: SampleWish[][] = []
  for (const run of partsOf(wishes, PARTITIONS_A_REQUEST)) {
    let part: SampleWish[] = []
    let bytes = 0
    for (const wish of run) {
      if (part.length > 0 && bytes + wish.maxBytes > BYTES_A_REQUEST) {
        parts.push(part)
        part = []
        bytes = 0
      }
      part.push(wish)
      bytes += wish.maxBytes
    }
    if (part.length > 0) parts.push(part)
  }
  return parts
}

async function fetchPart(link: FetchLink, wishes: readonly SampleWish[], options: SampleOptions): Promise<void> {
  const late = (): MqError =>
    new MqError('MQ_KAFKA_TIMEOUT', `a broker did not answer a fetch within ${options.requestMs} ms`)
  const topics = [...Map.groupBy(wishes, ({ topic }) => topic)].map(([name, own]) => ({
    name,
    id: own[0]!.topicId,
    partitions: own.map(({ partition, leaderEpoch, offset, maxBytes }) => ({
      partition,
      leaderEpoch,
      offset,
      maxBytes,
    })),
  }))
  const request = {
    maxWaitMs: 0,
    minBytes: 0,
    maxBytes: BYTES_A_REQUEST,
    isolation: 'read_uncommitted',
    topics,
  } as const
  const answer = await within(options.deps, options.requestMs, late, link.fetch(request))
  if (answer.errorCode !== 0) throw toMqError(answer.errorCode, 'sample batches')
  const byTopic = Map.groupBy(wishes, (wish) => (link.byId ? wish.topicId : wish.topic))
  for (const { topic, partitions } of answer.topics) {
    for (const part of partitions) {
      const wish = byTopic.get(topic)?.find(({ partition }) => partition === part.partition)
      if (wish === undefined) continue
      try {
        if (part.errorCode !== 0) throw toMqError(part.errorCode, `read ${wish.topic}:${wish.partition}`)
        options.onSample(wish, batchesOf(answer, part.start, part.end))
      } catch (error) {
        options.onProblem(wish, toMqError(error, `look into ${wish.topic}:${wish.partition}`))
      }
    }
  }
}

/** Data batches that are there whole; markers of transactions are passed over. */
function batchesOf({ buffer }: FetchResponse, start: number, end: number): SampledBatch[] {
  const batches: SampledBatch[] = []
  for (let at = start; ; ) {
    const header = readBatchHeader(buffer, at, end)
    if (header === undefined) return batches
    at = header.end
    if ((header.attributes & ATTRIBUTE_CONTROL) !== 0 || header.recordCount === 0) continue
    const codec = codecs[header.attributes & ATTRIBUTE_CODEC_MASK]
    if (codec === undefined) throw corrupt(`the batch at offset ${header.baseOffset} names a codec that does not exist`)
    if (crc32c(buffer.subarray(header.start + CRC_COVERS_FROM, header.end)) !== header.crc) {
      throw corrupt(`the batch at offset ${header.baseOffset} does not match its checksum`)
    }
    const content = buffer.subarray(header.start + BATCH_HEADER_BYTES, header.end)
    const records = codec === 'none' ? content : decompress(codec, content, MAX_BATCH_BYTES)
    checkRecords(records, header.recordCount, header.lastOffset - header.baseOffset, 0)
    batches.push({
      codec,
      count: header.recordCount,
      wireBytes: header.end - header.start,
      uncompressedBytes: BATCH_HEADER_BYTES + records.length,
      producerId: header.producerId < 0n ? null : header.producerId,
      baseOffset: header.baseOffset,
      lastOffset: header.lastOffset,
      baseTimestampMs: header.baseTimestampMs,
      maxTimestampMs: header.maxTimestampMs,
      records,
    })
  }
}
