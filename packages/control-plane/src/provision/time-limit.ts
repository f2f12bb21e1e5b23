/**
 * Whether a topic refuses records whose own time is already older than its retention. Kafka deletes such a record soon after it
 * acknowledged it, so the refusal is a promise, and it may only be given where the cluster keeps it.
 *
 * L1. `before`: Kafka 3.6 and newer have a setting for exactly this.
 * L2. `difference`: older ones have one that refuses what is further from now than that in either direction (gone since 4.0).
 * L3. `none`: an engine that knows neither. `unknown`: its settings could not be read. Nothing is promised then, and it is said.
 */
import type { TimestampLimits } from '@mq/contract'
import type { IdSpec } from '../registry/records.ts'

export type TimeLimit = 'before' | 'difference' | 'none' | 'unknown'

type Configs = Readonly<Record<string, string>>

const BEFORE = 'message.timestamp.before.max.ms'
const DIFFERENCE = 'message.timestamp.difference.max.ms'
const AFTER = 'message.timestamp.after.max.ms'
/** What Kafka itself takes when nobody says otherwise. */
const AFTER_MS = 3_600_000
const UNLIMITED = '9223372036854775807'
const PROMISE = 'A record whose own time is already older is refused, not dropped in silence'

const INSTEAD: Readonly<Record<Exclude<TimeLimit, 'before'>, string>> = {
  difference: `A record whose own time is already older, or as far ahead of now, is refused, not dropped in silence (by ${DIFFERENCE}: this Kafka is older than 3.6)`,
  none: 'This cluster knows no setting that refuses a record whose own time is already older: it is acknowledged and soon deleted',
  unknown:
    'Whether a record whose own time is already older is refused, or acknowledged and soon deleted, could not be read from the cluster',
}

/** The sentence a reason of time retention ends with; `withTimeLimit` puts what is true in its place. */
export const TIME_LIMIT_PROMISE = PROMISE
export const TIME_LIMIT_SETTING = BEFORE

/** The limits of a topic in the words of Kafka 3.6 and newer. @param beforeMs null: any age */
export function timeLimitConfigs(beforeMs: number | null): Record<string, string> {
  return { [BEFORE]: beforeMs === null ? UNLIMITED : String(beforeMs), [AFTER]: String(AFTER_MS) }
}

/** Which of the settings a refusal of the cluster names as unknown to it. */
export function refusedLimit(message: string): Exclude<TimeLimit, 'none' | 'unknown'> | undefined {
  if (message.includes(BEFORE) || message.includes(AFTER)) return 'before'
  return message.includes(DIFFERENCE) ? 'difference' : undefined
}

/** The same settings for a cluster that keeps the limit in its own way. */
export function configsFor(limit: TimeLimit, configs: Configs): Record<string, string> {
  if (limit === 'before') return { ...configs }
  const { [BEFORE]: value, [AFTER]: _, ...rest } = configs
  if (value === undefined || limit === 'none') return rest
  return { ...rest, [DIFFERENCE]: value }
}

/** @param settings in force, by Kafka's names; undefined when they could not be read */
export function limitOf(settings: ReadonlyMap<string, string | null> | undefined): TimeLimit {
  if (settings === undefined) return 'unknown'
  if (settings.has(BEFORE)) return 'before'
  return settings.get(DIFFERENCE) === settings.get('retention.ms') ? 'difference' : 'none'
}

/** What is promised to the owner, as the cluster keeps it. */
export function withTimeLimit(given: IdSpec, limit: TimeLimit): IdSpec {
  const timestamps = limitsOf(given.topicConfigs, limit)
  const { timestamps: _, ...rest } = given
  const spec = timestamps === undefined ? rest : { ...rest, timestamps }
  if (limit === 'before') return spec
  const choices = spec.choices.map((choice) => ({ ...choice, reason: choice.reason.replace(PROMISE, INSTEAD[limit]) }))
  return { ...spec, choices }
}

/** What clients are told. */
function limitsOf(configs: Configs, limit: TimeLimit): TimestampLimits | undefined {
  const before = configs[BEFORE]
  if (before === undefined || limit === 'none' || limit === 'unknown') return undefined
  // Topics of before this setting was made explicit have the default of their brokers, which is not known.
  const after = limit === 'difference' ? before : configs[AFTER]
  if (after === undefined) return undefined
  const msOf = (text: string): number | null => (text === UNLIMITED ? null : Number(text))
  return { beforeMaxMs: msOf(before), afterMaxMs: msOf(after) }
}
