/**
 * Settings an mQ ID begins with because its clients had them before mQ. Pure.
 *
 * B1. They replace the rules for the knobs they name and for nothing else; where it runs and how it is kept safe follows from the
 *     intent as always.
 * B2. They are a beginning and no pin: the tuning loop looks at them as at any other settings.
 * B3. Every setting they decide says where it is from instead of why it would be a good one.
 */
import { type Choice, type ConsumerSettings, type Intent, MqError, ProducerSettings } from '@mq/contract'
import { defaultConfiguration } from '@mq/economics'
import type { Tuned } from './decide.ts'
import { chooseSettings } from './settings-rules.ts'

export interface StartingSettings {
  /** Where they are from, as the reason of a choice: `the defaults of Kafka's Java client`. */
  readonly from: string
  readonly producer: Pick<ProducerSettings, 'codec' | 'lingerMs' | 'batchBytes'> & { readonly codecLevel?: number }
  readonly consumer: Pick<ConsumerSettings, 'fetchMinBytes' | 'fetchMaxWaitMs'>
}

/** What a service has that never set anything. */
export const javaClientDefaults: StartingSettings = (() => {
  const { codec, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs } = defaultConfiguration({
    cluster: '',
    partitions: 1,
    replication: 1,
    retentionMs: null,
  })
  return {
    from: "a default of Kafka's Java client (4.x)",
    producer: { codec, lingerMs, batchBytes },
    consumer: { fetchMinBytes, fetchMaxWaitMs },
  }
})()

/** @throws MqError MQ_OPTION_INVALID */
export function startingSettings(intent: Intent, start: StartingSettings): Tuned {
  const rules = chooseSettings(intent)
  const { codecLevel: _level, ...rest } = rules.producer
  const checked = ProducerSettings.safeParse({ ...rest, ...start.producer })
  if (!checked.success) {
    const issue = checked.error.issues[0]
    throw new MqError(
      'MQ_OPTION_INVALID',
      `starting settings are unusable: ${issue?.path.join('.')}: ${issue?.message}`,
    )
  }
  const { codec, codecLevel, lingerMs, batchBytes } = checked.data
  const { fetchMinBytes, fetchMaxWaitMs } = start.consumer
  const shown: Readonly<Record<string, string>> = {
    'producer.codec': codecLevel === undefined ? codec : `${codec} level ${codecLevel}`,
    'producer.lingerMs': `${lingerMs} ms`,
    'producer.batchBytes': bytes(batchBytes),
    'consumer.fetchMinBytes': bytes(fetchMinBytes),
    'consumer.fetchMaxWaitMs': `${fetchMaxWaitMs} ms`,
  }
  return {
    producer: checked.data,
    consumer: { ...rules.consumer, fetchMinBytes, fetchMaxWaitMs },
    choices: rules.choices.map((choice): Choice => {
      const value = shown[choice.setting]
      return value === undefined
        ? choice
        : { setting: choice.setting, value, reason: `${start.from}, as it was before mQ` }
    }),
    trial: null,
  }
}

function bytes(count: number): string {
  if (count === 1) return '1 byte'
  return count % 1_024 === 0 ? `${count / 1_024} KiB` : `${count} bytes`
}
