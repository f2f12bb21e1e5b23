/**
 * What the spec of an mQ ID is once settings are rolled out, and once they are rolled back.
 */
import type { DecisionRecord } from '@mq/autopilot'
import type { IdSpec } from '../../registry/records.ts'

export function sameSettings(a: object, b: object): boolean {
  const text = (value: object): string =>
    JSON.stringify(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
  return text(a) === text(b)
}

/** With the reasons of the decision in place of the old ones, and without its canary. */
export function specAfter(
  spec: IdSpec,
  { number, choices }: DecisionRecord,
  settings: Partial<Pick<IdSpec, 'producer' | 'consumer'>>,
): IdSpec {
  const named = new Map(
    choices.map((choice) => [choice.setting, { ...choice, reason: `decision ${number}: ${choice.reason}` }]),
  )
  const replaced = spec.choices.map((choice) => named.get(choice.setting) ?? choice)
  const added = [...named.values()].filter(({ setting }) => !spec.choices.some((one) => one.setting === setting))
  return { ...spec, ...settings, choices: [...replaced, ...added], trial: withoutCanary(spec, number) }
}

/**
 * With the reasons of before.
 * @param restored the settings of before; undefined where those of the decision do not stand, so that only its canary ends
 */
export function specWithout(
  spec: IdSpec,
  record: DecisionRecord,
  restored: Partial<Pick<IdSpec, 'producer' | 'consumer' | 'trial'>> | undefined,
): IdSpec | undefined {
  const { number, work } = record
  const trial = withoutCanary(spec, number)
  if (restored === undefined) return trial === spec.trial ? undefined : { ...spec, trial }
  const ours = new Set(record.choices.map(({ setting }) => setting))
  const before = new Map(work.choicesBefore.map((choice) => [choice.setting, choice]))
  const choices = spec.choices.flatMap((choice) =>
    ours.has(choice.setting) ? (before.get(choice.setting) ?? []) : [choice],
  )
  return { ...spec, choices, trial, ...restored }
}

export function withoutCanary({ trial }: IdSpec, decision: number): IdSpec['trial'] {
  return trial?.decision === decision ? null : trial
}
