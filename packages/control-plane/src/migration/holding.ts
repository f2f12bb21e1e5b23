/**
 * Sends that wait for a migration: since when, for what, and what a person can do. The one place where that becomes words.
 */
import type { HeldReport } from '../telemetry/held-reports.ts'
import { type MigrationRecord, stepOf } from './record.ts'

/** As a rule sends wait for less than half a second: nothing is said of that. */
export const WORTH_TELLING_MS = 3_000

export interface Holding {
  readonly sinceMs: number
  readonly code: 'not-proven' | 'not-opened' | 'not-told'
  readonly facts: {
    readonly migration: number | null
    readonly topic: string | null
    readonly cluster: string | null
    /** Why the last attempt failed. */
    readonly problem: string | null
    readonly told: HeldReport | null
  }
}

/** What the control plane knows by itself: from the first refusal until the new epoch is open. */
export function holdingOf(record: MigrationRecord): Holding | undefined {
  if (record.state !== 'refusing' && record.state !== 'sealed') return undefined
  const seal = stepOf(record, 'seal')
  const refusedAtMs = seal?.result.refusedAtMs
  const { number: migration, from } = record
  const problem = (record.state === 'refusing' ? seal : stepOf(record, 'open'))?.problem ?? null
  return {
    sinceMs: typeof refusedAtMs === 'number' ? refusedAtMs : record.updatedAtMs,
    code: record.state === 'refusing' ? 'not-proven' : 'not-opened',
    facts: { migration, topic: from.topic, cluster: from.cluster, problem, told: null },
  }
}

/** With what clients told; undefined when nothing waits. */
export function holdingWith(known: Holding | undefined, told: HeldReport | undefined): Holding | undefined {
  if (told === undefined) return known
  if (known !== undefined) return { ...known, facts: { ...known.facts, told } }
  const facts = { migration: null, topic: null, cluster: null, problem: null, told }
  return { sinceMs: told.sinceMs, code: 'not-told', facts }
}

export function holdingText({ sinceMs, code, facts }: Holding, nowMs: number): string {
  const { migration, topic, cluster, problem, told } = facts
  const seconds = Math.max(0, Math.round((nowMs - sinceMs) / 1_000))
  const count = (value: number, what: string): string =>
    `${value} ${what}${value === 1 ? '' : what.endsWith('s') ? 'es' : 's'}`
  const who =
    told === null ? '' : ` (${count(told.records, 'record')} of ${count(told.processes, 'process')}, as last reported)`
  const head = `sends wait since ${new Date(sinceMs).toISOString()}, for ${seconds} s${who}`
  const because = problem === null ? '' : ` The last attempt failed: ${problem}.`
  switch (code) {
    case 'not-proven':
      return `${head}: migration ${migration} has not proven of every leader of topic ${topic} that it refuses data.${because} Where its log ends is known on cluster '${cluster}' alone: bring that back. Each send waits up to its deadline; neither cancel nor skip changes that`
    case 'not-opened':
      return `${head}: every leader of topic ${topic} is proven, and migration ${migration} opens the new epoch as soon as its store takes it.${because} Cluster '${cluster}' is not needed for that`
    case 'not-told':
      return `${head}: the topic of its epoch refuses data, and no migration has asked for that. See what changed with: mq describe`
  }
}
