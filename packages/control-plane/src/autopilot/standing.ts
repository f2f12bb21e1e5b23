/**
 * Whether what a decision was made for still stands.
 */
import type { DecisionRecord } from '@mq/autopilot'
import { isUnderWay } from '@mq/contract'
import { intentKey } from '../provision/decide.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Context } from './context.ts'

export function activeOf({ registry }: Pick<Context, 'registry'>, mqId: string): ActiveId | undefined {
  const record = registry.get(mqId)
  return record?.state === 'active' ? record : undefined
}

export function openEpochOf(active: ActiveId): number {
  return active.epochs.find(({ state }) => state === 'open' || state === 'sealing')?.epoch ?? active.lastEpoch
}

/** Why the decision is about a state of things that is gone, or undefined. */
export function overtakenBy(context: Pick<Context, 'registry'>, record: DecisionRecord): string | undefined {
  const active = activeOf(context, record.mqId)
  if (active === undefined) return `'${record.mqId}' was deleted`
  if (intentKey(active.spec.intent) !== record.work.intent) return 'the intent was changed'
  const isMove = record.kind === 'cluster' || record.kind === 'partitions'
  if (!isMove && openEpochOf(active) !== record.work.epoch) return 'the mQ ID was moved'
  return undefined
}

/** Whether the settings of `change.before` stand, so that the change can be made. */
export function stands(active: ActiveId, { change }: DecisionRecord, which: 'before' | 'after'): boolean {
  const wanted = change[which]
  switch (change.kind) {
    case 'producer-settings':
      return sameSettings(active.spec.producer, wanted)
    case 'consumer-settings':
      return sameSettings(active.spec.consumer, wanted)
    default:
      return true
  }
}

export function sameSettings(a: object, b: object): boolean {
  const text = (value: object): string =>
    JSON.stringify(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
  return text(a) === text(b)
}

/** Another decision that changes the mQ ID now. */
export function otherUnderWay(
  { decisions }: Pick<Context, 'decisions'>,
  record: DecisionRecord,
): DecisionRecord | undefined {
  return decisions.of(record.mqId).find((one) => one.number !== record.number && isUnderWay(one.state))
}
