/**
 * Everything mQ decides for one mQ ID on one cluster, put together from the rules. Pure.
 */
import type { Choice, ConsumerSettings, Intent, ProducerSettings } from '@mq/contract'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import { type ClusterFacts, place, type Standing } from './placement-rules.ts'
import { chooseSettings } from './settings-rules.ts'

/** Settings that were found on the traffic of an mQ ID, and stay where the rules would say something else. */
export interface Tuned {
  readonly producer: ProducerSettings
  readonly consumer: ConsumerSettings
  readonly choices: readonly Choice[]
  readonly trial: IdSpec['trial']
}

export function decide(
  intent: Intent,
  cluster: Pick<ClusterFacts, 'name' | 'brokers'>,
  where: Choice,
  standing?: Standing,
  tuned?: Tuned,
): { spec: IdSpec; partitions: number } {
  const settings = tuned ?? chooseSettings(intent)
  const placement = place(intent, settings.producer, cluster, standing)
  return {
    partitions: placement.partitions,
    spec: {
      intent,
      producer: settings.producer,
      consumer: settings.consumer,
      replication: placement.replication,
      minInsyncReplicas: placement.minInsyncReplicas,
      topicConfigs: { ...placement.topicConfigs },
      choices: [where, ...placement.choices, ...settings.choices],
      warnings: [...placement.warnings],
      trial: tuned?.trial ?? null,
    },
  }
}

/** What belongs to the mQ ID and follows from no rule. */
export function lastingOf({ side, redrive }: IdSpec): Pick<IdSpec, 'side' | 'redrive'> {
  return { ...(side === undefined ? {} : { side }), ...(redrive === undefined ? {} : { redrive }) }
}

/** What the last epoch has and a change cannot alter. */
export function standingOf(record: ActiveId): Standing {
  return {
    partitions: record.epochs.at(-1)!.partitions,
    replication: record.spec.replication,
    minInsyncReplicas: record.spec.minInsyncReplicas,
    maxMessageBytes: Number(record.spec.topicConfigs['max.message.bytes'] ?? 0),
  }
}

export function clusterChoice(spec: IdSpec): Choice {
  return spec.choices.find((choice) => choice.setting === 'cluster')!
}

/** The parts of an intent that settings follow from: who owns it, and what it may cost, are not among them. */
export function intentKey(intent: Intent): string {
  const {
    owner: _owner,
    budgetUsdPerMonth: _budget,
    peaks: _peaks,
    movable: _movable,
    groups: _groups,
    minCopies: _copies,
    minZones: _zones,
    regions: _regions,
    clusterLabels: _labels,
    ...rest
  } = intent
  return JSON.stringify(rest, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )
}

/** What stands of the settings of an mQ ID under a new intent: everything, or nothing when they follow from what changed. */
export function tunedOf({ spec }: ActiveId, intent: Intent): Tuned | undefined {
  return intentKey(spec.intent) === intentKey(intent) ? settingsOf(spec) : undefined
}

/** The settings of an mQ ID as they stand, without the reasons of its place. */
export function settingsOf({ producer, consumer, choices, trial }: IdSpec): Tuned {
  return {
    producer,
    consumer,
    trial,
    choices: choices.filter(isOfSettings),
  }
}

/** The same place under other settings; a trial of others has ended. */
export function withSettings(spec: IdSpec, { producer, consumer, choices }: Omit<Tuned, 'trial'>): IdSpec {
  const ofPlace = spec.choices.filter((choice) => !isOfSettings(choice))
  return { ...spec, producer, consumer, choices: [...ofPlace, ...choices], trial: null }
}

function isOfSettings({ setting }: Choice): boolean {
  return /^(?:producer|consumer)\./.test(setting)
}
