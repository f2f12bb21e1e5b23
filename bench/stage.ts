/**
 * Everything the contenders share: one broker, one payload file, fresh topics, and bindings for mQ.
 *
 * G1. Every run writes to a topic of its own; what reached it is counted by the broker, not believed.
 * G2. Whatever the stage starts or creates is gone after close().
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, Cluster } from '@mq/kafka'
import { installKafka, type KafkaInstall, startCluster } from '@mq/local'
import { serveFixedBindings } from './fixed-bindings.ts'
import { makePayloads, writePayloads } from './payloads.ts'

export interface StageOptions {
  /** Uses this Kafka instead of starting one. */
  readonly bootstrap?: readonly string[] | undefined
  readonly partitions: number
  readonly payloadBytes: number
  readonly seed: number
}

/** What the runs may differ in, of all that mQ would choose by itself. */
export interface MqSettings {
  readonly codec: 'none' | 'zstd'
  readonly lingerMs: number
}

const DISTINCT_PAYLOADS = 10_000
const LEADERS_DEADLINE_MS = 30_000
export const BATCH_BYTES = 131_072

export class Stage {
  readonly install: KafkaInstall
  /** Of the broker that was started; of the tools, where one was given. */
  readonly kafkaVersion: string
  readonly bootstrap: readonly string[]
  readonly payloadFile: string
  readonly folder: string
  readonly #options: StageOptions
  readonly #admin: Admin
  readonly #bindings: Awaited<ReturnType<typeof serveFixedBindings>>
  readonly #undo: (() => Promise<void>)[]
  #names = 0

  private constructor(parts: {
    options: StageOptions
    install: KafkaInstall
    kafkaVersion: string
    bootstrap: readonly string[]
    folder: string
    admin: Admin
    bindings: Awaited<ReturnType<typeof serveFixedBindings>>
    undo: (() => Promise<void>)[]
  }) {
    this.#options = parts.options
    this.install = parts.install
    this.kafkaVersion = parts.kafkaVersion
    this.bootstrap = parts.bootstrap
    this.folder = parts.folder
    this.payloadFile = join(parts.folder, 'payloads')
    this.#admin = parts.admin
    this.#bindings = parts.bindings
    this.#undo = parts.undo
  }

  static async open(options: StageOptions): Promise<Stage> {
    const undo: (() => Promise<void>)[] = []
    try {
      const install = await installKafka((message) => console.error(message))
      const folder = mkdtempSync(join(tmpdir(), 'mq-bench-'))
      undo.push(async () => rmSync(folder, { recursive: true, force: true }))
      let bootstrap = options.bootstrap
      let kafkaVersion = install.version
      if (bootstrap === undefined) {
        const cluster = await startCluster({ name: 'bench', dataDir: join(folder, 'kafka') })
        undo.push(() => cluster.stop())
        bootstrap = cluster.bootstrap
        kafkaVersion = cluster.kafka.version
      }
      const kafka = new Cluster({ name: 'bench', clientId: 'bench', bootstrap: [...bootstrap] })
      undo.push(() => kafka.close())
      const admin = new Admin(kafka)
      const bindings = await serveFixedBindings()
      undo.push(() => bindings.close())
      const payloads = makePayloads({ count: DISTINCT_PAYLOADS, bytes: options.payloadBytes, seed: options.seed })
      writePayloads(join(folder, 'payloads'), payloads)
      return new Stage({ options, install, kafkaVersion, bootstrap, folder, admin, bindings, undo })
    } catch (error) {
      await undoAll(undo)
      throw error
    }
  }

  /** A fresh topic with a binding to it; the fields of a Job that every contender gets. */
  async freshTopic(mq: MqSettings) {
    this.#names += 1
    const topic = `bench-${process.pid}-${this.#names}`
    const mqId = `bench.run${this.#names}`
    const { partitions } = this.#options
    await this.#admin.createTopic({ name: topic, partitions, replication: 1 })
    await this.#hasLeaders(topic)
    this.#bindings.put({
      mqId,
      incarnation: 1,
      revision: this.#names,
      deleted: false,
      format: 'bytes',
      ordering: 'none',
      epochs: [{ epoch: 1, state: 'open', cluster: 'bench', topic, partitions, endOffsets: null }],
      clusters: [{ name: 'bench', bootstrap: [...this.bootstrap], securityProtocol: 'plaintext' }],
      producer: {
        codec: mq.codec,
        ...(mq.codec === 'zstd' ? { codecLevel: 1 } : {}),
        lingerMs: mq.lingerMs,
        batchBytes: BATCH_BYTES,
        maxMessageBytes: 1_000_000,
        requestTimeoutMs: 30_000,
      },
      consumer: {
        fetchMinBytes: 1,
        fetchMaxWaitMs: 500,
        readAheadBytes: 16 * 1_048_576,
        isolation: 'read_committed',
        sessionTimeoutMs: 45_000,
      },
    })
    return { bootstrap: this.bootstrap, topic, partitions, url: this.#bindings.url, mqId, cacheDir: this.folder }
  }

  /** Fails unless the broker holds exactly this many records of the topic (G1). */
  async verifyStored(topic: string, expected: number): Promise<void> {
    const partitions = Array.from({ length: this.#options.partitions }, (_, index) => index)
    const [low, high] = await Promise.all([
      this.#admin.listOffsets(topic, partitions, 'earliest'),
      this.#admin.listOffsets(topic, partitions, 'latest'),
    ])
    const stored = partitions.reduce((sum, index) => sum + Number((high.get(index) ?? 0n) - (low.get(index) ?? 0n)), 0)
    if (stored !== expected) throw new Error(`${topic} holds ${stored} records, not the ${expected} that were sent`)
  }

  async dropTopic(topic: string): Promise<void> {
    await this.#admin.deleteTopic(topic)
  }

  async #hasLeaders(topic: string): Promise<void> {
    for (const endMs = performance.now() + LEADERS_DEADLINE_MS; ; await pause(20)) {
      const [found] = await this.#admin.describeTopics([topic])
      const led = found?.partitions.filter(({ leader }) => leader >= 0).length
      if (led === this.#options.partitions) return
      if (performance.now() > endMs) throw new Error(`${topic}: ${led ?? 'none'} of its partitions have a leader`)
    }
  }

  async close(): Promise<void> {
    await undoAll(this.#undo)
  }
}

async function undoAll(undo: (() => Promise<void>)[]): Promise<void> {
  for (const step of undo.splice(0).reverse()) await step()
}
