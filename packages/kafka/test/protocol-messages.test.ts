/**
 * The shapes of messages against themselves: what is written is read again, in every version (S1 to S5), and what cannot be read is a
 * violation of the protocol and nothing else (P1, P2, R1, R2).
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import type { Api } from '../src/protocol/api.ts'
import { allApis, apiOf } from '../src/protocol/messages/all-apis.ts'
import { heartbeatApi } from '../src/protocol/messages/heartbeat.ts'
import { produceApi } from '../src/protocol/messages/produce.ts'
import { allRequests } from '../src/protocol/requests.ts'
import { type Chance, chanceOf, sampleOf } from './wire-samples.ts'

const SEED = 20_261_130

const versionsOf = ({ min, max }: Api): number[] => Array.from({ length: max - min + 1 }, (_, index) => min + index)

const sides = [
  {
    side: 'request',
    sample: (api: Api, version: number, chance: Chance) => sampleOf(api.request, { version, chance }),
    write: (api: Api, version: number, value: unknown) => api.writeRequest(version, value as never).concat(),
    read: (api: Api, version: number, body: Buffer): unknown => api.readRequest(body, version),
  },
  {
    side: 'response',
    sample: (api: Api, version: number, chance: Chance) => sampleOf(api.response, { version, chance }),
    write: (api: Api, version: number, value: unknown) => api.writeResponse(version, value as never).concat(),
    read: (api: Api, version: number, body: Buffer): unknown => api.readResponse(body, version),
  },
]

describe('the shapes of messages', () => {
  it('cover every request that mQ sends, in every version that it speaks', () => {
    for (const { apiKey, name, versions } of allRequests) {
      const api = apiOf(apiKey)
      assert.ok(api !== undefined, name)
      for (const version of versions) assert.ok(api.hasVersion(version), `${name} version ${version}`)
    }
    assert.deepEqual(new Set(allApis.map(({ key }) => key)).size, allApis.length)
  })

  for (const { side, sample, write, read } of sides) {
    it(`read every ${side} as it was written, in every version`, () => {
      const chance = chanceOf(SEED)
      for (const api of allApis) {
        for (const version of versionsOf(api)) {
          for (let round = 0; round < 8; round++) {
            const value = sample(api, version, chance)
            const found = read(api, version, write(api, version, value))
            assert.deepEqual(found, value, `${api.name} ${version}`)
          }
        }
      }
    })

    it(`end in a ${side} or in a violation whatever the bytes are`, () => {
      const chance = chanceOf(SEED + 1)
      const outcomes = { read: 0, refused: 0 }
      const tryTo = (api: Api, version: number, body: Buffer): void => {
        try {
          read(api, version, body)
          outcomes.read++
        } catch (error) {
          assert.ok(error instanceof MqError && error.code === 'MQ_PROTOCOL_VIOLATION', `${api.name}: ${String(error)}`)
          assert.match(error.message, new RegExp(`^${api.name} ${side} version ${version} cannot be read: `))
          outcomes.refused++
        }
      }
      for (const api of allApis) {
        for (const version of versionsOf(api)) {
          const whole = write(api, version, sample(api, version, chance))
          for (let length = 0; length < Math.min(whole.length, 60); length++) {
            const before = outcomes.refused
            tryTo(api, version, whole.subarray(0, length))
            assert.equal(outcomes.refused, before + 1, `${api.name} ${version} cut to ${length} of ${whole.length}`)
          }
          const before = outcomes.refused
          tryTo(api, version, Buffer.concat([whole, Buffer.alloc(1)]))
          assert.equal(outcomes.refused, before + 1, `${api.name} ${version} with a byte left over`)
          for (let round = 0; round < 8 && whole.length > 0; round++) {
            const broken = Buffer.from(whole)
            broken[Math.floor(chance() * broken.length)] = Math.floor(chance() * 256)
            tryTo(api, version, broken)
          }
        }
      }
      assert.ok(outcomes.read > 100 && outcomes.refused > 1_000, JSON.stringify(outcomes))
    })
  }

  it('pass over tagged fields that nobody knows (S3), and write what has a default without being told (S2)', () => {
    const body = heartbeatApi.writeResponse(4, { errorCode: 27 }).concat()
    assert.deepEqual(heartbeatApi.readResponse(body, 4), { throttleMs: 0, errorCode: 27 })
    const withTag = Buffer.concat([body.subarray(0, -1), Buffer.from([1, 99, 2, 7, 7])])
    assert.deepEqual(heartbeatApi.readResponse(withTag, 4), { throttleMs: 0, errorCode: 27 })
  })

  it('keep a record batch as it lies, both ways', () => {
    const records = Buffer.alloc(100_000, 7)
    const request = { acks: -1, timeoutMs: 1, topics: [{ name: 't', partitions: [{ partition: 0, records }] }] }
    const writer = produceApi.writeRequest(12, request)
    assert.ok(writer.chunks().includes(records))
    assert.equal(writer.size, writer.concat().length)
    const body = writer.concat()
    const read = produceApi.readRequest(body, 12).topics[0]!.partitions[0]!.records!
    assert.equal(read.buffer, body.buffer)
  })
})
