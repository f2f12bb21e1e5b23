/**
 * One complete choice of the settings that cost money: what the optimiser enumerates and a decision changes.
 *
 * K1. acks, idempotence and the partitioner are not here: nothing tunes them.
 * K2. lz4 and snappy have no level: lz4's default is its fast one, and every other switches to the slow compressor.
 */
import type { Codec } from '@mq/contract'
import { codecName } from './codec-curve.ts'

export interface Configuration {
  readonly cluster: string
  readonly partitions: number
  readonly replication: number
  /** Null: no limit in time (for ever, or the latest of every key). */
  readonly retentionMs: number | null
  /** What stays on the brokers' disks when the rest is tiered; null without tiering. */
  readonly localRetentionMs: number | null
  readonly codec: Codec
  readonly codecLevel: number | null
  readonly lingerMs: number
  /** Counts bytes before compression, header included: mQ closes a batch by what it holds, not by what it will weigh. */
  readonly batchBytes: number
  readonly fetchMinBytes: number
  readonly fetchMaxWaitMs: number
  /** Consumers read from a replica in their own zone. */
  readonly followerFetch: boolean
}

export type ClientKnobs = Pick<
  Configuration,
  'codec' | 'codecLevel' | 'lingerMs' | 'batchBytes' | 'fetchMinBytes' | 'fetchMaxWaitMs'
>

/** What a client of Apache Kafka 4.x does when nobody sets anything: the case every saving is measured against. */
export function defaultConfiguration(
  place: Pick<Configuration, 'cluster' | 'partitions' | 'replication' | 'retentionMs'>,
): Configuration {
  return {
    ...place,
    localRetentionMs: null,
    codec: 'none',
    codecLevel: null,
    lingerMs: 5,
    batchBytes: 16_384,
    fetchMinBytes: 1,
    fetchMaxWaitMs: 500,
    followerFetch: false,
  }
}

export function sameConfiguration(a: Configuration, b: Configuration): boolean {
  return (
    sameKnobs(a, b) &&
    a.cluster === b.cluster &&
    a.partitions === b.partitions &&
    a.replication === b.replication &&
    a.retentionMs === b.retentionMs &&
    a.localRetentionMs === b.localRetentionMs &&
    a.followerFetch === b.followerFetch
  )
}

export function sameKnobs(a: ClientKnobs, b: ClientKnobs): boolean {
  return (
    codecName(a.codec, a.codecLevel) === codecName(b.codec, b.codecLevel) &&
    a.lingerMs === b.lingerMs &&
    a.batchBytes === b.batchBytes &&
    a.fetchMinBytes === b.fetchMinBytes &&
    a.fetchMaxWaitMs === b.fetchMaxWaitMs
  )
}
