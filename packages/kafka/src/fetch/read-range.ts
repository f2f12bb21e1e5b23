/**
 * Reads the records of one partition from an offset to an end that is known.
 *
 * RR1. It ends with the record before the end, however many of those are left: retention and compaction take records away.
 * RR2. Records are handed over one by one, and their bytes are valid only until the call returns.
 */
import { MqError } from '@mq/contract'
import type { Cluster } from '../net/cluster.ts'
import type { FetchedRecord } from '../records/record-view.ts'
import { Fetcher } from './fetcher.ts'

export interface ReadRange {
  readonly topic: string
  readonly partition: number
  readonly first: bigint
  /** The first offset that is not read. */
  readonly end: bigint
  readonly readAheadBytes: number
  /** Longest wait for a next batch. */
  readonly batchDeadlineMs: number
}

/** @throws MqError MQ_KAFKA_TIMEOUT, or what a broker answered */
export async function readRange(
  cluster: Cluster,
  range: ReadRange,
  onRecord: (record: FetchedRecord) => void,
): Promise<void> {
  const { topic, partition, first, end, readAheadBytes, batchDeadlineMs } = range
  if (first >= end) return
  const { timers } = cluster.deps
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const late = (): void =>
    reject(
      new MqError(
        'MQ_KAFKA_TIMEOUT',
        `topic ${topic} of cluster ${cluster.name} was not read to its end within ${batchDeadlineMs} ms of the last batch`,
      ),
    )
  let timer = timers.setTimeout(late, batchDeadlineMs)
  const fetcher = new Fetcher({
    cluster,
    settings: {
      fetchMinBytes: 1,
      fetchMaxWaitMs: 100,
      readAheadBytes,
      isolation: 'read_committed',
      sessionTimeoutMs: 45_000,
    },
    deps: cluster.deps,
    onBatch: (batch) => {
      try {
        for (const record of batch) if (record.offset < end) onRecord(record)
      } catch (error) {
        reject(error)
      }
      const { nextOffset } = batch
      batch.release()
      timers.clearTimeout(timer)
      timer = timers.setTimeout(late, batchDeadlineMs)
      if (nextOffset >= end) resolve()
    },
    onError: (_topic, _partition, error) => {
      if (!error.retryable) reject(error)
    },
  })
  try {
    fetcher.add(topic, partition, first)
    await promise
  } finally {
    timers.clearTimeout(timer)
    await fetcher.close()
  }
}
