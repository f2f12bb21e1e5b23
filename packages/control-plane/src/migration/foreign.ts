/**
 * Who else writes to the topic of an mQ ID, as far as Kafka knows.
 *
 * F1. Leaders remember idempotent producers by producer id; one that wrote lately and that no client of mQ reports is foreign.
 * F2. Kafka gives no client ids of producers, and leaders keep nothing of producers that are not idempotent: those show only
 *     by what they write after the seal, as stragglers.
 * F3. Where nothing can be said, that is said, with the reason. A client that began less than a report ago may show here, and is
 *     taken out again when it has reported.
 */
import { type ForeignProducer, type MigrationPlace, MqError } from '@mq/contract'
import type { Clusters } from '../provision/clusters.ts'
import type { MigrationTelemetry } from './migration-telemetry.ts'

/** Whoever wrote within this is still writing. */
const LATELY_MS = 60_000

export interface Foreign {
  readonly producers: ForeignProducer[]
  /** Why nothing can be said. */
  readonly unknown: string | null
}

export interface ForeignParts {
  readonly clusters: Clusters
  readonly heard: MigrationTelemetry
  nowMs(): number
}

export async function findForeign(parts: ForeignParts, mqId: string, from: MigrationPlace): Promise<Foreign> {
  const { clusters, heard } = parts
  const unknown = heard.whyUnknown(mqId, LATELY_MS)
  if (unknown !== undefined) return { producers: [], unknown }
  try {
    const active = await clusters.use(from.cluster, `looking who writes to ${from.topic}`, (admin) =>
      admin.activeProducers(from.topic, from.partitions),
    )
    const sinceMs = parts.nowMs() - LATELY_MS
    const lately = active.filter(
      ({ producerId, lastWriteAtMs }) => lastWriteAtMs >= sinceMs && !heard.isOurs(mqId, String(producerId)),
    )
    const producers = [...Map.groupBy(lately, ({ producerId }) => producerId)].map(
      ([producerId, writes]): ForeignProducer => ({
        producerId: String(producerId),
        producerEpoch: Math.max(...writes.map(({ producerEpoch }) => producerEpoch)),
        partitions: writes.map(({ partition }) => partition).sort((a, b) => a - b),
        lastWriteAtMs: Math.max(...writes.map(({ lastWriteAtMs }) => lastWriteAtMs)),
      }),
    )
    return { producers: producers.sort((a, b) => b.lastWriteAtMs - a.lastWriteAtMs).slice(0, 100), unknown: null }
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    return { producers: [], unknown: `the cluster does not tell who writes: ${error.message}` }
  }
}

/** Those that are still foreign once more clients have reported (F3). */
export function stillForeign(
  heard: MigrationTelemetry,
  mqId: string,
  producers: readonly ForeignProducer[],
): ForeignProducer[] {
  return producers.filter(({ producerId }) => !heard.isOurs(mqId, producerId))
}

export function foreignText(producers: readonly ForeignProducer[]): string {
  const ids = producers.slice(0, 5).map(({ producerId }) => producerId)
  const more = producers.length > ids.length ? ` and ${producers.length - ids.length} more` : ''
  return `${producers.length} producer${producers.length === 1 ? '' : 's'} that no client of mQ has reported (producer id ${ids.join(', ')}${more}; Kafka gives no client ids)`
}
