/**
 * What the log of a sealed partition says about batches whose answer never came.
 *
 * L1. A batch is told by its (producer id, epoch, first sequence) and its number of records, never by its content.
 * L2. Only headers are read: neither checksums nor codecs stand between a producer and the fate of its batch.
 * L3. `absent` is said only after every batch from the first possible place to the end was seen; the log is sealed, so nothing
 *     can be added behind that.
 * L4. Where a search begins is never behind the batch: after the last batch this producer knows to be stored, else at the first
 *     record that is not older than the batch's oldest. Timestamps set by brokers prove nothing and make it begin at the start.
 */
import { MqError } from '@mq/contract'
import { backoffMs, type Deps, sleep, systemDeps } from '@mq/contract/timing'
import { Admin } from '../admin/admin.ts'
import type { AdminCluster } from '../admin/calls.ts'
import { ClusterFetchNetwork, type FetchCluster, type FetchLink } from '../fetch/fetch-network.ts'
import { KafkaCode, protocolError, toMqError } from '../protocol/kafka-errors.ts'
import type { ProducerIdentity } from '../records/batch-encoder.ts'
import { announcedBytes, readBatchHeader } from '../records/batch-header.ts'
import type { Resolution } from './ambiguous-batch.ts'

const ANSWER_BYTES = 4 * 1_048_576
const MAX_BATCH_BYTES = 128 * 1_048_576
const WAIT_MS = 500

/** A batch to look for. */
export interface TailQuestion {
  readonly topic: string
  readonly partition: number
  /** Every identity it was ever sent under. */
  readonly identities: readonly ProducerIdentity[]
  readonly records: number
  /** It cannot stand before this offset; undefined when nothing is known. */
  readonly fromOffset: bigint | undefined
  /** The oldest time of its records. */
  readonly fromTimestampMs: number
}

export interface TailScan {
  /** Where the batch starts, if it is there. */
  readonly found: bigint | undefined
  /** The offset behind the last whole batch; undefined when there was none. */
  readonly nextOffset: number | undefined
}

/** Walks encoded batches (L1, L2). */
export function scanTail(
  buffer: Buffer,
  start: number,
  end: number,
  question: Pick<TailQuestion, 'identities' | 'records'>,
): TailScan {
  let nextOffset: number | undefined
  let at = start
  for (;;) {
    const header = readBatchHeader(buffer, at, end)
    if (header === undefined) return { found: undefined, nextOffset }
    at = header.end
    nextOffset = header.lastOffset + 1
    const isOurs = question.identities.some(
      (identity) =>
        identity.producerId === header.producerId &&
        identity.producerEpoch === header.producerEpoch &&
        identity.baseSequence === header.baseSequence,
    )
    // Compaction leaves the header of a producer's last batch, so the offsets count, not what is left of the records.
    if (isOurs && header.lastOffset - header.baseOffset + 1 === question.records) {
      return { found: BigInt(header.baseOffset), nextOffset }
    }
  }
}

export interface TailOptions {
  readonly cluster: FetchCluster & AdminCluster
  readonly deps?: Deps
  /** Ends the search with `unknown`. */
  readonly signal: AbortSignal
  /** The sealed end; undefined to read to the high watermark. */
  readonly endOffset: bigint | undefined
  readonly onTrouble?: (error: MqError) => void
}

/** Looks for one batch; what may pass is tried again until the signal fires. */
export async function searchTail(question: TailQuestion, options: TailOptions): Promise<Resolution> {
  const { deps = systemDeps, signal } = options
  if (question.identities.length === 0) return { kind: 'absent' }
  const search = new TailSearch(question, options)
  for (let failures = 1; !signal.aborted; failures++) {
    try {
      return await search.run()
    } catch (error) {
      const problem = toMqError(error, `look for a batch in ${question.topic}/${question.partition}`)
      if (!problem.retryable) {
        options.onTrouble?.(problem)
        return { kind: 'unknown' }
      }
      if (failures === 5) options.onTrouble?.(problem)
      await sleep(
        deps,
        backoffMs(failures, () => deps.random()),
        signal,
      )
    }
  }
  return { kind: 'unknown' }
}

class TailSearch {
  readonly #question: TailQuestion
  readonly #options: TailOptions
  readonly #network: ClusterFetchNetwork
  /** Everything before it was seen. */
  #position: number | undefined
  #maxBytes = ANSWER_BYTES

  constructor(question: TailQuestion, options: TailOptions) {
    this.#question = question
    this.#options = options
    this.#network = new ClusterFetchNetwork(options.cluster)
    this.#position = question.fromOffset === undefined ? undefined : Number(question.fromOffset)
  }

  async run(): Promise<Resolution> {
    const { topic, partition } = this.#question
    const { signal } = this.#options
    this.#position ??= await this.#firstPlace()
    const located = (await this.#network.locate([topic], true)).find(({ name }) => name === topic)
    if (located === undefined || (located.errorCode ?? 0) !== 0) {
      throw toMqError(located?.errorCode ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION, `look for ${topic}`)
    }
    const place = located.partitions.find(({ index }) => index === partition)
    if (place === undefined || place.leader < 0) throw toMqError(KafkaCode.LEADER_NOT_AVAILABLE, `read ${topic}`)
    const link = await this.#network.open(place.leader)
    const cut = (): void => link.close()
    signal.addEventListener('abort', cut, { once: true })
    try {
      return await this.#read(link, located.id, place.leaderEpoch)
    } finally {
      signal.removeEventListener('abort', cut)
      link.close()
    }
  }

  /** L4 */
  async #firstPlace(): Promise<number> {
    const { topic, partition, fromTimestampMs } = this.#question
    const admin = new Admin(this.#options.cluster)
    const [configs, earliest] = await Promise.all([
      admin.topicConfigs(topic),
      admin.listOffsets(topic, [partition], 'earliest'),
    ])
    const start = Number(earliest.get(partition) ?? 0n)
    if (configs.get('message.timestamp.type') !== 'CreateTime') return start
    const found = await admin.listOffsets(topic, [partition], { timestampMs: fromTimestampMs })
    const offset = found.get(partition)
    if (offset !== undefined) return Math.max(start, Number(offset))
    // Every record of the log is older, and the batch would not be.
    const latest = await admin.listOffsets(topic, [partition], 'latest')
    return Number(latest.get(partition) ?? 0n)
  }

  async #read(link: FetchLink, id: string, leaderEpoch: number): Promise<Resolution> {
    const { topic, partition } = this.#question
    const end = Number(this.#options.endOffset ?? (await link.range(topic, partition)).latest)
    while (this.#position! < end) {
      const response = await link.fetch({
        maxWaitMs: WAIT_MS,
        minBytes: 1,
        maxBytes: this.#maxBytes,
        isolation: 'read_uncommitted',
        topics: [
          {
            name: topic,
            id,
            partitions: [{ partition, leaderEpoch, offset: this.#position!, maxBytes: this.#maxBytes }],
          },
        ],
      })
      const part = response.topics[0]?.partitions[0]
      if (part === undefined || part.partition !== partition) {
        throw new MqError('MQ_KAFKA_UNREACHABLE', `A broker left ${topic}/${partition} out of its fetch response`)
      }
      if (part.errorCode === KafkaCode.OFFSET_OUT_OF_RANGE) {
        // Retention removed what stood there: no reader can get it either.
        const { earliest } = await link.range(topic, partition)
        if (earliest <= this.#position!) throw toMqError(KafkaCode.LEADER_NOT_AVAILABLE, `read ${topic}/${partition}`)
        this.#position = earliest
        continue
      }
      if (part.errorCode !== 0) {
        const error = toMqError(part.errorCode, `read ${topic}/${partition}`)
        if (!protocolError(part.errorCode).retriable) throw error
        throw error.retryable ? error : new MqError('MQ_KAFKA_UNREACHABLE', error.message, { cause: error })
      }
      const { found, nextOffset } = scanTail(response.buffer, part.start, part.end, this.#question)
      if (found !== undefined) return { kind: 'stored', baseOffset: found }
      if (nextOffset === undefined) this.#grow(response.buffer, part.start, part.end)
      else this.#position = Math.max(this.#position!, nextOffset)
    }
    return { kind: 'absent' }
  }

  /** A batch larger than the answer came in part only. */
  #grow(buffer: Buffer, start: number, end: number): void {
    const bytes = announcedBytes(buffer, start, end)
    if (bytes === undefined) throw toMqError(KafkaCode.LEADER_NOT_AVAILABLE, `read ${this.#question.topic}`)
    this.#maxBytes = Math.min(MAX_BATCH_BYTES, Math.max(this.#maxBytes * 2, bytes))
  }
}
