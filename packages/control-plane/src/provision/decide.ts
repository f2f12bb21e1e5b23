/**
 * Everything mQ decides for one mQ ID on one cluster, put together from the rules. Pure.
 */
import type { Choice, Intent } from '@mq/contract'
import type { ActiveId, IdSpec } from '../registry/records.ts'
import { type ClusterFacts, place, type Standing } from './placement-rules.ts'
import { chooseSettings } from './settings-rules.ts'

export function decide(
  intent: Intent,
  cluster: Pick<ClusterFacts, 'name' | 'brokers'>,
  where: Choice,
  standing?: Standing,
): { spec: IdSpec; partitions: number } {
  const settings = chooseSettings(intent)
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
    },
  }
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
