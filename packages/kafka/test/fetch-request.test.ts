import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import { fetchV13, fetchV17 } from '@platformatic/kafka'
import fc from 'fast-check'
import { encodeFetchRequest, type FetchRequest, parseFetchResponse } from '../src/protocol/fetch-request.ts'
import { encodeBatch } from './hand-made.ts'
import { encodeFetchResponse } from './hand-made-response.ts'

const id = '01234567-89ab-cdef-0123-456789abcdef'
const request: FetchRequest = {
  maxWaitMs: 500,
  minBytes: 1,
  maxBytes: 8_000_000,
  isolation: 'read_committed',
  topics: [
    { name: 'orders', id, partitions: [{ partition: 3, leaderEpoch: 7, offset: 2 ** 40 + 5, maxBytes: 1_000_000 }] },
  ],
}

describe('the fetch request', () => {
  for (const [version, library] of [
    [13, fetchV13],
    [17, fetchV17],
  ] as const) {
    it(`is byte for byte what the library writes in version ${version}`, () => {
      const theirs = library.createRequest(
        500,
        1,
        8_000_000,
        1,
        0,
        -1,
        [
          {
            topicId: id,
            partitions: [
              {
                partition: 3,
                currentLeaderEpoch: 7,
                fetchOffset: 2n ** 40n + 5n,
                lastFetchedEpoch: -1,
                partitionMaxBytes: 1_000_000,
              },
            ],
          },
        ],
        [],
        '',
      )
      assert.deepEqual(encodeFetchRequest(version, request), theirs.buffer)
    })
  }

  it('names topics in version 12', () => {
    assert.ok(encodeFetchRequest(12, request).includes('orders'))
    assert.ok(!encodeFetchRequest(13, request).includes('orders'))
  })
})

describe('the fetch response', () => {
  const records = encodeBatch({ records: [{ value: 'x' }] })
  const response = encodeFetchResponse(17, [
    {
      topic: id,
      partitions: [
        { partition: 3, records, highWatermark: 9, aborted: [{ producerId: 2n ** 40n, firstOffset: 4 }] },
        { partition: 4, errorCode: 6 },
      ],
    },
  ])

  it('is read with its records left where they are (Q2)', () => {
    const parsed = parseFetchResponse(17, response)
    const [first, second] = parsed.topics[0]?.partitions ?? []
    assert.ok(first && second)
    assert.equal(parsed.topics[0]?.topic, id)
    assert.deepEqual(parsed.buffer.subarray(first.start, first.end), records)
    assert.deepEqual([first.partition, first.errorCode, first.highWatermark], [3, 0, 9])
    assert.deepEqual(first.aborted, [{ producerId: 2n ** 40n, firstOffset: 4 }])
    assert.deepEqual([second.partition, second.errorCode, second.start], [4, 6, second.end])
  })

  it('is MQ_PROTOCOL_VIOLATION or a response for bytes cut short, mutated or made up (Q3)', () => {
    const parse = (bytes: Buffer): void => {
      for (const version of [12, 17]) {
        try {
          for (const topic of parseFetchResponse(version, bytes).topics) {
            for (const { start, end } of topic.partitions) assert.ok(start >= 0 && end >= start && end <= bytes.length)
          }
        } catch (error) {
          assert.ok(error instanceof MqError && error.code === 'MQ_PROTOCOL_VIOLATION', String(error))
        }
      }
    }
    for (let end = 0; end < response.length; end += 1) {
      assert.throws(() => parseFetchResponse(17, response.subarray(0, end)), /cannot be read/)
    }
    const changes = fc.array(fc.tuple(fc.nat(response.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
    fc.assert(
      fc.property(changes, (list) => {
        const bytes = Buffer.from(response)
        for (const [at, value] of list) bytes[at] = value
        parse(bytes)
      }),
      { numRuns: 3_000 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => parse(Buffer.from(bytes))),
      { numRuns: 1_000 },
    )
  })
})
