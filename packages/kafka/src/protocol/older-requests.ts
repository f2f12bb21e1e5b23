/**
 * Versions of requests whose older shape asks for one thing at a time, or lacks a value, put into the shape of the newest.
 */
import { MqError } from '@mq/contract'
import {
  type Connection,
  findCoordinatorV1,
  findCoordinatorV2,
  findCoordinatorV3,
  type findCoordinatorV6,
  listOffsetsV4,
  listOffsetsV5,
  listOffsetsV6,
  type listOffsetsV7,
  offsetFetchV5,
  offsetFetchV6,
  offsetFetchV7,
  type offsetFetchV9,
  ResponseError,
} from '@platformatic/kafka'
import { peerName } from './api-versions.ts'
import { responseOf } from './kafka-errors.ts'
import type { Spoken } from './kafka-request.ts'

type ErrorCodes = Record<string, [number, string | null]>
type Coordinators = findCoordinatorV6.FindCoordinatorResponse
type Offsets = offsetFetchV9.OffsetFetchResponse
type ListOffsetsArgs = Parameters<typeof listOffsetsV7.createRequest>

const NEWEST_TIMESTAMP = -3n

export const coordinatorsOneByOne: readonly Spoken<[keyType: number, keys: string[]], Coordinators>[] = [
  findCoordinatorV1.api,
  findCoordinatorV2.api,
  findCoordinatorV3.api,
].map(({ key, version, async }) => ({
  key,
  version,
  async: async (connection: Connection, keyType: number, keys: string[]) => {
    const errors: ErrorCodes = {}
    const answers = await Promise.all(keys.map((one) => inPart(async(connection, keyType, [one]))))
    const coordinators = answers.map((answer, index) => {
      const found = { ...answer.coordinators[0]!, key: keys[index]! }
      if (found.errorCode !== 0) errors[`/coordinators/${index}`] = [found.errorCode, found.errorMessage]
      return found
    })
    return whole(key, version, errors, { throttleTimeMs: longest(answers), coordinators })
  },
}))

export const offsetsGroupByGroup: readonly Spoken<
  [groups: offsetFetchV9.OffsetFetchRequestGroup[], requireStable: boolean],
  Offsets
>[] = [offsetFetchV5.api, offsetFetchV6.api, offsetFetchV7.api].map(({ key, version, async }) => ({
  key,
  version,
  async: async (
    connection: Connection,
    asked: offsetFetchV9.OffsetFetchRequestGroup[],
    requireStable: boolean,
  ): Promise<Offsets> => {
    const errors: ErrorCodes = {}
    const answers = await Promise.all(asked.map((group) => inPart(async(connection, [group], requireStable))))
    const groups = answers.map(({ topics, errorCode }, index) => {
      if (errorCode !== 0) errors[`/groups/${index}`] = [errorCode, null]
      for (const [t, topic] of topics.entries()) {
        for (const [p, partition] of topic.partitions.entries()) {
          if (partition.errorCode === 0) continue
          errors[`/groups/${index}/topics/${t}/partitions/${p}`] = [partition.errorCode, null]
        }
      }
      return { groupId: asked[index]!.groupId, topics, errorCode }
    })
    return whole(key, version, errors, { throttleTimeMs: longest(answers), groups })
  },
}))

/** They know no timestamp that stands for the newest record. */
export const olderListOffsets: readonly Spoken<ListOffsetsArgs, listOffsetsV7.ListOffsetsResponse>[] = [
  listOffsetsV4.api,
  listOffsetsV5.api,
  listOffsetsV6.api,
].map(({ key, version, async }) => ({
  key,
  version,
  async: async (connection: Connection, ...args: ListOffsetsArgs) => {
    const [, , topics] = args
    if (topics.some(({ partitions }) => partitions.some(({ timestamp }) => timestamp === NEWEST_TIMESTAMP))) {
      const why = `${peerName(connection)} cannot look for the newest timestamp: that needs version 7 of ListOffsets`
      throw new MqError('MQ_KAFKA_VERSION', why, { details: { request: 'ListOffsets', apiKey: key } })
    }
    return await async(connection, ...args)
  },
}))

/** The answer, also where the library throws because it holds an error code. */
async function inPart<T>(asking: Promise<T>): Promise<T> {
  try {
    return await asking
  } catch (error) {
    const response = responseOf<T>(error)
    if (response === undefined) throw error
    return response
  }
}

/** As the library answers: an answer that holds an error code anywhere is thrown. */
function whole<T>(apiKey: number, version: number, errors: ErrorCodes, answer: T): T {
  if (Object.keys(errors).length === 0) return answer
  throw new ResponseError(apiKey, version, errors, answer)
}

function longest(answers: readonly { readonly throttleTimeMs: number }[]): number {
  return Math.max(0, ...answers.map(({ throttleTimeMs }) => throttleTimeMs))
}
