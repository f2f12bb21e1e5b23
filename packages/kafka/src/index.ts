/** The whole public surface of `@mq/kafka`. */

export { codecs, compress, compressSync, decompress } from './compression.ts'
export type { Clock, Deps, TimerHandle, Timers } from './deps.ts'
export { systemDeps } from './deps.ts'
export type { FetchCluster, FetchLink, FetchNetwork, LocatedTopic, OffsetRange } from './fetch-network.ts'
export { FetchedBatch } from './fetched-batch.ts'
export { Fetcher, type FetcherOptions, type OffsetOutOfRange } from './fetcher.ts'
export type { FetchedRecord, RecordHeader } from './record-view.ts'
