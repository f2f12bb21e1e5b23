/**
 * How long a topic keeps records.
 */
import { judgeWatch } from '@mq/autopilot'
import { formatDurationMs } from '@mq/contract'
import { z } from 'zod'
import { TIME_LIMIT_SETTING } from '../../provision/time-limit.ts'
import type { ActiveId } from '../../registry/records.ts'
import type { ChangeContext } from '../change-context.ts'
import type { ChangeKind } from '../change-kind.ts'
import { WHOLE_TOPIC } from './whole-topic.ts'

const Kept = z.object({ retentionMs: z.number().int() })

export const retentionChange: ChangeKind = {
  name: 'retention',
  isCurrent: () => true,
  rolloutStrategy: () => WHOLE_TOPIC,
  apply: async (context, { number, title, change }, active) => {
    await setRetention(context, active, Kept.parse(change.after).retentionMs, `decision ${number}: ${title}`)
    return { kind: 'done' }
  },
  verify: (facts) => judgeWatch({ ...facts, isStructural: true }),
  revert: async (context, { change, work }, active, why) => {
    if (active !== undefined && work.undo?.outcome !== 'superseded') {
      await setRetention(context, active, Kept.parse(change.before).retentionMs, why)
    }
    return { kind: 'done' }
  },
}

/** Both limits of age follow one another: a record that would be deleted at once is refused, not taken. */
async function setRetention(
  { provisioner }: ChangeContext,
  active: ActiveId,
  retentionMs: number,
  why: string,
): Promise<void> {
  const configs = {
    'retention.ms': String(retentionMs),
    [TIME_LIMIT_SETTING]: String(retentionMs),
  }
  const value = formatDurationMs(retentionMs)
  await provisioner.reconfigure(active.id, 'mq', why, ({ spec }) => ({
    alter: configs,
    spec: {
      ...spec,
      topicConfigs: { ...spec.topicConfigs, ...configs },
      choices: spec.choices.map((choice) =>
        choice.setting === 'retention' ? { ...choice, value, reason: why } : choice,
      ),
    },
  }))
}
