/** Asks a broker for the features its cluster has finalised (ApiVersions v3, which every version from 2.8 on answers). */
import { connect } from 'node:net'

const API_VERSIONS = 18
const VERSION = 3
const CLIENT_ID = 'mq-local'
const FINALISED_FEATURES_TAG = 2

export async function finalisedFeatures(
  port: number,
  timeoutMs: number,
  host = '127.0.0.1',
): Promise<ReadonlyMap<string, number>> {
  const answer = await ask(port, host, timeoutMs)
  return readFeatures(answer)
}

function ask(port: number, host: string, timeoutMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>()
  const socket = connect({ port, host, noDelay: true })
  const chunks: Buffer[] = []
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`${host}:${port} did not answer in ${timeoutMs} ms`)))
  socket.once('error', reject)
  socket.once('close', () => reject(new Error(`${host}:${port} closed the connection`)))
  socket.once('connect', () => socket.write(request()))
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    const whole = Buffer.concat(chunks)
    if (whole.length < 4 || whole.length < 4 + whole.readInt32BE(0)) return
    resolve(whole.subarray(4))
    socket.destroy()
  })
  return promise
}

function request(): Buffer {
  const text = Buffer.from(CLIENT_ID)
  const header = Buffer.alloc(10)
  header.writeInt16BE(API_VERSIONS, 0)
  header.writeInt16BE(VERSION, 2)
  header.writeInt32BE(1, 4)
  header.writeInt16BE(text.length, 8)
  const compact = Buffer.concat([Buffer.of(text.length + 1), text])
  // No tags in the header, name and version of the software, no tags in the body.
  const body = Buffer.concat([header, text, Buffer.of(0), compact, compact, Buffer.of(0)])
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length, 0)
  return Buffer.concat([size, body])
}

function readFeatures(answer: Buffer): ReadonlyMap<string, number> {
  // The correlation id, then the error code.
  let at = 4
  const code = answer.readInt16BE(at)
  if (code !== 0) throw new Error(`the broker answered ApiVersions with error ${code}`)
  at += 2
  const varint = (): number => {
    let value = 0
    for (let shift = 0; ; shift += 7) {
      const byte = answer.readUInt8(at++)
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const skipTags = (): void => {
    for (let left = varint(); left > 0; left--) {
      varint()
      at += varint()
    }
  }
  for (let left = varint() - 1; left > 0; left--) {
    at += 6
    skipTags()
  }
  at += 4
  const features = new Map<string, number>()
  for (let tags = varint(); tags > 0; tags--) {
    const tag = varint()
    const end = varint() + at
    if (tag === FINALISED_FEATURES_TAG) {
      for (let left = varint() - 1; left > 0; left--) {
        const length = varint() - 1
        const name = answer.toString('utf8', at, at + length)
        at += length
        features.set(name, answer.readInt16BE(at))
        at += 4
        skipTags()
      }
    }
    at = end
  }
  return features
}
