/**
 * Asks a broker, in Kafka's protocol, whether the cluster is ready.
 *
 * R1. Ready means: this broker answers Metadata naming every expected broker and a controller. An open port is not enough.
 * R2. One request on one short-lived connection; every failure (refused, closed, late, nonsense) is the answer "not yet".
 */
import { connect } from 'node:net'

const METADATA = 3
const METADATA_VERSION = 1
const CLIENT_ID = 'mq-local-probe'
const LONGEST_ANSWER_BYTES = 1 << 20

export interface Readiness {
  readonly brokers: number[]
  readonly controller: number
}

/** @returns undefined when the broker does not answer as one yet */
export async function probe(port: number, timeoutMs: number, host = '127.0.0.1'): Promise<Readiness | undefined> {
  const socket = connect({ port, host, noDelay: true })
  return await new Promise((resolve) => {
    const end = (answer: Readiness | undefined) => {
      socket.destroy()
      resolve(answer)
    }
    const chunks: Buffer[] = []
    let bytes = 0
    socket.setTimeout(timeoutMs, () => end(undefined))
    socket.once('error', () => end(undefined))
    socket.once('close', () => end(undefined))
    socket.once('connect', () => socket.write(metadataRequest()))
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes < 4) return
      const whole = Buffer.concat(chunks)
      const size = whole.readInt32BE(0)
      if (size < 0 || size > LONGEST_ANSWER_BYTES) return end(undefined)
      if (whole.length < 4 + size) return
      end(readMetadata(whole.subarray(4, 4 + size)))
    })
  })
}

/** Metadata v1 for no topic: brokers and controller only. */
function metadataRequest(): Buffer {
  const id = Buffer.from(CLIENT_ID)
  const body = Buffer.alloc(4 + 2 + 2 + 4 + 2 + id.length + 4)
  let at = body.writeInt32BE(body.length - 4, 0)
  at = body.writeInt16BE(METADATA, at)
  at = body.writeInt16BE(METADATA_VERSION, at)
  at = body.writeInt32BE(1, at)
  at = body.writeInt16BE(id.length, at)
  at += id.copy(body, at)
  body.writeInt32BE(0, at)
  return body
}

function readMetadata(answer: Buffer): Readiness | undefined {
  try {
    let at = 4
    const count = answer.readInt32BE(at)
    at += 4
    const brokers: number[] = []
    for (let index = 0; index < count; index++) {
      brokers.push(answer.readInt32BE(at))
      at += 4
      at += 2 + answer.readInt16BE(at)
      at += 4
      at += 2 + Math.max(0, answer.readInt16BE(at))
    }
    return { brokers, controller: answer.readInt32BE(at) }
  } catch {
    return undefined
  }
}
