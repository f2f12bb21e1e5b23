/** Counts of dead letters, joined with the registry and with what the lag watch knows of logs. */
import { type DeadLetterQueue, MqError } from '@mq/contract'
import { type Deps, readRange } from '@mq/kafka'
import type { LagWatch } from '../lag/lag-watch.ts'
import type { Logger } from '../logger.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import { KeptLetters, type ReadLetters } from './kept-letters.ts'

const READ_AHEAD_BYTES = 4 * 1_048_576
const BATCH_DEADLINE_MS = 15_000

export function assembleKeptLetters(parts: {
  readonly registry: Registry
  readonly lagWatch: LagWatch
  /** Tests bring their own. */
  readonly read: ReadLetters | undefined
  readonly deps: Deps
  readonly logger: Logger
}): KeptLetters {
  const { registry, lagWatch, deps, logger } = parts
  return new KeptLetters({
    sides: () => activeSides(registry),
    ranges: (cluster, topic) => lagWatch.book.ranges(cluster, topic),
    read: parts.read ?? fromKafka(lagWatch),
    everyMs: lagWatch.everyMs,
    ...{ deps, logger },
  })
}

/** Groups that have a place for dead letters, with how many are kept. */
export function keptByGroup(
  registry: Registry,
  letters: KeptLetters,
): Pick<DeadLetterQueue, 'mqId' | 'group' | 'kept'>[] {
  return activeSides(registry).flatMap(({ spec }) => {
    const { mqId, group, role } = spec.side!
    return role === 'dead-letters' ? [{ mqId, group, kept: letters.count(mqId, group)?.kept ?? null }] : []
  })
}

function activeSides(registry: Registry): ActiveId[] {
  return registry.all().flatMap((one) => (one.state === 'active' && one.spec.side !== undefined ? [one] : []))
}

function fromKafka(lagWatch: LagWatch): ReadLetters {
  return async (part, onRecord) => {
    const cluster = lagWatch.cluster(part.cluster)
    if (cluster === undefined) {
      throw new MqError('MQ_KAFKA_UNREACHABLE', `cluster '${part.cluster}' is not connected`)
    }
    const limits = { readAheadBytes: READ_AHEAD_BYTES, batchDeadlineMs: BATCH_DEADLINE_MS }
    await readRange(cluster, { ...part, ...limits }, onRecord)
  }
}
