/**
 * Settings of consumers: how they fetch. Some members of each group try them first.
 *
 * R4. Consumers that report no windows, or of which no few can be taken, cannot be compared: then a person alone may ask for a rollout
 *     to all at once.
 */
import { judgeWatch } from '@mq/autopilot'
import { ConsumerSettings } from '@mq/contract'
import { activeConsumers, whyNoTrial } from '../active-consumers.ts'
import type { ChangeKind } from '../change-kind.ts'
import { sameSettings, specAfter, specWithout } from './settings-spec.ts'

export const consumerSettingsChange: ChangeKind = {
  name: 'consumer-settings',
  subject: 'readers',
  isCurrent: ({ spec }, { change }, which) => sameSettings(spec.consumer, change[which]),
  /** R4 */
  rolloutStrategy: (context, record) => {
    const why = whyNoTrial(context, record.mqId)
    if (why === null) return { kind: 'canary', subject: 'readers' }
    if (record.approvedBy !== null) {
      return { kind: 'for-all', why: `${why}: approved by ${record.approvedBy}, it is rolled out to all and watched` }
    }
    return activeConsumers(context, record.mqId).length === 0 ? { kind: 'wait', why } : { kind: 'not', why }
  },
  apply: async (_context, record) => ({
    kind: 'publish',
    spec: ({ spec }) =>
      sameSettings(spec.consumer, record.change.before)
        ? specAfter(spec, record, { consumer: ConsumerSettings.parse(record.change.after) })
        : undefined,
  }),
  // Without a canary nobody's windows can be compared with a time before.
  verify: (facts) => judgeWatch({ ...facts, isStructural: facts.subject === 'producers' }),
  revert: async (_context, record) => ({
    kind: 'publish',
    spec: ({ spec }) =>
      specWithout(
        spec,
        record,
        sameSettings(spec.consumer, record.change.after)
          ? { consumer: ConsumerSettings.parse(record.change.before) }
          : undefined,
      ),
  }),
  canarySettings: ({ producer }, { change }) => ({ producer, consumer: ConsumerSettings.parse(change.after) }),
}
