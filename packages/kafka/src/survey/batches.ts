/**
 * A look at some record batches of many partitions: how they were made, by whom, and the records to try other codecs on.
 *
 * B1. Reading takes no part in any group and commits nothing.
 * B2. Batches of one partition are handed over as soon as they are there and are not kept: memory is that of one answer.
 * B3. A batch that is damaged, or in a format that is not read, ends the look at its partition and is told for its topic.
 * B4. A batch that is larger than what was asked for is asked for once more, alone and whole: brokers cut all but the first partition
 *     of an answer at its limit, and a topic of large batches would never be seen.
 */
import type { Codec } from '@mq/contract'
import { MqError } from '@mq/contract'
import { type Deps, within } from '@mq/contract/timing'
import type { FetchLink, FetchNetwork } from '../fetch/fetch-network.ts'
import type { FetchResponse } from '../protocol/fetch-request.ts'
import { toMqError } from '../protocol/kafka-errors.ts'
import {
  ATTRIBUTE_CODEC_MASK,
  ATTRIBUTE_CONTROL,
  announcedBytes,
  BATCH_HEADER_BYTES,
  corrupt,
  readBatchHeader,
} from '../records/batch-header.ts'
import { codecs, decompress } from '../records/compression.ts'
import { crc32c } from '../records/crc32c.ts'
import { checkRecords } from '../records/record-check.ts'
import { partsOf } from './answers.ts'

export interface SampleRequest {
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

/** What else stood between the first and the last batch that was seen. */
export interface SampledSpan {
  /** From the first offset to the last one, holes and markers included. */
  readonly offsets: number
  /** Of transactions: they take an offset and bytes, and are no record. */
  readonly markers: number
  readonly markerBytes: number
}

export interface SampleOptions {
  readonly deps: Deps
  /** For one fetch. */
  readonly requestMs: number
  readonly onSample: (request: SampleRequest, batches: readonly SampledBatch[], span: SampledSpan) => void
  readonly onProblem: (request: SampleRequest, problem: MqError) => void
}

const BYTES_A_REQUEST = 4 * 1_048_576
const PARTITIONS_A_REQUEST = 200
const MAX_BATCH_BYTES = 32 * 1_048_576
/** For batches that had to be asked for alone. */
const CUT_BYTES_A_BROKER = 128 * 1_048_576
const CRC_COVERS_FROM = 21

/** One link to each leader, one request under way on each. */
export async function sampleBatches(
  network: FetchNetwork,
  requests: readonly SampleRequest[],
  options: SampleOptions,
): Promise<void> {
  const byLeader = Map.groupBy(requests, ({ leader }) => leader)
  await Promise.all(
    [...byLeader].map(async ([leader, own]) => {
      let link: FetchLink | undefined
      try {
        link = await network.open(leader)
        const cut: SampleRequest[] = []
        for (const part of requestsOf(own)) cut.push(...(await fetchPart(link, part, options)))
        // B4
        let leftBytes = CUT_BYTES_A_BROKER
        for (const request of cut) {
          if (leftBytes < request.maxBytes) break
          leftBytes -= request.maxBytes
          await fetchPart(link, [request], options)
        }
      } catch (error) {
        const problem = toMqError(error, `sample batches at broker ${leader}`)
        for (const request of own) options.onProblem(request, problem)
      } finally {
        link?.close()
      }
    }),
  )
}

/** Parts that fit one answer. */
function requestsOf(requests: readonly SampleRequest[]): SampleRequest[][] {
  const parts: SampleRequest[][] = []
  for (const run of partsOf(requests, PARTITIONS_A_REQUEST)) {
    let part: SampleRequest[] = []
    let bytes = 0
    for (const request of run) {
      if (part.length > 0 && bytes + request.maxBytes > BYTES_A_REQUEST) {
        parts.push(part)
        part = []
        bytes = 0
      }
      part.push(request)
      bytes += request.maxBytes
    }
    if (part.length > 0) parts.push(part)
  }
  return parts
}

/** Gives back those of which no whole batch came. */
async function fetchPart(
  link: FetchLink,
  requests: readonly SampleRequest[],
  options: SampleOptions,
): Promise<readonly SampleRequest[]> {
  const cut: SampleRequest[] = []
  const late = (): MqError =>
    new MqError('MQ_KAFKA_TIMEOUT', `a broker did not answer a fetch within ${options.requestMs} ms`)
  const topics = [...Map.groupBy(requests, ({ topic }) => topic)].map(([name, own]) => ({
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
  const byTopic = Map.groupBy(requests, (request) => request.topic)
  for (const { topic, partitions } of answer.topics) {
    for (const part of partitions) {
      const request = byTopic.get(topic)?.find(({ partition }) => partition === part.partition)
      if (request === undefined) continue
      try {
        if (part.errorCode !== 0) throw toMqError(part.errorCode, `read ${request.topic}:${request.partition}`)
        const { batches, span, cutBytes } = batchesOf(answer, part.start, part.end)
        // Markers alone say nothing of the records: only a whole batch, or the proof that none is there, is an answer.
        if (batches.length === 0 && cutBytes <= MAX_BATCH_BYTES && (cutBytes > 0 || span.offsets === 0)) {
          cut.push({
            ...request,
            offset: request.offset + span.offsets,
            maxBytes: Math.max(request.maxBytes, cutBytes),
          })
        } else options.onSample(request, batches, span)
      } catch (error) {
        options.onProblem(request, toMqError(error, `look into ${request.topic}:${request.partition}`))
      }
    }
  }
  return cut
}

interface Seen {
  readonly batches: readonly SampledBatch[]
  readonly span: SampledSpan
  /** Whole size of the batch that was cut short at the end; 0 where none was. */
  readonly cutBytes: number
}

/** Data batches that are there whole, and what stood between them. */
function batchesOf({ buffer }: FetchResponse, start: number, end: number): Seen {
  const batches: SampledBatch[] = []
  let from: number | null = null
  let to = 0
  let markers = 0
  let markerBytes = 0
  for (let at = start; ; ) {
    const header = readBatchHeader(buffer, at, end)
    if (header === undefined) {
      const offsets = from === null ? 0 : to - from + 1
      return { batches, span: { offsets, markers, markerBytes }, cutBytes: announcedBytes(buffer, at, end) ?? 0 }
    }
    at = header.end
    from ??= header.baseOffset
    to = header.lastOffset
    if ((header.attributes & ATTRIBUTE_CONTROL) !== 0) {
      markers += header.recordCount
      markerBytes += header.end - header.start
      continue
    }
    if (header.recordCount === 0) continue
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
