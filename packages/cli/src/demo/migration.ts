/**
 * The migration of the demo: its busiest mQ ID goes to another cluster and another number of partitions while it is in use.
 *
 * V1. The verdict comes from what the applications saw, compared with the file, and not from what the control plane says.
 */
import { type Migration, MqError } from '@mq/contract'
import { type Check, none } from './checks.ts'
import type { FlightsFollowed, FlightsProduced } from './results.ts'
import type { Stage } from './stage.ts'

const POLL_MS = 250
const GIVE_UP_MS = 60_000
const OPENED: readonly Migration['state'][] = ['open', 'draining', 'retired']

interface Place {
  readonly cluster: string
  readonly partitions: number
}

export interface MigrationOutcome {
  readonly from: Place
  readonly to: Place
  /** Flights that were written to the old place and to the new one. */
  readonly written: { readonly before: number; readonly after: number }
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  /** Longest time a producer waited for the confirmation of a window of messages, and longest time a group got none. */
  readonly longestWriteWaitMs: number
  readonly longestConsumerGapMs: number
  /** From the first refusal of a broker to the opening of the new place. */
  readonly closedMs: number | null
  readonly checks: readonly Check[]
}

/** Asks for the migration and resolves when the new place is open. */
export async function migrateWhileInUse(stage: Stage, id: string): Promise<Migration> {
  const { partitions } = await stage.describe(id)
  const target = stage.secondCluster === undefined ? {} : { to: stage.secondCluster }
  const begun = await stage.api.call(
    'migrate',
    { params: { id }, body: { ...target, partitions: partitions * 2, plan: false } },
    { signal: stage.signal, deadlineMs: GIVE_UP_MS },
  )
  if (begun.migration === null) throw new MqError('MQ_CHECK_FAILED', `${id} was not moved`)
  const params = { number: String(begun.migration.number) }
  const endMs = performance.now() + GIVE_UP_MS
  for (
    let last = begun.migration;
    ;
    last = await stage.api.call('getMigration', { params }, { signal: stage.signal })
  ) {
    if (OPENED.includes(last.state)) return last
    if (last.problem !== null || performance.now() > endMs) {
      const why = last.problem?.message ?? `it is ${last.state} after ${GIVE_UP_MS / 1_000} s`
      throw new MqError('MQ_CHECK_FAILED', `${id} could not be moved: ${why}`)
    }
    await stage.pause(POLL_MS)
  }
}

/** V1. @param rows flights of the file */
export function judgeMigration(
  migration: Migration,
  rows: number,
  produced: readonly FlightsProduced[],
  followed: readonly FlightsFollowed[],
): MigrationOutcome {
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
  const sent = sum(produced.map((one) => one.sent))
  const before = Number(migration.report.recordsSealed)
  const lost = sum(followed.map((one) => Math.max(0, rows - one.received)))
  const duplicated = sum(followed.map((one) => one.duplicates))
  const reordered = sum(followed.map((one) => one.orderViolations))
  const { from, to } = migration
  return {
    from: { cluster: from.cluster, partitions: from.partitions },
    to: { cluster: to.cluster, partitions: to.partitions },
    written: { before, after: sent - before },
    lost,
    duplicated,
    reordered,
    longestWriteWaitMs: Math.max(...produced.map((one) => one.longestWaitMs)),
    longestConsumerGapMs: Math.max(...followed.map((one) => one.longestGapMs)),
    closedMs: migration.report.closedMs,
    checks: [
      none('no flight was lost by the migration', lost, 'lost'),
      none('no flight came twice because of it', duplicated, 'duplicated'),
      none('none overtook another', reordered, 'reordered'),
    ],
  }
}
