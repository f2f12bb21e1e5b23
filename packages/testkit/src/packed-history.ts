/**
 * Histories on disk in 40 bytes an event, for runs of many millions of events.
 *
 * A1. A file is a row of records of RECORD bytes. Text (names, keys, codes) stands once, in a record of its own before its
 *     first use, and is a number from then on.
 * A2. Within a file events stand in the order of their `tUs`; `readPacked` joins files in that order.
 * A3. A file that ends in the middle of a record, or names what it never said, is an error: nothing is passed over.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs'
import type { HistoryEvent } from './history.ts'

const RECORD = 40
const CHUNK_RECORDS = 8_192
const TEXT = 255
const TYPES = ['send', 'ack', 'nack', 'handle', 'commit', 'seal', 'log'] as const satisfies HistoryEvent['type'][]
const MOST_TEXT = 65_535

export class PackedWriter {
  readonly #file: number
  readonly #buffer = Buffer.alloc(RECORD * CHUNK_RECORDS)
  readonly #texts = new Map<string, number>()
  #at = 0
  #lastUs = 0

  constructor(path: string) {
    this.#file = openSync(path, 'wx')
  }

  add(event: HistoryEvent): void {
    if (event.tUs < this.#lastUs)
      throw new RangeError(`an event of ${event.tUs} us after one of ${this.#lastUs} us (A2)`)
    this.#lastUs = event.tUs
    const producer = 'producer' in event ? this.#text(event.producer) : 0
    const group = 'group' in event ? this.#text(event.group) : 0
    const member = 'member' in event ? this.#text(event.member) : 0
    const key = 'key' in event && event.key !== null ? this.#text(event.key) : 0
    const code = event.type === 'nack' ? this.#text(event.code) : 0
    const record = this.#record()
    const bytes = this.#buffer
    bytes[record] = TYPES.indexOf(event.type)
    bytes[record + 1] = event.type === 'nack' && event.ambiguous ? 1 : 0
    bytes.writeUInt16LE('partition' in event ? event.partition : 0, record + 2)
    bytes.writeUInt32LE('epoch' in event ? event.epoch : 0, record + 4)
    bytes.writeDoubleLE(event.tUs, record + 8)
    bytes.writeDoubleLE('offset' in event ? event.offset : 0, record + 16)
    bytes.writeUInt32LE('n' in event ? event.n : 0, record + 24)
    bytes.writeUInt16LE(producer, record + 28)
    bytes.writeUInt16LE(group, record + 30)
    bytes.writeUInt16LE(event.type === 'nack' ? code : member, record + 32)
    bytes.writeUInt16LE(0, record + 34)
    bytes.writeUInt32LE(key, record + 36)
  }

  flush(): void {
    for (let done = 0; done < this.#at; ) done += writeSync(this.#file, this.#buffer, done, this.#at - done)
    this.#at = 0
  }

  close(): void {
    this.flush()
    closeSync(this.#file)
  }

  /** The number of a text, from 1; told to the file when it is new. */
  #text(text: string): number {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    const bytes = Buffer.from(text)
    if (bytes.length > MOST_TEXT) throw new RangeError(`a name or key of ${bytes.length} bytes`)
    const id = this.#texts.size + 1
    this.#texts.set(text, id)
    const head = this.#record()
    this.#buffer.fill(0, head, head + RECORD)
    this.#buffer[head] = TEXT
    this.#buffer.writeUInt16LE(bytes.length, head + 2)
    this.#buffer.writeUInt32LE(id, head + 4)
    for (let from = 0; from < bytes.length; from += RECORD) {
      const at = this.#record()
      this.#buffer.fill(0, at, at + RECORD)
      bytes.copy(this.#buffer, at, from, from + RECORD)
    }
    return id
  }

  #record(): number {
    if (this.#at === this.#buffer.length) this.flush()
    const at = this.#at
    this.#at += RECORD
    return at
  }
}

/** All events of the files, in the order of their `tUs` (A2). */
export function* readPacked(paths: readonly string[]): Generator<HistoryEvent> {
  const readers = paths.map((path) => new PackedReader(path))
  try {
    const heads = readers.map((reader) => reader.next())
    for (;;) {
      let first = -1
      for (let at = 0; at < heads.length; at++) {
        const head = heads[at]
        if (head !== undefined && (first < 0 || head.tUs < heads[first]!.tUs)) first = at
      }
      if (first < 0) return
      yield heads[first]!
      heads[first] = readers[first]!.next()
    }
  } finally {
    for (const reader of readers) reader.close()
  }
}

class PackedReader {
  readonly #path: string
  readonly #file: number
  readonly #buffer = Buffer.alloc(RECORD * CHUNK_RECORDS)
  readonly #texts = new Map<number, string>()
  #at = 0
  #end = 0

  constructor(path: string) {
    this.#path = path
    this.#file = openSync(path, 'r')
  }

  next(): HistoryEvent | undefined {
    for (;;) {
      const record = this.#record()
      if (record < 0) return undefined
      if (this.#buffer[record] !== TEXT) return this.#event(record)
      this.#learn(record)
    }
  }

  close(): void {
    closeSync(this.#file)
  }

  #learn(head: number): void {
    let left = this.#buffer.readUInt16LE(head + 2)
    const id = this.#buffer.readUInt32LE(head + 4)
    const parts: Buffer[] = []
    for (; left > 0; left -= RECORD) {
      const at = this.#record()
      if (at < 0) throw new Error(`${this.#path} ends in the middle of a text`)
      parts.push(Buffer.from(this.#buffer.subarray(at, at + Math.min(left, RECORD))))
    }
    this.#texts.set(id, Buffer.concat(parts).toString())
  }

  #event(record: number): HistoryEvent {
    const bytes = this.#buffer
    const type = TYPES[bytes[record]!]
    const tUs = bytes.readDoubleLE(record + 8)
    const n = bytes.readUInt32LE(record + 24)
    const producer = (): string => this.#named(bytes.readUInt16LE(record + 28))
    const group = (): string => this.#named(bytes.readUInt16LE(record + 30))
    const other = (): string => this.#named(bytes.readUInt16LE(record + 32))
    const keyId = bytes.readUInt32LE(record + 36)
    const key = keyId === 0 ? null : this.#named(keyId)
    const partition = bytes.readUInt16LE(record + 2)
    const epoch = bytes.readUInt32LE(record + 4)
    const offset = bytes.readDoubleLE(record + 16)
    switch (type) {
      case 'send':
        return { type, tUs, producer: producer(), n, key }
      case 'ack':
        return { type, tUs, producer: producer(), n }
      case 'nack':
        return { type, tUs, producer: producer(), n, code: other(), ambiguous: bytes[record + 1] === 1 }
      case 'handle': {
        const who = { group: group(), member: other(), producer: producer() }
        return { type, tUs, ...who, n, key, epoch, partition, offset }
      }
      case 'commit':
        return { type, tUs, group: group(), epoch, partition, offset }
      case 'seal':
        return { type, tUs, epoch, partition, offset }
      case 'log':
        return { type, tUs, producer: producer(), n, epoch, partition, offset }
      default:
        throw new Error(`${this.#path} holds a record of type ${bytes[record]}`)
    }
  }

  #named(id: number): string {
    const text = this.#texts.get(id)
    if (text === undefined) throw new Error(`${this.#path} names text ${id}, which it never said`)
    return text
  }

  /** The next record, -1 at the end (A3). */
  #record(): number {
    if (this.#at === this.#end) {
      this.#at = 0
      this.#end = 0
      while (this.#end < this.#buffer.length) {
        const got = readSync(this.#file, this.#buffer, this.#end, this.#buffer.length - this.#end, null)
        if (got === 0) break
        this.#end += got
      }
      if (this.#end % RECORD !== 0) throw new Error(`${this.#path} ends in the middle of a record`)
      if (this.#end === 0) return -1
    }
    const at = this.#at
    this.#at += RECORD
    return at
  }
}
