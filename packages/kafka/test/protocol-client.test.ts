/** What mQ's own client writes where every byte counts is read by the side of a broker, and what that answers is read by the client. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Reader } from '@platformatic/kafka'
import { encodeFetchRequest, FETCH_BY_ID_VERSION, parseFetchResponse } from '../src/protocol/fetch-request.ts'
import { fetchApi } from '../src/protocol/messages/fetch.ts'
import { produceApi } from '../src/protocol/messages/produce.ts'
import { decodeProduce, encodeProduce } from '../src/protocol/produce-request.ts'
import { fetch, produce } from '../src/protocol/requests.ts'

const ID = '01020304-0506-0708-090a-0b0c0d0e0f10'

describe('Fetch', () => {
  for (const version of fetch.versions) {
    const isById = version >= FETCH_BY_ID_VERSION

    it(`version ${version}: a request`, () => {
      const partitions = [
        { partition: 3, leaderEpoch: 7, offset: 2 ** 40 + 1, maxBytes: 1_000 },
        { partition: 4, leaderEpoch: -1, offset: 0, maxBytes: 2_000 },
      ]
      const request = {
        maxWaitMs: 500,
        minBytes: 1,
        maxBytes: 1_000_000,
        isolation: 'read_committed',
        topics: [{ name: 'törn.€', id: ID, partitions }],
      } as const
      const read = fetchApi.readRequest(encodeFetchRequest(version, request), version)
      assert.deepEqual(
        [read.maxWaitMs, read.minBytes, read.maxBytes, read.isolationLevel, read.sessionId, read.sessionEpoch],
        [500, 1, 1_000_000, 1, 0, -1],
      )
      assert.deepEqual([read.replicaId, read.replicaState, read.forgotten, read.rackId], [-1, undefined, [], ''])
      const [topic] = read.topics
      assert.deepEqual(isById ? topic!.topicId : topic!.name, isById ? ID : 'törn.€')
      assert.deepEqual(
        topic!.partitions.map((one) => [one.partition, one.currentLeaderEpoch, one.fetchOffset, one.maxBytes]),
        partitions.map((one) => [one.partition, one.leaderEpoch, BigInt(one.offset), one.maxBytes]),
      )
    })

    it(`version ${version}: an answer`, () => {
      const records = Buffer.alloc(3_000, 9)
      const body = fetchApi.writeResponse(version, {
        throttleMs: 12,
        errorCode: 0,
        topics: [
          {
            name: 'orders',
            topicId: ID,
            partitions: [
              {
                partition: 3,
                errorCode: 0,
                highWatermark: 90n,
                lastStableOffset: 80n,
                logStartOffset: 5n,
                aborted: [{ producerId: 2n ** 61n, firstOffset: 77n }],
                records,
                currentLeader: { leaderId: 2, leaderEpoch: 5 },
              },
              { partition: 4, errorCode: 6, highWatermark: -1n, records: null },
            ],
          },
        ],
        nodeEndpoints: [{ nodeId: 2, host: 'b', port: 9092 }],
      })
      const answer = parseFetchResponse(version, body.concat())
      assert.deepEqual([answer.throttleMs, answer.errorCode, answer.byId], [12, 0, isById])
      assert.equal(answer.topics[0]!.topic, isById ? ID : 'orders')
      const [first, second] = answer.topics[0]!.partitions
      const { start, end, ...told } = first!
      assert.ok(answer.buffer.subarray(start, end).equals(records))
      assert.deepEqual(told, {
        partition: 3,
        errorCode: 0,
        highWatermark: 90,
        lastStableOffset: 80,
        logStartOffset: 5,
        aborted: [{ producerId: 2n ** 61n, firstOffset: 77 }],
      })
      assert.deepEqual([second!.partition, second!.errorCode, second!.end - second!.start], [4, 6, 0])
    })
  }
})

describe('Produce', () => {
  for (const version of produce.versions) {
    it(`version ${version}: a request`, () => {
      const header = Buffer.alloc(61, 1)
      const entries = [
        { topic: 'a', partition: 0, header, records: Buffer.alloc(5_000, 2) },
        { topic: 'b', partition: 1, header, records: null },
        { topic: 'a', partition: 2, header, records: Buffer.from('x') },
      ]
      const read = produceApi.readRequest(encodeProduce(version, entries, 1_500).buffer, version)
      assert.deepEqual([read.transactionalId, read.acks, read.timeoutMs], [null, -1, 1_500])
      const sent = entries.map(({ topic, partition, records }) => {
        const bytes = Buffer.concat([header, records ?? Buffer.alloc(0)])
        return [topic, partition, bytes.toString('hex')]
      })
      const found = read.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partition, records }) => [name, partition, records!.toString('hex')]),
      )
      assert.deepEqual(found, [sent[0], sent[2], sent[1]])
    })

    it(`version ${version}: an answer`, () => {
      const body = produceApi.writeResponse(version, {
        topics: [
          { name: 'a', partitions: [{ partition: 2, errorCode: 0, baseOffset: 2n ** 50n, logStartOffset: 1n }] },
          {
            name: 'b',
            partitions: [
              {
                partition: 1,
                errorCode: 87,
                baseOffset: -1n,
                recordErrors: [{ index: 4, message: 'no' }],
                errorMessage: 'why',
                currentLeader: { leaderId: 1, leaderEpoch: 2 },
              },
            ],
          },
        ],
        throttleMs: 33,
      })
      const told = version >= 8
      assert.deepEqual(decodeProduce(version, Reader.from(body.concat())), {
        throttledMs: 33,
        results: [
          { topic: 'a', partition: 2, code: 0, baseOffset: 2n ** 50n, message: null, recordErrors: [] },
          {
            topic: 'b',
            partition: 1,
            code: 87,
            baseOffset: -1n,
            message: told ? 'why' : null,
            recordErrors: told ? [{ index: 4, message: 'no' }] : [],
          },
        ],
      })
    })
  }
})
