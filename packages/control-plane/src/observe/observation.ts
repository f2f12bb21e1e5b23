/**
 * What one look at a Kafka cluster found, with nothing but its own answers: no agent, no client, no control plane.
 *
 * O1. A figure that could not be had is null, and `problems` says why, for the topic, group or broker it is about.
 * O2. Rates say how they were got and over how long; a rate of a few seconds is never shown as that of a month.
 */
import type { Codec, ShadowSample } from '@mq/contract'
import type { BrokerMetrics } from './broker-metrics.ts'

export interface ObservedBroker {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
  /** Bytes of logs on its disks. */
  readonly logBytes: number | null
  readonly totalBytes: number | null
  readonly usableBytes: number | null
}

/** What the logs of a topic grew by between two looks. */
export interface ObservedGrowth {
  /** Of log ends: records, and markers of transactions. */
  readonly offsets: number
  /** One copy; null where sizes are not known, or something was deleted in between. */
  readonly bytes: number | null
  readonly overMs: number
}

/**
 * What the times of records are worth: `append` are written by the broker, `arrival` were checked against what came while it was
 * watched, `astray` failed that check, and of `unknown` ones nothing came to check them by.
 */
export type TimesOfRecords = 'append' | 'arrival' | 'astray' | 'unknown'

export type Certainty = 'high' | 'medium' | 'low'

/** O2 */
export interface ObservedRate {
  readonly recordsPerSecond: number
  /** What was seen allows anything between them; both are `recordsPerSecond` where it was seen for a day. */
  readonly from: number
  readonly to: number
  readonly basis: 'last-24h' | 'since-first-record' | 'watched' | 'never'
  readonly overMs: number
  readonly confidence: Certainty
}

/** What the last batches of some partitions say. */
export interface ObservedBatches {
  readonly batches: number
  readonly records: number
  readonly wireBytes: number
  /** Headers included, as `wireBytes`. */
  readonly uncompressedBytes: number
  /** Share of the sampled wire bytes. */
  readonly codecs: Readonly<Partial<Record<Codec, number>>>
  /** Idempotent producers seen; null when some were not, and cannot be told apart. */
  readonly producers: number | null
  /** By the times of the records. */
  readonly newestMs: number
  readonly partitions: number
  /** Offsets from the first sampled record to the last one; more than records and markers where compaction left holes. */
  readonly offsets: number
  /** Of transactions: they take an offset each and are no record. */
  readonly markers: number
  readonly markerBytes: number
  /** What other codecs make of these very records; empty where it was not tried. */
  readonly tried: readonly ShadowSample[]
}

export interface ObservedTopicConfigs {
  /** Null: no limit. */
  readonly retentionMs: number | null
  readonly retentionBytes: number | null
  readonly segmentMs: number
  readonly segmentBytes: number
  readonly compacted: boolean
  readonly deletes: boolean
  /** `producer` when brokers keep what they get. */
  readonly compression: string
  readonly minInsync: number
  /** Brokers write the times of records, and not producers. */
  readonly appendTime: boolean
  readonly tiered: boolean
  readonly localRetentionMs: number | null
}

export interface ObservedTopic {
  readonly name: string
  /** Kafka's own. */
  readonly internal: boolean
  readonly partitions: number
  readonly replication: number
  readonly underReplicated: number
  readonly configs: ObservedTopicConfigs | null
  /** Offsets between the beginning and the end of its logs, over all partitions: markers and what compaction took away included. */
  readonly retainedOffsets: number | null
  /** Records in them, as near as batches and sizes tell; null when neither does. */
  readonly retainedRecords: number | null
  /** Sum of log start offsets, and of log end offsets. */
  readonly startOffset: number | null
  readonly endOffset: number | null
  /** Time of the oldest record, by its own word. */
  readonly oldestMs: number | null
  /** One copy. */
  readonly leaderBytes: number | null
  /** All copies. */
  readonly diskBytes: number | null
  readonly rate: ObservedRate | null
  /** Null when it was not watched. */
  readonly watched: ObservedGrowth | null
  readonly times: TimesOfRecords
  readonly batches: ObservedBatches | null
  /** Partitions that got no record in a day; null when that is not known. */
  readonly quietPartitions: number | null
}

export interface ObservedGroup {
  readonly group: string
  readonly state: string
  readonly members: number | null
  /** As clients of a classic group name it; some libraries are known by it. */
  readonly assignor: string | null
  readonly topics: readonly {
    readonly topic: string
    /** Records behind the end, over partitions with a position. */
    readonly lagRecords: number
    /** Records of the topic it is behind that are gone already. */
    readonly lostRecords: number
    /** Positions moved while it was watched. */
    readonly moving: boolean
  }[]
}

export interface ObservationProblem {
  readonly about: 'cluster' | 'broker' | 'topic' | 'group'
  readonly name: string
  /** What is missing because of it. */
  readonly missing: string
  readonly code: string
  readonly message: string
}

export interface ClusterObservation {
  readonly cluster: string
  readonly clusterId: string | null
  readonly startedAtMs: number
  readonly tookMs: number
  /** Between the two looks at log ends. */
  readonly watchedMs: number
  readonly brokers: readonly ObservedBroker[]
  /** Different racks the brokers name; null when none does. */
  readonly racks: number | null
  /** Whether brokers let consumers read from the copy in their rack; null where their settings may not be read. */
  readonly readsNearby: boolean | null
  readonly topics: readonly ObservedTopic[]
  readonly groups: readonly ObservedGroup[]
  readonly problems: readonly ObservationProblem[]
  /** From the endpoint that was registered with the cluster; left out where there is none or it was not read twice yet. */
  readonly metrics?: BrokerMetrics
}

/** Groups that read a topic: with members, or with positions that moved. */
export function readersOf(observation: Pick<ClusterObservation, 'groups'>, topic: string): ObservedGroup[] {
  return observation.groups.filter((group) =>
    group.topics.some((one) => one.topic === topic && ((group.members ?? 0) > 0 || one.moving)),
  )
}
