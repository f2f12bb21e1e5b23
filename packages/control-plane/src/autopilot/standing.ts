/**
 * Whether what a decision was made for still stands.
 */
import type { DecisionRecord } from '@mq/autopilot'
import { isUnderWay, MqError } from '@mq/contract'
import { intentKey } from '../provision/decide.ts'
import type { ActiveId } from '../registry/records.ts'
import type { ChangeKind } from './change-kind.ts'
import type { Context } from './context.ts'

type Kinds = Pick<Context, 'kinds'>

export function activeOf({ registry }: Pick<Context, 'registry'>, mqId: string): ActiveId | undefined {
  const record = registry.get(mqId)
  return record?.state === 'active' ? record : undefined
}

export function openEpochOf(active: ActiveId): number {
  return active.epochs.find(({ state }) => state === 'open' || state === 'sealing')?.epoch ?? active.lastEpoch
}

/** Why the decision is about a state of things that is gone, or undefined. */
export function overtakenBy(context: Kinds & Pick<Context, 'registry'>, record: DecisionRecord): string | undefined {
  const active = activeOf(context, record.mqId)
  if (active === undefined) return `'${record.mqId}' was deleted`
  if (intentKey(active.spec.intent) !== record.work.intent) return 'the intent was changed'
  if (kindOf(context, record).isMove !== true && openEpochOf(active) !== record.work.epoch) return 'the mQ ID was moved'
  return undefined
}

/** Whether what the change says of `before` or `after` is what the mQ ID has now. */
export function stands(context: Kinds, active: ActiveId, record: DecisionRecord, which: 'before' | 'after'): boolean {
  return kindOf(context, record).isCurrent(active, record, which)
}

/** @throws MqError MQ_INTERNAL of a decision that another version made */
export function kindOf({ kinds }: Kinds, { number, kind }: Pick<DecisionRecord, 'number' | 'kind'>): ChangeKind {
  const found = kinds.get(kind)
  if (found !== undefined) return found
  throw new MqError('MQ_INTERNAL', `decision ${number} is a change of kind '${kind}', which this version does not know`)
}

/** Another decision that changes the mQ ID now. */
export function otherUnderWay(
  { decisions }: Pick<Context, 'decisions'>,
  record: DecisionRecord,
): DecisionRecord | undefined {
  return decisions.of(record.mqId).find((one) => one.number !== record.number && isUnderWay(one.state))
}
