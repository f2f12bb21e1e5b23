/**
 * Sealing a topic: from then on no leader appends data to it, and that is proven leader by leader.
 *
 * S1. The seal is the topic's own `max.message.bytes`, set to the size of a transaction marker: markers still pass, and every
 *     batch of records is larger.
 * S2. A probe is a batch with a wrong checksum. A sealed leader refuses its size before it looks at the checksum, an open one
 *     refuses the checksum: neither appends it. Any other answer proves nothing.
 * S3. A proof holds for one leader epoch. End offset and high watermark are asked of the leader under that very epoch, so that
 *     a leader that is none any more cannot answer.
 * S4. Asking whether a seal is allowed changes nothing: the limit is read before and after the question. Where it changed all the
 *     same it is set back, and the cluster is told to be one that cannot be moved from.
 */
import { MqError } from '@mq/contract'
import type { Connection, incrementalAlterConfigsV1 } from '@platformatic/kafka'
import type { Purpose } from '../net/broker-connection.ts'
import type { PartitionMetadata } from '../net/metadata-cache.ts'
import { KafkaCode, kafkaCodeOf, protocolError, responseOf, toMqError } from '../protocol/kafka-errors.ts'
import { type ProduceAnswer, sendProduce } from '../protocol/produce-request.ts'
import * as requests from '../protocol/requests.ts'
import { BatchEncoder, SEALED_TOPIC_BYTES, stamp } from '../records/batch-encoder.ts'
import { AdminCalls, type AdminCluster } from './calls.ts'
import { topicConfigs } from './configs.ts'
import type { NewTopic } from './topics.ts'

const SIZE_LIMIT = 'max.message.bytes'
const TOPIC = 2
const SET = 0
const CONSUMER = -1
/** Not answered within this, a leader counts as unknown and is asked again. */
const PROBE_MS = 1_500
const DEADLINE_MS = 5_000
const PROBE_BYTES = 256
const LEADER_ALONE = 1

export interface SealProbe {
  readonly partition: number
  /** -1 while there is none. */
  readonly leader: number
  readonly leaderEpoch: number
  readonly verdict: 'sealed' | 'open' | 'unknown'
  /** What was answered instead, where the verdict is `unknown`. */
  readonly reason: string
  /** Kafka's error code; none where nothing was answered. */
  readonly code?: number | undefined
}

export interface LeaderProof {
  readonly partition: number
  readonly leader: number
  readonly leaderEpoch: number
}

export type SealedEnd =
  | {
      readonly kind: 'end'
      readonly partition: number
      readonly endOffset: bigint
      /** The end is final once this has reached it. */
      readonly highWatermark: bigint
    }
  /** The leader of the proof is none any more, or is too new to know its high watermark: probe again. */
  | { readonly kind: 'moved'; readonly partition: number; readonly reason: string }

export class TopicSeal {
  readonly #calls: AdminCalls
  readonly #purpose: Purpose

  /**
   * @param purpose the connections that leaders are asked over. The request for the seal may be under way on those for `admin`; a
   *     process that produces must not probe over those for `produce`, as a probe without an answer ends its connection.
   */
  constructor(cluster: AdminCluster, purpose: Purpose = 'produce') {
    this.#calls = new AdminCalls(cluster, { deadlineMs: DEADLINE_MS, requestMs: PROBE_MS })
    this.#purpose = purpose
  }

  /** Whether the topic may be sealed (S4). @throws MqError MQ_SEAL_FORBIDDEN */
  async validate(topic: string): Promise<void> {
    const before = await this.sizeLimit(topic)
    try {
      await this.#alter(topic, String(SEALED_TOPIC_BYTES), true)
    } catch (error) {
      if (!(error instanceof MqError) || error.retryable || error.code === 'MQ_TOPIC_MISSING') throw error
      throw new MqError('MQ_SEAL_FORBIDDEN', `topic ${topic} cannot be sealed: ${error.message}`, { cause: error })
    }
    const after = await this.sizeLimit(topic)
    // Anything else was somebody else's change.
    if (after === before || after !== String(SEALED_TOPIC_BYTES)) return
    await this.release(topic, before)
    throw new MqError(
      'MQ_SEAL_UNSAFE',
      this.#calls.context(
        `a question whether ${SIZE_LIMIT} of topic ${topic} may be changed changed it from ${before} to ${after}; it was set back`,
      ),
    )
  }

  /** Whether the cluster would make such a topic; makes none. */
  async validateTopic(topic: NewTopic): Promise<void> {
    const what = `check topic ${topic.name}`
    const asked = {
      name: topic.name,
      numPartitions: topic.partitions,
      replicationFactor: topic.replication,
      assignments: [],
      configs: Object.entries(topic.configs ?? {}).map(([name, value]) => ({ name, value })),
    }
    await this.#calls.retrying(what, () =>
      this.#calls.askAny(what, (connection) => requests.createTopics.send(connection, [asked], PROBE_MS, true)),
    )
  }

  /** The size limit in force. */
  async sizeLimit(topic: string): Promise<string> {
    const limit = (await topicConfigs(this.#calls, topic)).get(SIZE_LIMIT)
    if (limit !== undefined && limit !== null) return limit
    throw new MqError('MQ_PROTOCOL_VIOLATION', this.#calls.context(`topic ${topic} has no ${SIZE_LIMIT}`))
  }

  /** Asks for the seal; leaders follow within some 100 ms, which `probe` proves. */
  async request(topic: string): Promise<void> {
    await this.#alter(topic, String(SEALED_TOPIC_BYTES), false)
  }

  /** Takes the seal back. Only for a topic of which no leader was seen to refuse data. */
  async release(topic: string, sizeLimit: string): Promise<void> {
    await this.#alter(topic, sizeLimit, false)
  }

  /**
   * Asks the leader of each partition (S2). Never throws for one leader's failure.
   * @param refresh whether to ask for the leaders first: those known may be none any more, which then shows as `unknown`
   */
  async probe(topic: string, partitions: readonly number[], refresh = true): Promise<SealProbe[]> {
    const calls = this.#calls
    const what = `probe topic ${topic}`
    const [known] = await calls.retrying(what, () => calls.cluster.metadata([topic], { refresh }))
    if (known === undefined || known.errorCode !== undefined) {
      throw toMqError(known?.errorCode ?? KafkaCode.UNKNOWN_TOPIC_OR_PARTITION, calls.context(what))
    }
    const wanted = partitions.map(
      (index): PartitionMetadata =>
        known.partitions.find((one) => one.index === index) ?? {
          index,
          leader: -1,
          leaderEpoch: -1,
          replicas: [],
          isr: [],
        },
    )
    const probes = await Promise.all(
      [...Map.groupBy(wanted, ({ leader }) => leader)].map(async ([nodeId, led]): Promise<SealProbe[]> => {
        if (nodeId < 0) return led.map((one) => verdictOf(one, undefined, 'no leader'))
        try {
          const indexes = led.map(({ index }) => index)
          const { results } = await calls.askBroker(
            nodeId,
            what,
            async (connection) =>
              await sendProbe(connection, await requests.produce.choose(connection), topic, indexes),
            this.#purpose,
          )
          const codes = new Map(results.map((one) => [one.partition, one.code]))
          return led.map((one) => verdictOf(one, codes.get(one.index), 'no answer for the partition'))
        } catch (error) {
          const { message } = toMqError(error, calls.context(what))
          return led.map((one) => verdictOf(one, undefined, message))
        }
      }),
    )
    return probes.flat()
  }

  /** End offset and high watermark of proven leaders, under the epoch of their proof (S3). */
  async ends(topic: string, proofs: readonly LeaderProof[]): Promise<SealedEnd[]> {
    const found = await Promise.all(
      [...Map.groupBy(proofs, ({ leader }) => leader)].map(([nodeId, led]) => this.#endsOf(topic, nodeId, led)),
    )
    return found.flat()
  }

  async #endsOf(topic: string, nodeId: number, led: readonly LeaderProof[]): Promise<SealedEnd[]> {
    const calls = this.#calls
    const what = `find the end of sealed topic ${topic}`
    const ends = new Map<number, bigint>()
    const marks = new Map<number, bigint>()
    let trouble = 'no answer for the partition'
    try {
      const [epochs, offsets] = await Promise.all([
        partial(
          calls.askBroker(
            nodeId,
            what,
            (connection) =>
              requests.offsetForLeaderEpoch.send(connection, CONSUMER, [
                {
                  name: topic,
                  partitions: led.map(({ partition, leaderEpoch }) => ({
                    partitionIndex: partition,
                    currentLeaderEpoch: leaderEpoch,
                    leaderEpoch,
                  })),
                },
              ]),
            this.#purpose,
          ),
        ),
        partial(
          calls.askBroker(
            nodeId,
            what,
            (connection) =>
              requests.listOffsets.send(connection, CONSUMER, 0, [
                {
                  name: topic,
                  partitions: led.map(({ partition, leaderEpoch }) => ({
                    partitionIndex: partition,
                    currentLeaderEpoch: leaderEpoch,
                    timestamp: -1n,
                  })),
                },
              ]),
            this.#purpose,
          ),
        ),
      ])
      for (const one of epochs.topics.find((each) => each.topic === topic)?.partitions ?? []) {
        if (one.errorCode !== 0) trouble = protocolError(one.errorCode).name
        else if (one.endOffset >= 0n) ends.set(one.partition, one.endOffset)
      }
      for (const one of offsets.topics.find((each) => each.name === topic)?.partitions ?? []) {
        if (one.errorCode !== 0) trouble = protocolError(one.errorCode).name
        else if (one.offset >= 0n) marks.set(one.partitionIndex, one.offset)
      }
    } catch (error) {
      trouble = toMqError(error, calls.context(what)).message
    }
    return led.map(({ partition }): SealedEnd => {
      const endOffset = ends.get(partition)
      const highWatermark = marks.get(partition)
      return endOffset === undefined || highWatermark === undefined
        ? { kind: 'moved', partition, reason: trouble }
        : { kind: 'end', partition, endOffset, highWatermark }
    })
  }

  async #alter(topic: string, sizeLimit: string, validateOnly: boolean): Promise<void> {
    const what = validateOnly ? `check the seal of topic ${topic}` : `set ${SIZE_LIMIT} of topic ${topic}`
    const resource: incrementalAlterConfigsV1.IncrementalAlterConfigsRequestResource = {
      resourceType: TOPIC,
      resourceName: topic,
      configs: [{ name: SIZE_LIMIT, configOperation: SET, value: sizeLimit }],
    }
    await this.#calls.retrying(what, async () => {
      try {
        await this.#calls.askAny(what, (connection) =>
          requests.incrementalAlterConfigs.send(connection, [resource], validateOnly),
        )
      } catch (error) {
        throw toMqError(kafkaCodeOf(error) ?? error, this.#calls.context(what))
      }
    })
  }
}

/** An answer that holds errors for some of what was asked, instead of the error the library makes of it. */
async function partial<T>(asking: Promise<T>): Promise<T> {
  try {
    return await asking
  } catch (error) {
    const response = responseOf<T>(error)
    if (response === undefined) throw error
    return response
  }
}

function verdictOf(
  { index, leader, leaderEpoch }: PartitionMetadata,
  code: number | undefined,
  silence: string,
): SealProbe {
  const verdict =
    code === KafkaCode.MESSAGE_TOO_LARGE ? 'sealed' : code === KafkaCode.CORRUPT_MESSAGE ? 'open' : 'unknown'
  const reason = code === undefined ? silence : protocolError(code).name
  return { partition: index, leader, leaderEpoch, verdict, reason, code }
}

/** A batch as small as mQ ever sends one, whose checksum is wrong. */
function probeBatch(): Buffer {
  const encoder = new BatchEncoder(Buffer.alloc(BatchEncoder.bytesFor(PROBE_BYTES)))
  encoder.tryAppend(null, 'mq-probe', undefined, 0, PROBE_BYTES)
  encoder.seal()
  const batch = Buffer.from(encoder.sealed())
  stamp(batch, null, { producerId: -1n, producerEpoch: -1, baseSequence: -1 })
  batch.writeUInt32BE((batch.readUInt32BE(17) ^ 0xffffffff) >>> 0, 17)
  return batch
}

/** With acks=1: replicas that lag must not keep the leader from saying how it stands. */
function sendProbe(
  connection: Connection,
  version: number,
  topic: string,
  partitions: readonly number[],
): Promise<ProduceAnswer> {
  const batch = probeBatch()
  const { promise, resolve, reject } = Promise.withResolvers<ProduceAnswer>()
  const entries = partitions.map((partition) => ({ topic, partition, header: batch, records: null }))
  const done = (error: Error | null, answer: ProduceAnswer | undefined): void =>
    error === null ? resolve(answer as ProduceAnswer) : reject(error)
  sendProduce(connection, version, entries, PROBE_MS, done, LEADER_ALONE)
  return promise
}
