/** Plays an older broker: the versions of some requests end earlier than the real one says. */
import type { Connection } from '@platformatic/kafka'
import { knownApisOf, pretendApis } from '../src/protocol/api-versions.ts'
import { BrokerApis } from '../src/protocol/broker-apis.ts'

export function limitApis(connection: Connection, apiKeys: readonly number[], newest: number): void {
  const apis = knownApisOf(connection)
  if (apis === undefined || newest === Number.POSITIVE_INFINITY) return
  const ranges = [...apis.ranges].map(([key, { min, max }]) => {
    return [key, { min, max: apiKeys.includes(key) ? Math.min(max, newest) : max }] as const
  })
  pretendApis(connection, new BrokerApis(ranges, apis.features))
}
