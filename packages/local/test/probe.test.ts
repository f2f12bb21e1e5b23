/** Invariants R1 and R2 (probe.ts): whatever answers, the probe says "ready" only for a well-formed answer, and never hangs. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { test } from 'node:test'
import { within } from '@mq/testkit'
import { freePorts } from '../src/ports.ts'
import { probe } from '../src/probe.ts'

async function answering(
  answer: (socket: Socket, request: Buffer) => void,
  run: (port: number) => Promise<void>,
): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.on('data', (request: Buffer) => answer(socket, request))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await run((server.address() as AddressInfo).port)
  } finally {
    server.close()
  }
}

/** Metadata v1 with one broker `7` and controller `7`. */
function metadata(): Buffer {
  const host = Buffer.from('localhost')
  const body = Buffer.alloc(4 + 4 + 4 + 2 + host.length + 4 + 2 + 4 + 4)
  let at = body.writeInt32BE(1, 0)
  at = body.writeInt32BE(1, at)
  at = body.writeInt32BE(7, at)
  at = body.writeInt16BE(host.length, at)
  at += host.copy(body, at)
  at = body.writeInt32BE(9092, at)
  at = body.writeInt16BE(-1, at)
  at = body.writeInt32BE(7, at)
  body.writeInt32BE(0, at)
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}

test('an answer that comes in single bytes is read whole', { timeout: 300_000 }, async () => {
  await answering(
    (socket) => {
      socket.setNoDelay(true)
      for (const byte of metadata()) socket.write(Buffer.of(byte))
    },
    async (port) => assert.deepEqual(await probe(port, 2_000), { brokers: [7], controller: 7 }),
  )
})

test('a port nobody listens on is "not yet"', { timeout: 300_000 }, async () => {
  const [port] = await freePorts(1)
  assert.equal(await probe(port ?? 0, 2_000), undefined)
})

test('silence is "not yet" after the time given', { timeout: 300_000 }, async () => {
  await within(5_000, () =>
    answering(
      () => {},
      async (port) => assert.equal(await probe(port, 300), undefined),
    ),
  )
})

test('other protocols, absurd sizes and cut answers are "not yet"', { timeout: 300_000 }, async () => {
  const whole = metadata()
  const absurd = Buffer.alloc(12)
  absurd.writeInt32BE(0x7fffffff)
  const negative = Buffer.alloc(12)
  negative.writeInt32BE(-5)
  const manyBrokers = Buffer.from(whole)
  manyBrokers.writeInt32BE(0x7fffffff, 8)
  const longHost = Buffer.from(whole)
  longHost.writeInt16BE(0x7fff, 16)
  const answers = [
    Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
    absurd,
    negative,
    manyBrokers,
    longHost,
    whole.subarray(0, 9),
  ]
  for (const answer of answers) {
    await answering(
      (socket) => socket.end(answer),
      async (port) => assert.equal(await probe(port, 1_000), undefined, answer.toString('hex')),
    )
  }
})
