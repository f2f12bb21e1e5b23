/**
 * The frame guard (G1 to G3), without Kafka.
 */
import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { describe, test } from 'node:test'
import { MqError } from '@mq/contract'
import fc from 'fast-check'
import { FrameGuard, guardSocket } from '../src/net/frame-guard.ts'

const MOST = 1_000

function frame(length: number, body = Math.max(0, length)): Buffer {
  const bytes = Buffer.alloc(4 + body, 0xff)
  bytes.writeInt32BE(length)
  return bytes
}

/** Feeds a stream in pieces cut at the given places. */
function feed(guard: FrameGuard, stream: Buffer, cuts: readonly number[]): number | undefined {
  const places = [0, ...cuts.map((cut) => cut % (stream.length + 1)).toSorted((a, b) => a - b), stream.length]
  for (let index = 1; index < places.length; index += 1) {
    const refused = guard.accept(stream.subarray(places[index - 1], places[index]))
    if (refused !== undefined) return refused
  }
  return undefined
}

const lengths = fc.array(fc.integer({ min: 4, max: MOST }), { maxLength: 8 })
const cuts = fc.array(fc.nat(), { maxLength: 20 })

describe('the frame guard', () => {
  test('lets frames of allowed lengths through, wherever chunks are cut (G2)', () => {
    fc.assert(
      fc.property(lengths, cuts, (frames, places) => {
        const stream = Buffer.concat(frames.map((length) => frame(length)))
        assert.equal(feed(new FrameGuard(MOST), stream, places), undefined)
      }),
    )
  })

  test('finds a hostile length behind good frames, wherever chunks are cut (G1, G2)', () => {
    const hostile = fc.oneof(
      fc.integer({ min: -(2 ** 31), max: 3 }),
      fc.integer({ min: MOST + 1, max: 2 ** 31 - 1 }),
      fc.constantFrom(-1, 0, 3, MOST + 1, 2 ** 31 - 1, -(2 ** 31), Buffer.from('HTTP').readInt32BE()),
    )
    fc.assert(
      fc.property(lengths, hostile, cuts, (frames, length, places) => {
        const stream = Buffer.concat([...frames.map((one) => frame(one)), frame(length, 40)])
        assert.equal(feed(new FrameGuard(MOST), stream, places), length)
      }),
    )
  })

  test('takes the shortest and the longest allowed frame byte by byte', () => {
    const guard = new FrameGuard(MOST)
    for (const byte of Buffer.concat([frame(4), frame(MOST), frame(4)])) {
      assert.equal(guard.accept(Uint8Array.of(byte)), undefined)
    }
    assert.equal(guard.accept(frame(MOST + 1, 0)), MOST + 1)
  })
})

describe('a guarded socket', () => {
  const guarded = (reader: (chunk: Buffer) => void): { socket: Socket; failure: Promise<unknown> } => {
    const socket = new Socket()
    const failure = new Promise((resolve) => socket.once('error', resolve))
    socket.on('data', reader)
    guardSocket(socket, MOST, 'broker b')
    return { socket, failure }
  }

  test('hands the reader what may be Kafka, and is destroyed before it sees anything else (G1)', async () => {
    const read: Buffer[] = []
    const { socket, failure } = guarded((chunk) => read.push(chunk))
    socket.emit('data', frame(10))
    socket.emit('data', frame(2 ** 31 - 1, 5))
    socket.emit('data', frame(10))
    assert.equal(socket.destroyed, true)
    assert.deepEqual(read, [frame(10)])
    const error = await failure
    assert.ok(error instanceof MqError)
    assert.equal(error.code, 'MQ_PROTOCOL_VIOLATION')
    assert.match(error.message, /broker b sent a frame of 2147483647 bytes; at most 1000/)
  })

  test('turns an exception of the reader into an end of the socket (G3)', async () => {
    const { socket, failure } = guarded(() => {
      throw new RangeError('out of range')
    })
    socket.emit('data', frame(10))
    assert.equal(socket.destroyed, true)
    const error = await failure
    assert.ok(error instanceof MqError)
    assert.equal(error.code, 'MQ_PROTOCOL_VIOLATION')
    assert.match(error.message, /out of range/)
  })
})
