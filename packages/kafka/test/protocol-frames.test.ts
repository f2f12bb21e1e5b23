/** Frames on a connection, as the side of a broker reads and writes them (F1, F2). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { FrameSplitter, readRequestFrame, responseFrame } from '../src/protocol/frames.ts'
import { apiOf } from '../src/protocol/messages/all-apis.ts'
import { apiVersionsApi } from '../src/protocol/messages/api-versions.ts'
import { heartbeatApi } from '../src/protocol/messages/heartbeat.ts'
import { WireWriter } from '../src/protocol/wire-writer.ts'

const framed = (body: Buffer): Buffer => Buffer.concat([new WireWriter().int32(body.length).concat(), body])

describe('FrameSplitter', () => {
  it('cuts a stream into the same frames however it comes', () => {
    const frames = [Buffer.from('a'), Buffer.alloc(0), Buffer.alloc(1_000, 3), Buffer.from('last')]
    const stream = Buffer.concat(frames.map(framed))
    for (const step of [1, 2, 3, 5, 7, 999, stream.length]) {
      const splitter = new FrameSplitter(1_000)
      const found: Buffer[] = []
      for (let at = 0; at < stream.length; at += step) found.push(...splitter.push(stream.subarray(at, at + step)))
      assert.deepEqual(
        found.map((frame) => frame.toString('hex')),
        frames.map((frame) => frame.toString('hex')),
        `in steps of ${step}`,
      )
    }
  })

  it('refuses a length that is negative or too large before the frame is there (F2)', () => {
    for (const length of [-1, 1_001]) {
      const splitter = new FrameSplitter(1_000)
      const start = new WireWriter().int32(length).concat()
      assert.deepEqual(splitter.push(start.subarray(0, 3)), [])
      assert.throws(() => splitter.push(start.subarray(3)), { code: 'MQ_PROTOCOL_VIOLATION' })
    }
  })
})

describe('headers', () => {
  const requestOf = (key: number, version: number, isFlexible: boolean, body: Buffer): Buffer => {
    const header = new WireWriter().int16(key).int16(version).int32(77).text('client', false)
    if (isFlexible) header.raw(Buffer.from([1, 5, 1, 0]))
    return header.raw(body).concat()
  }

  it('have tagged fields from the first flexible version on (F1)', () => {
    for (const version of [3, 4]) {
      const body = Buffer.from('body')
      const frame = requestOf(12, version, version === 4, body)
      const read = readRequestFrame(frame, apiOf)
      assert.deepEqual(
        { ...read, body: read.body!.toString() },
        { key: 12, version, correlationId: 77, clientId: 'client', body: 'body' },
      )
      const answer = Buffer.concat(responseFrame(heartbeatApi, version, 77, new WireWriter().int8(9)))
      const expected = version === 4 ? [0, 0, 0, 6, 0, 0, 0, 77, 0, 9] : [0, 0, 0, 5, 0, 0, 0, 77, 9]
      assert.deepEqual([...answer], expected)
    }
  })

  it('of ApiVersions have none in the answer, whatever its version', () => {
    const answer = Buffer.concat(responseFrame(apiVersionsApi, 3, 77, new WireWriter().int8(9)))
    assert.deepEqual([...answer], [0, 0, 0, 5, 0, 0, 0, 77, 9])
  })

  it('of a request that nobody knows are read, its body is not', () => {
    const read = readRequestFrame(requestOf(999, 0, false, Buffer.from('x')), apiOf)
    assert.deepEqual([read.key, read.body], [999, undefined])
  })
})
