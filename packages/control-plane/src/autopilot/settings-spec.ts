/**
 * What the settings of an mQ ID are once a decision is rolled out, and once it is rolled back.
 */
import type { DecisionRecord } from '@mq/autopilot'
import type { IdSpec } from '../registry/records.ts'
import { sameSettings } from './standing.ts'

/** The settings with the change made, and its reasons in place of the old ones. */
export function specAfter(spec: IdSpec, { number, change, choices }: DecisionRecord): IdSpec {
  const named = new Map(
    choices.map((choice) => [choice.setting, { ...choice, reason: `decision ${number}: ${choice.reason}` }]),
  )
  const replaced = spec.choices.map((choice) => named.get(choice.setting) ?? choice)
  const added = [...named.values()].filter(({ setting }) => !spec.choices.some((one) => one.setting === setting))
  const trial = spec.trial?.decision === number ? null : spec.trial
  const next = { ...spec, choices: [...replaced, ...added], trial }
  if (change.kind === 'producer-settings') return { ...next, producer: change.after }
  if (change.kind === 'consumer-settings') return { ...next, consumer: change.after }
  return next
}

/** The settings with the change taken back, or undefined when nothing of it stands. */
export function specWithout(spec: IdSpec, record: DecisionRecord): IdSpec | undefined {
  const { number, change, work } = record
  const ours = new Set(record.choices.map(({ setting }) => setting))
  const before = new Map(work.choicesBefore.map((choice) => [choice.setting, choice]))
  const restored = spec.choices.flatMap((choice) =>
    ours.has(choice.setting) ? (before.get(choice.setting) ?? []) : [choice],
  )
  const hasTrial = spec.trial?.decision === number
  const trial = hasTrial ? null : spec.trial
  if (change.kind === 'producer-settings' && sameSettings(spec.producer, change.after)) {
    // A trial of readers names the settings to send with only because a trial names both.
    const held = trial?.consumer === undefined ? trial : { ...trial, producer: change.before }
    return { ...spec, choices: restored, producer: change.before, trial: held }
  }
  if (change.kind === 'consumer-settings' && sameSettings(spec.consumer, change.after)) {
    return { ...spec, choices: restored, consumer: change.before, trial }
  }
  return hasTrial ? { ...spec, trial } : undefined
}
