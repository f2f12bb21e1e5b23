/**
 * What a changed intent means for an mQ ID that already lives. Pure.
 *
 * V1. A change that could reorder, hide or misread records already stored is refused with the reason; nothing is done by half.
 * V2. The order of keys in an object never makes a change.
 */
import { formatDurationMs, type Intent, type MqErrorCode } from '@mq/contract'

export interface FieldChange {
  readonly path: string
  readonly before: string | null
  readonly after: string | null
}

export interface Refusal {
  readonly code: MqErrorCode
  readonly message: string
}

/** Every field that differs, in the order of the new intent (V2). */
export function diffIntents(before: Intent | null, after: Intent): FieldChange[] {
  const old = new Map(before === null ? [] : flatten('', before))
  const now = new Map(flatten('', after))
  const changes: FieldChange[] = []
  for (const [path, value] of now) {
    const was = old.get(path) ?? null
    if (was !== value) changes.push({ path, before: was, after: value })
  }
  for (const [path, value] of old) {
    if (!now.has(path)) changes.push({ path, before: value, after: null })
  }
  return changes
}

/** Which stored records a new intent lets go, in words. */
export function deletedBy(before: Intent, after: Intent): string[] {
  if (after.retention.policy !== 'time') return []
  const keptMs = before.retention.policy === 'time' ? before.retention.durationMs : Number.POSITIVE_INFINITY
  const { durationMs } = after.retention
  return durationMs < keptMs
    ? [`every record older than ${formatDurationMs(durationMs)}, also what no group has read`]
    : []
}

/** Requirements this version cannot meet on any cluster. */
export function unmetWish(intent: Intent): Refusal | undefined {
  if (intent.durability === 'standard') return undefined
  const missing = {
    replay: 'mQ cannot yet keep and re-send the last seconds of a producer after the loss of a cluster',
    mirror: 'mQ cannot yet copy records to a second cluster',
    dual: 'mQ cannot yet write to two clusters before it acknowledges',
  }[intent.durability]
  return {
    code: 'MQ_INTENT_UNMET',
    message: `durability '${intent.durability}' cannot be met: ${missing}; 'standard' works today`,
  }
}

/** Why the standing epoch cannot take the new intent, or undefined when it can. `empty`: no record was ever written. */
export function refusedChange(before: Intent, after: Intent, empty: boolean): Refusal | undefined {
  const unmet = unmetWish(after)
  if (unmet !== undefined) return unmet
  if (before.format !== after.format && !empty) {
    return {
      code: 'MQ_INTENT_UNMET',
      message: `format cannot change from '${before.format}' to '${after.format}': records written as '${before.format}' may be stored or under way, and consumers would misread them; declare a new mQ ID`,
    }
  }
  if (before.ordering === 'none' && after.ordering === 'key' && !empty) {
    return {
      code: 'MQ_INTENT_UNMET',
      message:
        "ordering cannot change from 'none' to 'key': stored records of one key lie in several partitions, so their order with new ones cannot be kept; declare a new mQ ID",
    }
  }
  const wasCompacted = before.retention.policy === 'latest-per-key'
  const isCompacted = after.retention.policy === 'latest-per-key'
  if (wasCompacted !== isCompacted && !empty) {
    return {
      code: 'MQ_INTENT_UNMET',
      message: isCompacted
        ? "retention cannot change to 'latest-per-key': stored records without a key cannot be compacted; declare a new mQ ID"
        : "retention cannot change from 'latest-per-key': the latest record of a key that was not written lately would be removed; declare a new mQ ID",
    }
  }
  return undefined
}

/** Whether `refusedChange` needs to know if the topic is empty. */
export function dependsOnRecords(before: Intent, after: Intent): boolean {
  return refusedChange(before, after, false) !== undefined && refusedChange(before, after, true) === undefined
}

function flatten(path: string, value: unknown): [string, string][] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value.length === 0 ? [] : [[path, stable(value)]]
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => flatten(path === '' ? key : `${path}.${key}`, inner))
  }
  return [[path, String(value)]]
}

function stable(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'object' && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
