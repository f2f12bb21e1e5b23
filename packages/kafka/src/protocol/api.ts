/**
 * One kind of request with its answer, read and written on both sides: by a client and by a broker.
 *
 * P1. Whatever a peer sends, reading it ends in a message or in MQ_PROTOCOL_VIOLATION that names the message and its version.
 * P2. A message is read to its end: bytes that are left over are a violation.
 * P3. The version is the caller's to choose, within `versions`.
 */
import { MqError } from '@mq/contract'
import { type Fields, type Form, type Read, struct, type WireType, type Written } from './schema.ts'
import { WireReader } from './wire-reader.ts'
import { WireWriter } from './wire-writer.ts'

export interface ApiShape<Q extends Fields, A extends Fields> {
  readonly key: number
  readonly name: string
  /** The lowest and the highest version whose shape is known here. */
  readonly versions: readonly [min: number, max: number]
  /** Of the request and its answer; undefined where no version is flexible. */
  readonly flexibleSince?: number
  readonly request: Q
  readonly response: A
}

export class Api<Q extends Fields = Fields, A extends Fields = Fields> {
  readonly key: number
  readonly name: string
  readonly min: number
  readonly max: number
  readonly request: WireType<Read<Q>, Written<Q>>
  readonly response: WireType<Read<A>, Written<A>>
  readonly #flexibleSince: number

  constructor({ key, name, versions, flexibleSince, request, response }: ApiShape<Q, A>) {
    this.key = key
    this.name = name
    this.min = versions[0]
    this.max = versions[1]
    this.request = struct(request)
    this.response = struct(response)
    this.#flexibleSince = flexibleSince ?? Number.POSITIVE_INFINITY
  }

  /** Whether the version has compact lengths and tagged fields; its header has tagged fields then, too. */
  isFlexible(version: number): boolean {
    return version >= this.#flexibleSince
  }

  hasVersion(version: number): boolean {
    return version >= this.min && version <= this.max
  }

  /** @throws MqError MQ_PROTOCOL_VIOLATION (P1) */
  readRequest(body: Buffer, version: number): Read<Q> {
    return this.#read(this.request, body, version, 'request')
  }

  writeRequest(version: number, request: Written<Q>): WireWriter {
    return this.#write(this.request, version, request)
  }

  /** @throws MqError MQ_PROTOCOL_VIOLATION (P1) */
  readResponse(body: Buffer, version: number): Read<A> {
    return this.#read(this.response, body, version, 'response')
  }

  writeResponse(version: number, response: Written<A>): WireWriter {
    return this.#write(this.response, version, response)
  }

  #form(version: number): Form {
    if (!this.hasVersion(version)) throw new RangeError(`${this.name} version ${version} has no shape here`)
    return { version, isFlexible: this.isFlexible(version) }
  }

  #read<T>(type: WireType<T, never>, body: Buffer, version: number, what: string): T {
    const form = this.#form(version)
    try {
      const reader = new WireReader(body)
      const value = type.read(reader, form)
      if (reader.left > 0) throw new MqError('MQ_PROTOCOL_VIOLATION', `${reader.left} bytes are left over`)
      return value
    } catch (error) {
      if (!(error instanceof MqError)) throw error
      const why = `${this.name} ${what} version ${version} cannot be read: ${error.message}`
      throw new MqError('MQ_PROTOCOL_VIOLATION', why, { cause: error })
    }
  }

  #write<T>(type: WireType<unknown, T>, version: number, value: T): WireWriter {
    const writer = new WireWriter()
    type.write(writer, value, this.#form(version))
    return writer
  }
}
