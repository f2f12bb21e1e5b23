/**
 * The configuration that stands for an mQ ID, as the models take it.
 */
import type { Configuration } from '@mq/economics'
import type { ActiveId } from '../registry/records.ts'

export function configurationOf(active: ActiveId): Configuration {
  const { producer, consumer, replication, intent } = active.spec
  const open = active.epochs.find(({ state }) => state === 'open' || state === 'sealing') ?? active.epochs.at(-1)!
  return {
    cluster: open.cluster,
    partitions: open.partitions,
    replication,
    retentionMs: intent.retention.policy === 'time' ? intent.retention.durationMs : null,
    localRetentionMs: null,
    codec: producer.codec,
    codecLevel: producer.codecLevel ?? null,
    lingerMs: producer.lingerMs,
    batchBytes: producer.batchBytes,
    fetchMinBytes: consumer.fetchMinBytes,
    fetchMaxWaitMs: consumer.fetchMaxWaitMs,
    followerFetch: false,
  }
}

export type SeenLog = (cluster: string, topic: string) => { readonly atMs: number; readonly bytes: number } | null

/** One copy of the open epoch as it lies on disk. */
export function logBytesOf(seenLog: SeenLog, active: ActiveId): number | null {
  const open = active.epochs.find(({ state }) => state === 'open')
  return open === undefined ? null : (seenLog(open.cluster, open.topic)?.bytes ?? null)
}
