/**
 * What a fake broker says it speaks: everything that is played, or less.
 *
 * Y1. As Kafka from 4.0 on it lists Produce from version 0, which it does not play: librdkafka compresses nothing for a broker that does
 *     not list it.
 */
import { allHandlers } from './handlers/all-handlers.ts'
import { DEFAULT_NEWEST_API_VERSIONS } from './handlers/api-versions.ts'
import type { FakeSpeech } from './options.ts'

const API_VERSIONS_KEY = 18
const PRODUCE_KEY = 0
const played = allHandlers.map(({ api: { key, name, min, max } }) => ({
  key,
  name,
  min: key === PRODUCE_KEY ? 0 : min,
  max: key === API_VERSIONS_KEY ? DEFAULT_NEWEST_API_VERSIONS : max,
}))

export const playedSpeech: FakeSpeech = {
  apis: played.map(({ key, min, max }) => ({ key, min, max })),
  features: { 'group.version': 1 },
}

/** Everything that is played, but for requests of these names, and with other ends of the versions of some. */
export function speechUpTo(newest: Readonly<Record<string, number>>, without: readonly string[] = []): FakeSpeech {
  const apis = played.filter(({ name }) => !without.includes(name))
  return {
    ...playedSpeech,
    apis: apis.map(({ key, name, min, max }) => ({ key, min, max: Math.min(max, newest[name] ?? max) })),
  }
}
