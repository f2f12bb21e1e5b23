/**
 * Settings of producers: codec, linger and batch. Some instances try them first.
 */
import { type DecisionRecord, judgeWatch } from '@mq/autopilot'
import { ProducerSettings } from '@mq/contract'
import type { IdSpec } from '../../registry/records.ts'
import type { ChangeKind } from '../change-kind.ts'
import { sameSettings, specAfter, specWithout, withoutCanary } from './settings-spec.ts'

const settingsOf = ({ change }: DecisionRecord, which: 'before' | 'after'): ProducerSettings =>
  ProducerSettings.parse(change[which])

export const producerSettingsChange: ChangeKind = {
  name: 'producer-settings',
  isCurrent: ({ spec }, { change }, which) => sameSettings(spec.producer, change[which]),
  rolloutStrategy: () => ({ kind: 'canary', subject: 'producers' }),
  apply: async (_context, record) => ({
    kind: 'publish',
    spec: ({ spec }) =>
      sameSettings(spec.producer, record.change.before)
        ? specAfter(spec, record, { producer: settingsOf(record, 'after') })
        : undefined,
  }),
  verify: (facts) => judgeWatch({ ...facts, isStructural: false }),
  revert: async (_context, record) => ({ kind: 'publish', spec: ({ spec }) => withoutProducerSettings(spec, record) }),
  canarySettings: (_spec, record) => ({ producer: settingsOf(record, 'after') }),
}

/** The spec without the change, or undefined when nothing of it stands. */
export function withoutProducerSettings(spec: IdSpec, record: DecisionRecord): IdSpec | undefined {
  if (!sameSettings(spec.producer, record.change.after)) return specWithout(spec, record, undefined)
  const producer = settingsOf(record, 'before')
  const trial = withoutCanary(spec, record.number)
  // A canary of consumers names the settings to send with only because a canary names both.
  return specWithout(spec, record, { producer, trial: trial?.consumer === undefined ? trial : { ...trial, producer } })
}
