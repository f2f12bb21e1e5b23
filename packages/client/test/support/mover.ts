/**
 * Two real clusters, a control plane in a few lines, and migrations of one mQ ID between them, made by hand step by step.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Binding, type Epoch, groupIdOf, MqError } from '@mq/contract'
import { Admin, Cluster, TopicSeal } from '@mq/kafka'
import { type LocalCluster, startCluster } from '@mq/local'
import { type ConnectOptions, connect, type MqConnection } from '../../src/index.ts'
import { bindingOf } from './bindings.ts'
import { TestControlPlane } from './control-plane.ts'
import { RecordingLogger } from './logs.ts'
import { until } from './time.ts'

type Side = 'a' | 'b'

export interface Target {
  readonly cluster: Side
  readonly partitions: number
}

export class Mover {
  readonly plane: TestControlPlane
  readonly clusters: Readonly<Record<Side, LocalCluster>>
  readonly #direct: Readonly<Record<Side, Cluster>>
  readonly #dir: string
  readonly #open = new Set<MqConnection>()

  private constructor(
    plane: TestControlPlane,
    clusters: Readonly<Record<Side, LocalCluster>>,
    direct: Readonly<Record<Side, Cluster>>,
    dir: string,
  ) {
    this.plane = plane
    this.clusters = clusters
    this.#direct = direct
    this.#dir = dir
  }

  /** @param configs of the brokers, beside what every test wants */
  static async start(configs: Readonly<Record<string, string>> = {}): Promise<Mover> {
    const start = (name: Side): Promise<LocalCluster> =>
      startCluster({
        name,
        proxy: true,
        startDeadlineMs: 240_000,
        configs: {
          'group.consumer.heartbeat.interval.ms': '1000',
          'group.consumer.min.heartbeat.interval.ms': '1000',
          'group.consumer.session.timeout.ms': '6000',
          'group.consumer.min.session.timeout.ms': '6000',
          ...configs,
        },
      })
    const [a, b] = await Promise.all([start('a'), start('b')])
    const direct = { a: await directTo(a), b: await directTo(b) }
    const plane = await TestControlPlane.start()
    return new Mover(plane, { a, b }, direct, await mkdtemp(join(tmpdir(), 'mq-mover-')))
  }

  async connect(options: Partial<ConnectOptions> = {}): Promise<MqConnection & { logger: RecordingLogger }> {
    const logger = new RecordingLogger()
    const mq = await connect({ url: this.plane.url, app: 'test', cacheDir: this.#dir, logger, ...options })
    this.#open.add(mq)
    return Object.assign(mq, { logger })
  }

  binding(id: string): Binding {
    return this.plane.bindings.get(id)!
  }

  /** The first epoch. */
  async declare(id: string, target: Target, parts: Partial<Binding> = {}): Promise<void> {
    const epoch = await this.#create(id, 1, target)
    const clusters = (['a', 'b'] as const).map((name) => ({
      name,
      bootstrap: this.clusters[name].bootstrap,
      securityProtocol: 'plaintext' as const,
    }))
    this.plane.publish(bindingOf({ mqId: id, clusters, ...parts, epochs: [{ ...epoch, state: 'open' }] }))
  }

  publish(id: string, epochs: Epoch[]): void {
    const before = this.binding(id)
    this.plane.publish({ ...before, revision: before.revision + 1, epochs })
  }

  /** PREPARED; clients may open the new epoch by themselves when `opensWhenSealed`. */
  async prepare(id: string, target: Target, opensWhenSealed = false): Promise<void> {
    const { epochs } = this.binding(id)
    const next = await this.#create(id, epochs.at(-1)!.epoch + 1, target)
    this.publish(id, [...epochs, opensWhenSealed ? { ...next, opensWhenSealed: true } : next])
  }

  /** Whether a client has the newest binding of the mQ ID on disk. */
  async isTold(id: string): Promise<boolean> {
    const wanted = `"revision":${this.binding(id).revision},`
    for (const file of await readdir(this.#dir, { recursive: true })) {
      if (!file.endsWith(`${id}.json`)) continue
      if ((await readFile(join(this.#dir, file), 'utf8')).includes(wanted)) return true
    }
    return false
  }

  /** Closes a topic as one that is taken back. */
  async close(id: string): Promise<TopicSeal> {
    const { topic, cluster, partitions } = this.binding(id).epochs.at(-1)!
    const seal = new TopicSeal(this.#direct[cluster as Side])
    await requested(seal, topic)
    const all = Array.from({ length: partitions }, (_, partition) => partition)
    await until('it is closed', async () => (await seal.probe(topic, all)).every(({ verdict }) => verdict === 'sealed'))
    return seal
  }

  /** SEALING, without telling anybody when `isSilent`. */
  async seal(id: string, isSilent = false): Promise<string[]> {
    const { epochs } = this.binding(id)
    const old = epochs.at(-2)!
    if (!isSilent) this.#change(id, [[old.epoch, { state: 'sealing' }]])
    const seal = new TopicSeal(this.#direct[old.cluster as Side])
    const partitions = Array.from({ length: old.partitions }, (_, partition) => partition)
    await requested(seal, old.topic)
    const admin = this.admin(old.cluster as Side)
    await until('every leader refuses', async () => {
      const probes = await seal.probe(old.topic, partitions)
      return probes.every(({ verdict }) => verdict === 'sealed')
    })
    const ends = await admin.listOffsets(old.topic, partitions, 'latest')
    return partitions.map((partition) => String(ends.get(partition)))
  }

  /** OPEN */
  release(id: string, endOffsets: string[]): void {
    const [old, next] = this.binding(id).epochs.slice(-2)
    this.#change(id, [
      [old!.epoch, { state: 'sealed', endOffsets }],
      [next!.epoch, { state: 'open', opensWhenSealed: undefined }],
    ])
  }

  /** All of it. */
  async move(id: string, target: Target): Promise<void> {
    await this.prepare(id, target)
    await new Promise((resolve) => setTimeout(resolve, 500))
    this.release(id, await this.seal(id))
  }

  /** RETIRED: resolves when the group has read the oldest epoch, which is gone from the binding then. */
  async retire(id: string, group: string): Promise<void> {
    const [oldest, ...rest] = this.binding(id).epochs
    const { epoch, cluster, topic, endOffsets } = oldest!
    await until(
      `epoch ${epoch} is read`,
      async () => {
        const committed = await this.admin(cluster as Side).committedOffsets(groupIdOf(id, group), [topic])
        return endOffsets!.every((end, partition) => (committed.get(`${topic}:${partition}`) ?? 0n) >= BigInt(end))
      },
      20_000,
    )
    this.publish(id, rest)
  }

  admin(side: Side): Admin {
    return new Admin(this.#direct[side])
  }

  async closeConnections(): Promise<void> {
    await Promise.all([...this.#open].map((mq) => mq.close({ deadlineMs: 5_000 }).catch(() => {})))
    this.#open.clear()
  }

  async stop(): Promise<void> {
    await this.closeConnections()
    await this.plane.stop()
    await Promise.all(Object.values(this.#direct).map((cluster) => cluster.close()))
    await Promise.all(Object.values(this.clusters).map((cluster) => cluster.stop()))
    await rm(this.#dir, { recursive: true, force: true })
  }

  #change(id: string, changes: [epoch: number, change: Partial<Epoch>][]): void {
    const changed = new Map(changes)
    this.publish(
      id,
      this.binding(id).epochs.map((epoch) => ({ ...epoch, ...changed.get(epoch.epoch) })),
    )
  }

  async #create(id: string, epoch: number, { cluster, partitions }: Target): Promise<Epoch> {
    const topic = `${id}.e${epoch}`
    await until(`${topic} is made`, () => isMade(this.admin(cluster), topic, partitions), 30_000)
    return { epoch, state: 'preparing', cluster, topic, partitions, endOffsets: null }
  }
}

/** Asked again where a broker of a busy machine was late; it may have made the topic all the same. */
async function isMade(admin: Admin, topic: string, partitions: number): Promise<boolean> {
  try {
    await admin.createTopic({ name: topic, partitions, replication: 1, configs: {} })
    return true
  } catch (error) {
    return error instanceof MqError && error.code === 'MQ_TOPIC_EXISTS'
  }
}

/** A broker on a busy machine may take longer than the request may. */
async function requested(seal: TopicSeal, topic: string): Promise<void> {
  const isTaken = async (): Promise<boolean> => {
    try {
      await seal.request(topic)
      return true
    } catch {
      return false
    }
  }
  await until(`${topic} is to be sealed`, isTaken, 30_000)
}

/** Past the proxy, by the listener that brokers use among themselves. */
async function directTo(cluster: LocalCluster): Promise<Cluster> {
  for (const file of await readdir(cluster.folder, { recursive: true })) {
    if (!file.endsWith('.properties')) continue
    const port = /INTERNAL:\/\/127\.0\.0\.1:(\d+)/.exec(await readFile(join(cluster.folder, file), 'utf8'))?.[1]
    if (port === undefined) continue
    return new Cluster({ name: cluster.name, clientId: 'mover', bootstrap: [`127.0.0.1:${port}`] })
  }
  throw new Error(`The internal port of ${cluster.name} is written nowhere in ${cluster.folder}`)
}
