/**
 * Topics whose truth is known: how much comes into each in a month, whatever the times of its records say.
 *
 * H1. The truth is what the generator does, never what anything measured: its rate, its sizes, its settings.
 * H2. What came before the scan is written at once, with the times at which it would have come; what comes now is written while the
 *     scan looks. A topic with odd times has no such past: nobody could know it.
 */

export type Kind =
  | 'steady'
  | 'far-behind'
  | 'hourly-burst'
  | 'old-times'
  | 'seconds-for-milliseconds'
  | 'future-times'
  | 'slow-old-times'
  | 'one-off-burst'
  | 'young'
  | 'compacted'
  | 'large-batches'
  | 'transactions'
  | 'unused'

export interface TruthTopic {
  readonly name: string
  readonly kind: Kind
  readonly partitions: number
  readonly configs: Readonly<Record<string, string>>
  /** Over a month. */
  readonly recordsPerSecond: number
  readonly valueBytes: number
  /** In a batch that is written now. */
  readonly liveBatch: number
  /** In a batch of the past: fewer and larger, to be done with it. */
  readonly pastBatch: number
  readonly pastHours: number
  /** Records that were written in one go a minute ago. */
  readonly burstRecords: number
  readonly isRead: boolean
  /** Read by kafkajs, which cannot read zstd, lz4 and snappy by itself. */
  readonly byKafkajs: boolean
}

export const HOUR_MS = 3_600_000
export const DAY_MS = 24 * HOUR_MS

/** How many of each kind in a cluster of 60; other counts are shared out alike, at least one of each. */
const COUNTS: Readonly<Record<Kind, number>> = {
  steady: 20,
  'far-behind': 2,
  'hourly-burst': 5,
  'old-times': 5,
  'seconds-for-milliseconds': 3,
  'future-times': 2,
  'slow-old-times': 3,
  'one-off-burst': 4,
  young: 4,
  compacted: 4,
  'large-batches': 4,
  transactions: 2,
  unused: 2,
}

export function truthTopics(count: number): TruthTopic[] {
  const kinds = Object.entries(COUNTS) as [Kind, number][]
  const topics = kinds.flatMap(([kind, of60]) => {
    const own = Math.max(kind === 'steady' ? 2 : 1, Math.round((of60 * count) / 60))
    return Array.from({ length: own }, (_, at) => topicOf(kind, at))
  })
  return topics
}

function topicOf(kind: Kind, at: number): TruthTopic {
  const usual: TruthTopic = {
    name: `${kind}-${at}`,
    kind,
    partitions: 1 + (at % 3),
    configs: { 'retention.ms': String(7 * DAY_MS), 'segment.ms': String(DAY_MS) },
    recordsPerSecond: 0.2 + 0.03 * at,
    valueBytes: 1_500 + 100 * (at % 5),
    liveBatch: 2,
    pastBatch: 100,
    pastHours: 25,
    burstRecords: 0,
    isRead: at % 3 === 0,
    byKafkajs: false,
  }
  const fresh = { pastHours: 0, recordsPerSecond: 4 + at, valueBytes: 400, liveBatch: 2 }
  switch (kind) {
    case 'steady':
      return at === 1 ? { ...usual, isRead: true, byKafkajs: true } : usual
    case 'far-behind':
      // Its group stands at the beginning of five days.
      return { ...usual, recordsPerSecond: 0.05, pastHours: 120, pastBatch: 40, isRead: true }
    case 'hourly-burst':
      return { ...usual, recordsPerSecond: 0.25, pastBatch: 90 }
    case 'old-times':
    case 'seconds-for-milliseconds':
    case 'future-times':
      return { ...usual, ...fresh }
    case 'slow-old-times':
      return { ...usual, ...fresh, recordsPerSecond: 1 / 60, liveBatch: 1, pastBatch: 1, pastHours: 6 }
    case 'one-off-burst':
      return { ...usual, recordsPerSecond: 0, pastHours: 0, burstRecords: 3_000, valueBytes: 300 }
    case 'young':
      return { ...usual, recordsPerSecond: 5, valueBytes: 300, liveBatch: 5, pastBatch: 50, pastHours: 0.25 }
    case 'compacted':
      return {
        ...usual,
        ...fresh,
        configs: {
          'cleanup.policy': 'compact',
          'segment.bytes': '1048576',
          'segment.ms': '2000',
          'min.cleanable.dirty.ratio': '0.01',
          'max.compaction.lag.ms': '2000',
        },
        burstRecords: 2_000,
      }
    case 'large-batches':
      return { ...usual, recordsPerSecond: 0.4, valueBytes: 12_000, liveBatch: 60, pastBatch: 60, pastHours: 25 }
    case 'transactions':
      return { ...usual, ...fresh, recordsPerSecond: 4, liveBatch: 4 }
    case 'unused':
      return { ...usual, recordsPerSecond: 0, pastHours: 0, isRead: false }
  }
}

/** The time a record carries that comes at a moment. */
export function timeOf(kind: Kind, arrivalMs: number): number {
  switch (kind) {
    case 'old-times':
    case 'slow-old-times':
      return arrivalMs - 40 * DAY_MS
    case 'seconds-for-milliseconds':
      return Math.floor(arrivalMs / 1_000)
    case 'future-times':
      // Brokers refuse what is more than an hour ahead.
      return arrivalMs + 50 * 60_000
    default:
      return arrivalMs
  }
}
