/**
 * A small Kafka broker on a real socket, for faults that a real one cannot be made to show at a chosen moment.
 *
 * F1. It speaks ApiVersions v0 to v3, Metadata v9 to v12, InitProducerId v2 to v4 and Produce v9 to v12, leads every partition,
 *     and answers one connection's requests strictly in turn.
 * F2. `onProduce` decides about every batch before it is looked at; without a fault it is checked and appended (fake-log.ts).
 * F4. Topics can be made, removed and sealed (fake-admin.ts). `ignoresCrc` stores a batch whose checksum is wrong, as engines do
 *     that do not check it.
 * F3. Whatever was appended stays in `log`, whatever the client was told.
 * F5. What it says it speaks may be anything (`speak`); what it does not play in truth ends the connection, as Kafka does.
 * F6. A produce answer that names a throttle time is sent at once; the connection is then not read for that time, as by Kafka.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { ADMIN_APIS, answerAdmin, type FakeTopics } from './fake-admin.ts'
import { FakeLog } from './fake-log.ts'
import { hasRightCrc, type ReferenceBatch, readReferenceBatch, referenceCrc32c } from './reference-batch.ts'
import { WireReader, WireWriter } from './wire.ts'

export type ProduceFault =
  /** Answers with the code; appended before or not. */
  | {
      readonly kind: 'answer'
      readonly code: number
      readonly append?: boolean
      readonly message?: string
      readonly recordErrors?: readonly { readonly index: number; readonly message: string | null }[]
    }
  /** Cuts the connection instead of answering. */
  | { readonly kind: 'cut'; readonly append?: boolean }
  /** Never answers; the connection stays. */
  | { readonly kind: 'silence'; readonly append?: boolean }
  /** Does what is right, late. */
  | { readonly kind: 'delay'; readonly delayMs: number }

export interface ProduceAttempt extends ReferenceBatch {
  readonly topic: string
  readonly partition: number
  /** Batches that came for this partition before, of any fate. */
  readonly index: number
}

export interface FakeBrokerOptions {
  /** Partitions per topic. */
  readonly topics: Readonly<Record<string, number>>
  readonly speech?: FakeSpeech
  readonly onProduce?: (attempt: ProduceAttempt) => ProduceFault | undefined
  readonly ignoresCrc?: boolean
  readonly ignoresValidateOnly?: boolean
  /** Error code for the n-th InitProducerId, counted from 0; 0 or nothing to succeed. */
  readonly onInitProducerId?: (index: number) => number | undefined
  /** Where it says that clients find it; where it is when left out. */
  readonly advertised?: { readonly host: string; readonly port: number }
  /** Kafka's own id of its cluster, `fake` when left out. */
  readonly clusterId?: string
  /** Throttle time of the n-th produce answer, counted from 0 (F6). */
  readonly onThrottle?: (index: number) => number
}

export interface FakeApi {
  readonly key: number
  readonly min: number
  readonly max: number
}

/** What a broker answers to ApiVersions. */
export interface FakeSpeech {
  readonly apis: readonly FakeApi[]
  /** Finalised level by name of the feature. */
  readonly features?: Readonly<Record<string, number>>
  /** Answers UNSUPPORTED_VERSION to newer ApiVersions. Default 3. */
  readonly newestApiVersions?: number
  /** Answers ApiVersions with this error, as a proxy does that reaches no broker. */
  readonly apiVersionsError?: number
  /** From version 5 of ApiVersions on, whoever looks for somebody else is told so. */
  readonly identity?: { readonly clusterId: string; readonly nodeId: number }
}

export interface FakeRequest {
  /** Counts connections from 0, in the order they came. */
  readonly connection: number
  readonly key: number
  readonly version: number
}

interface PartAnswer {
  readonly partition: number
  readonly code: number
  readonly baseOffset: bigint
  readonly message?: string
  readonly recordErrors?: readonly { readonly index: number; readonly message: string | null }[]
}

const NODE_ID = 1
const CORRUPT_MESSAGE = 2
const NO_OPERATIONS = -2_147_483_648
const API_VERSIONS_KEY = 18
const REBOOTSTRAP_REQUIRED = 129
const PLAYED: readonly FakeApi[] = [
  ...ADMIN_APIS.map(({ key, min, max }) => ({ key, min, max })),
  { key: 0, min: 9, max: 12 },
  { key: 3, min: 9, max: 12 },
  { key: API_VERSIONS_KEY, min: 0, max: 3 },
  { key: 22, min: 2, max: 4 },
]

export class FakeBroker {
  readonly #options: FakeBrokerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #logs = new Map<string, FakeLog>()
  readonly #arrived = new Map<string, number>()
  /** Topics whose limit is lower than what a batch can be. */
  readonly #limits = new Map<string, number>()
  readonly #topics: Map<string, number>
  /** Takes connections and requests and answers nothing, as a stopped process does. */
  isFrozen = false
  readonly #mutedUntilMs = new Map<Socket, number>()
  #produced = 0
  #early = 0
  /** Everything that was asked, in turn. */
  readonly requests: FakeRequest[] = []
  #speech: FakeSpeech
  #connections = 0
  #inits = 0
  #port = 0
  /** Answered to a batch whose checksum is wrong. */
  wrongCrcCode = CORRUPT_MESSAGE
  onProduce: ((attempt: ProduceAttempt) => ProduceFault | undefined) | undefined

  private constructor(options: FakeBrokerOptions) {
    this.#options = options
    this.onProduce = options.onProduce
    this.#topics = new Map(Object.entries(options.topics))
    this.#speech = options.speech ?? { apis: PLAYED }
    this.#server = createServer((socket) => this.#serve(socket))
  }

  static async start(options: FakeBrokerOptions): Promise<FakeBroker> {
    const broker = new FakeBroker(options)
    await broker.#listen(0)
    return broker
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#port}`
  }

  /** How many producer ids were asked for. */
  get inits(): number {
    return this.#inits
  }

  /** Requests that came over a connection before its throttle time had passed. */
  get earlyRequests(): number {
    return this.#early
  }

  log(topic: string, partition: number): FakeLog {
    const name = `${topic}:${partition}`
    const known = this.#logs.get(name)
    if (known !== undefined) return known
    const log = new FakeLog()
    this.#logs.set(name, log)
    return log
  }

  /** Names of the topics there are. */
  get topics(): string[] {
    return [...this.#topics.keys()]
  }

  limitOf(topic: string): number | undefined {
    return this.#limits.get(topic)
  }

  /** Refuses batches above that size, with MESSAGE_TOO_LARGE: 78 seals the topic. */
  limit(topic: string, maxBytes: number): void {
    this.#limits.set(topic, maxBytes)
  }

  /** Says from now on that it speaks this (F5). */
  speak(speech: FakeSpeech): void {
    this.#speech = speech
  }

  /** Goes away, keeping its log. */
  async down(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
  }

  /** Comes back on the same port. */
  async up(): Promise<void> {
    await this.#listen(this.#port)
  }

  async stop(): Promise<void> {
    if (this.#server.listening) await this.down()
  }

  async #listen(port: number): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(port, '127.0.0.1', () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    const address = this.#server.address()
    if (address !== null && typeof address === 'object') this.#port = address.port
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#mutedUntilMs.delete(socket)
    })
    const connection = this.#connections++
    let pending: Buffer = Buffer.alloc(0)
    let turn = Promise.resolve()
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 4) {
        const end = 4 + pending.readInt32BE(0)
        if (pending.length < end) break
        const request = Buffer.from(pending.subarray(4, end))
        pending = pending.subarray(end)
        if (performance.now() < (this.#mutedUntilMs.get(socket) ?? 0)) this.#early += 1
        turn = turn.then(() => this.#answer(socket, connection, request)).catch(() => void socket.destroy())
      }
    })
  }

  async #answer(socket: Socket, connection: number, request: Buffer): Promise<void> {
    const mutedMs = (this.#mutedUntilMs.get(socket) ?? 0) - performance.now()
    if (mutedMs > 0) await new Promise((resolve) => setTimeout(resolve, mutedMs))
    const reader = new WireReader(request)
    const key = reader.int16()
    const version = reader.int16()
    const correlationId = reader.int32()
    reader.string()
    this.requests.push({ connection, key, version })
    const api = PLAYED.find((one) => one.key === key)
    if (api === undefined) throw new Error(`api ${key} is not played`)
    const header = new WireWriter().int32(correlationId)
    let body: Buffer | undefined
    if (key === API_VERSIONS_KEY) body = apiVersions(version, this.#speech, reader)
    else {
      if (version < api.min || version > api.max) throw new Error(`api ${key} version ${version} is not played`)
      reader.tags()
      header.tags()
      if (key === 3) body = this.#metadata(reader, version)
      else if (key === 22) body = this.#initProducerId()
      else if (ADMIN_APIS.some((one) => one.key === key)) body = answerAdmin(key, reader, this.#admin)
      else body = await this.#produce(reader, socket)
    }
    if (body === undefined || socket.destroyed || this.isFrozen) return
    const bytes = Buffer.concat([header.done(), body])
    socket.write(Buffer.concat([new WireWriter().int32(bytes.length).done(), bytes]))
  }

  get #admin(): FakeTopics {
    return {
      nodeId: NODE_ID,
      port: () => this.#port,
      topics: this.#topics,
      limits: this.#limits,
      log: (topic, partition) => this.log(topic, partition),
      forget: (topic) => {
        for (let partition = 0; partition < (this.#topics.get(topic) ?? 0); partition++) {
          this.#logs.delete(`${topic}:${partition}`)
        }
        this.#topics.delete(topic)
        this.#limits.delete(topic)
      },
      ignoresValidateOnly: this.#options.ignoresValidateOnly === true,
    }
  }

  #metadata(reader: WireReader, version: number): Buffer {
    const wanted = reader.compactArray(() => {
      if (version >= 10) reader.take(16)
      const name = reader.compactString()
      reader.tags()
      return name
    }) ?? [...this.#topics.keys()]
    const writer = new WireWriter().int32(0)
    writer.compactArray([NODE_ID], (nodeId) => {
      const { host, port } = this.#options.advertised ?? { host: '127.0.0.1', port: this.#port }
      writer.int32(nodeId).compactString(host).int32(port).compactString(null).tags()
    })
    writer.compactString(this.#options.clusterId ?? 'fake').int32(NODE_ID)
    writer.compactArray(wanted, (name) => {
      const partitions = this.#topics.get(name ?? '') ?? 0
      writer.int16(partitions === 0 ? 3 : 0).compactString(name)
      if (version >= 10) writer.raw(idOf(name ?? ''))
      writer.int8(0)
      writer.compactArray([...new Array(partitions).keys()], (index) => {
        const ids = [NODE_ID]
        writer.int16(0).int32(index).int32(NODE_ID).int32(0)
        for (let list = 0; list < 2; list++) writer.compactArray(ids, (id) => void writer.int32(id))
        writer.compactArray([], () => {}).tags()
      })
      writer.int32(NO_OPERATIONS).tags()
    })
    if (version <= 10) writer.int32(NO_OPERATIONS)
    return writer.tags().done()
  }

  #initProducerId(): Buffer {
    const code = this.#options.onInitProducerId?.(this.#inits) ?? 0
    this.#inits++
    const producerId = code === 0 ? BigInt(1_000 + this.#inits) : -1n
    return new WireWriter()
      .int32(0)
      .int16(code)
      .int64(producerId)
      .int16(code === 0 ? 0 : -1)
      .tags()
      .done()
  }

  async #produce(reader: WireReader, socket: Socket): Promise<Buffer | undefined> {
    reader.compactString()
    // A probe asks the leader alone.
    if (![1, -1].includes(reader.int16())) throw new Error('acks are neither 1 nor -1')
    reader.int32()
    const writer = new WireWriter()
    const topics =
      reader.compactArray(() => {
        const topic = reader.compactString() ?? ''
        const parts =
          reader.compactArray(() => {
            const partition = reader.int32()
            const batch = reader.take(Number(reader.uvarint()) - 1)
            reader.tags()
            return { partition, batch }
          }) ?? []
        reader.tags()
        return { topic, parts }
      }) ?? []
    const answers: { topic: string; parts: PartAnswer[] }[] = []
    let isCut = false
    let isSilent = false
    for (const { topic, parts } of topics) {
      const answer = { topic, parts: [] as PartAnswer[] }
      for (const { partition, batch } of parts) {
        const { cut, silent, ...told } = await this.#receive(topic, partition, batch)
        isCut ||= cut
        isSilent ||= silent
        answer.parts.push({ partition, ...told })
      }
      answers.push(answer)
    }
    if (isCut) socket.destroy()
    if (isCut || isSilent) return undefined
    writer.compactArray(answers, ({ topic, parts }) => {
      writer.compactString(topic)
      writer.compactArray(parts, ({ partition, code, baseOffset, recordErrors, message }) => {
        writer.int32(partition).int16(code).int64(baseOffset).int64(-1n).int64(0n)
        writer
          .compactArray(recordErrors ?? [], ({ index, message: why }) => {
            writer.int32(index).compactString(why).tags()
          })
          .compactString(message ?? null)
          .tags()
      })
      writer.tags()
    })
    const throttleMs = this.#options.onThrottle?.(this.#produced++) ?? 0
    if (throttleMs > 0) this.#mutedUntilMs.set(socket, performance.now() + throttleMs)
    return writer.int32(throttleMs).tags().done()
  }

  async #receive(
    topic: string,
    partition: number,
    bytes: Buffer,
  ): Promise<Omit<PartAnswer, 'partition'> & { cut: boolean; silent: boolean }> {
    const none = { baseOffset: -1n, cut: false, silent: false }
    if (partition >= (this.#topics.get(topic) ?? 0)) return { ...none, code: 3 }
    const name = `${topic}:${partition}`
    const index = this.#arrived.get(name) ?? 0
    this.#arrived.set(name, index + 1)
    if (!hasRightCrc(bytes)) {
      // As leaders do it: the size first, then the checksum.
      if (bytes.length > (this.#limits.get(topic) ?? Number.POSITIVE_INFINITY)) return { ...none, code: 10 }
      if (this.#options.ignoresCrc !== true) return { ...none, code: this.wrongCrcCode }
      bytes.writeUInt32BE(referenceCrc32c(bytes.subarray(21)), 17)
    }
    const batch = readReferenceBatch(bytes)
    const fault = this.onProduce?.({ ...batch, topic, partition, index })
    if (fault?.kind === 'delay') await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
    if (fault === undefined || fault.kind === 'delay') {
      if (bytes.length > (this.#limits.get(topic) ?? Number.POSITIVE_INFINITY)) return { ...none, code: 10 }
      return { ...none, ...this.log(topic, partition).append(batch) }
    }
    if (fault.append === true) {
      const { code } = this.log(topic, partition).append(batch)
      if (code !== 0) return { ...none, code }
    }
    if (fault.kind === 'answer') return { ...none, ...fault }
    return { ...none, code: 0, cut: fault.kind === 'cut', silent: fault.kind === 'silence' }
  }
}

function apiVersions(
  version: number,
  { apis, features = {}, newestApiVersions = 3, apiVersionsError = 0, identity }: FakeSpeech,
  reader: WireReader,
): Buffer {
  const writer = new WireWriter()
  // KIP-511: in the format of version 0, with the one range that tells what to ask instead.
  if (version > newestApiVersions) {
    return writer.int16(35).int32(1).int16(API_VERSIONS_KEY).int16(0).int16(newestApiVersions).done()
  }
  const isStranger = version >= 5 && identity !== undefined && looksForAnother(reader, identity)
  writer.int16(isStranger ? REBOOTSTRAP_REQUIRED : apiVersionsError)
  if (version < 3) {
    writer.int32(apis.length)
    for (const { key, min, max } of apis) writer.int16(key).int16(min).int16(max)
    return version === 0 ? writer.done() : writer.int32(0).done()
  }
  writer.compactArray(apis, ({ key, min, max }) => void writer.int16(key).int16(min).int16(max).tags())
  writer.int32(0)
  const names = Object.keys(features)
  if (names.length === 0) return writer.tags().done()
  const epoch = new WireWriter().int64(1n).done()
  const list = new WireWriter()
  list.compactArray(names, (name) => void list.compactString(name).int16(features[name]!).int16(1).tags())
  const finalised = list.done()
  return writer
    .uvarint(2)
    .uvarint(1)
    .uvarint(epoch.length)
    .raw(epoch)
    .uvarint(2)
    .uvarint(finalised.length)
    .raw(finalised)
    .done()
}

function looksForAnother(
  reader: WireReader,
  { clusterId, nodeId }: { readonly clusterId: string; readonly nodeId: number },
): boolean {
  reader.tags()
  reader.compactString()
  reader.compactString()
  return reader.compactString() !== clusterId || reader.int32() !== nodeId
}

/** A topic id that depends on the name alone. */
function idOf(name: string): Buffer {
  const id = Buffer.alloc(16)
  id.write(name.slice(0, 15), 1)
  id[0] = 1
  return id
}
