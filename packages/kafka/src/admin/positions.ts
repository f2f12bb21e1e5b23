/**
 * Positions of a group that nobody uses any more, taken away.
 *
 * D1. Only positions on the named topics go; a group that has none elsewhere goes as a whole.
 * D2. Kafka refuses both while a member reads the topics.
 */

import { KafkaCode, kafkaCodeOf, toMqError } from '../protocol/kafka-errors.ts'
import * as requests from '../protocol/requests.ts'
import type { AdminCalls } from './calls.ts'
import { committedOffsets, deleteGroup } from './groups.ts'

/** @returns how many positions went */
export async function dropPositions(calls: AdminCalls, group: string, topics: readonly string[]): Promise<number> {
  const wanted = new Set(topics)
  const places = [...(await committedOffsets(calls, group, undefined)).keys()].map((place) => {
    const colon = place.lastIndexOf(':')
    return { topic: place.slice(0, colon), partition: Number(place.slice(colon + 1)) }
  })
  const going = places.filter(({ topic }) => wanted.has(topic))
  if (going.length === places.length) {
    await deleteGroup(calls, group)
    return going.length
  }
  if (going.length === 0) return 0
  const what = `delete offsets of group ${group}`
  const asked = [...Map.groupBy(going, ({ topic }) => topic)].map(([name, own]) => ({
    name,
    partitions: own.map(({ partition }) => ({ partitionIndex: partition })),
  }))
  await calls.retrying(what, async ({ ambiguous }) => {
    try {
      await calls.askCoordinator(group, what, (connection) => requests.offsetDelete.send(connection, group, asked))
    } catch (error) {
      if (ambiguous && kafkaCodeOf(error) === KafkaCode.GROUP_ID_NOT_FOUND) return
      throw toMqError(kafkaCodeOf(error) ?? error, calls.context(what))
    }
  })
  return going.length
}
