/**
 * What is known of a cluster (M1 to M3), with brokers that answer by hand.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { metadataV12 } from '@platformatic/kafka'
import { MetadataCache } from '../src/net/metadata-cache.ts'

interface Question {
  readonly topics: readonly string[]
  answer(response: metadataV12.MetadataResponse): void
  fail(error: Error): void
}

function byHand(): { cache: MetadataCache; questions: Question[] } {
  const questions: Question[] = []
  const cache = new MetadataCache((topics) => {
    const { promise, resolve, reject } = Promise.withResolvers<metadataV12.MetadataResponse>()
    questions.push({ topics, answer: resolve, fail: reject })
    return promise
  })
  return { cache, questions }
}

interface Told {
  readonly id?: string
  readonly errorCode?: number
  /** Leader and leader epoch of each partition. */
  readonly leaders?: readonly (readonly [number, number])[]
}

function response(topics: Readonly<Record<string, Told>>): metadataV12.MetadataResponse {
  return {
    throttleTimeMs: 0,
    brokers: [{ nodeId: 1, host: 'b', port: 9092, rack: null }],
    clusterId: 'c',
    controllerId: 1,
    topics: Object.entries(topics).map(([name, { id = 'id', errorCode = 0, leaders = [] }]) => ({
      errorCode,
      name,
      topicId: id,
      isInternal: false,
      topicAuthorizedOperations: 0,
      partitions: leaders
        .map(([leaderId, leaderEpoch], partitionIndex) => ({
          errorCode: 0,
          partitionIndex,
          leaderId,
          leaderEpoch,
          replicaNodes: [1],
          isrNodes: [1],
          offlineReplicas: [],
        }))
        .toReversed(),
    })),
  }
}

const leadersOf = (cache: MetadataCache, topic: string): (readonly [number, number])[] | undefined =>
  cache.topic(topic)?.partitions.map(({ leader, leaderEpoch }) => [leader, leaderEpoch] as const)

describe('the metadata cache', () => {
  test('asks once for many who want to know at once, and not again for what it knows (M1)', async () => {
    const { cache, questions } = byHand()
    const asked = Promise.all([cache.get(['a'], false), cache.get(['b'], true), cache.get(['a', 'b'], false)])
    await turn()
    assert.deepEqual(
      questions.map(({ topics }) => [...topics].toSorted()),
      [['a', 'b']],
    )
    questions[0]!.answer(
      response({
        a: { leaders: [[1, 0]] },
        b: {
          leaders: [
            [1, 0],
            [1, 2],
          ],
        },
      }),
    )
    const names = (await asked).map((topics) => topics.map(({ name, partitions }) => [name, partitions.length]))
    assert.deepEqual(names, [
      [['a', 1]],
      [['b', 2]],
      [
        ['a', 1],
        ['b', 2],
      ],
    ])
    await cache.get(['b', 'a'], false)
    assert.equal(questions.length, 1)
  })

  test('answers a refresh from a question asked after it, never from one under way (M1)', async () => {
    const { cache, questions } = byHand()
    const first = cache.get(['a'], true)
    await turn()
    const second = cache.get(['a'], true)
    const third = cache.get(['a'], true)
    questions[0]!.answer(response({ a: { leaders: [[1, 0]] } }))
    assert.equal((await first)[0]?.partitions[0]?.leader, 1)
    await turn()
    assert.equal(questions.length, 2)
    questions[1]!.answer(response({ a: { leaders: [[2, 1]] } }))
    assert.equal((await second)[0]?.partitions[0]?.leader, 2)
    assert.equal((await third)[0]?.partitions[0]?.leader, 2)
  })

  test('asks anew after a failure, and fails only those who waited for it', async () => {
    const { cache, questions } = byHand()
    const failed = cache.get(['a'], false)
    await turn()
    const next = cache.get(['a'], false)
    questions[0]!.fail(new Error('away'))
    await assert.rejects(failed, /away/)
    await turn()
    questions[1]!.answer(response({ a: { leaders: [[1, 0]] } }))
    assert.equal((await next)[0]?.partitions.length, 1)
  })

  test('keeps the newer leader when a broker that lags behind reports an older one, by partition (M2)', async () => {
    const { cache, questions } = byHand()
    const learn = async (told: Told): Promise<void> => {
      const asked = cache.refresh(['a'])
      await turn()
      questions.at(-1)!.answer(response({ a: told }))
      await asked
    }
    await learn({
      leaders: [
        [1, 5],
        [1, 5],
      ],
    })
    await learn({
      leaders: [
        [2, 4],
        [3, 6],
      ],
    })
    assert.deepEqual(leadersOf(cache, 'a'), [
      [1, 5],
      [3, 6],
    ])
    await learn({
      leaders: [
        [-1, 5],
        [-1, 7],
      ],
    })
    assert.deepEqual(leadersOf(cache, 'a'), [
      [-1, 5],
      [-1, 7],
    ])
    await learn({ id: 'made anew', leaders: [[2, 0]] })
    assert.deepEqual(leadersOf(cache, 'a'), [[2, 0]])
  })

  test('tells of an unknown topic and forgets it, without failing the others (M3)', async () => {
    const { cache, questions } = byHand()
    const asked = cache.get(['a', 'gone', 'left out'], false)
    await turn()
    questions[0]!.answer(response({ a: { leaders: [[1, 0]] }, gone: { errorCode: 3 } }))
    assert.deepEqual(
      (await asked).map(({ name, errorCode }) => [name, errorCode]),
      [
        ['a', undefined],
        ['gone', 3],
        ['left out', 3],
      ],
    )
    assert.equal(cache.topic('gone'), undefined)
    const again = cache.get(['gone'], false)
    await turn()
    assert.deepEqual(questions[1]!.topics, ['gone'])
    questions[1]!.answer(response({ gone: { leaders: [[1, 0]] } }))
    assert.equal((await again)[0]?.errorCode, undefined)
  })
})
