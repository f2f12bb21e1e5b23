/**
 * Two real clusters of unequal size, a real control plane that moves between them, and the places where a test makes them fail.
 *
 * S1. Clients reach brokers and control plane through fault proxies; the control plane itself goes around them, so that a fault on
 *     the way of the clients is not one of the migration.
 * S2. A test can stop the control plane before any request it makes about a topic.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { promisify } from 'node:util'
import { type Binding, type IntentInput, Migration, MqError } from '@mq/contract'
import { Admin, Cluster, systemDeps } from '@mq/kafka'
import { type FaultProxy, freePorts, installKafka, type LocalCluster, startCluster, TcpProxy } from '@mq/local'
import { type Assembled, assemble } from '../../src/control-plane.ts'
import { silentLogger } from '../../src/logger.ts'
import { isEnd } from '../../src/migration/machine.ts'
import type { MigrationTimes } from '../../src/migration/work.ts'
import type { ClusterAdmin } from '../../src/provision/cluster-admin.ts'
import { kafkaAdminOpener } from '../../src/provision/kafka-admin.ts'
import { History, PATIENCE, type Side } from './history.ts'

interface MigrationTarget {
  readonly to?: Side
  readonly partitions?: number
  readonly replication?: number
  readonly onLostSource?: 'wait' | 'skip'
}
type Hook = () => Promise<void> | void

const run = promisify(execFile)
const USUAL_SESSION_MS = 30_000
const SHORT_SESSION_MS = 10_000
/** On a busy machine brokers take minutes. */
const START_MS = 240_000
const MOST_TRIES = 120
/** Long enough for a migration to be watched, short enough for a test. */
const TIMES = {
  ...{ warmMs: 4_000, watchMs: 300, pollMs: 100, quietMs: 0, deleteAfterMs: 3_600_000 },
  // Where a test lets the new place break, the migration does not go back by itself.
  targetLostMs: 120_000,
}

export class Stage {
  readonly clusters: Readonly<Record<Side, LocalCluster>>
  plane: Assembled
  readonly #startPlane: () => Promise<Assembled>
  readonly #direct: Readonly<Record<Side, Cluster>>
  readonly #proxies: TcpProxy[] = []
  readonly #holds: (() => void)[] = []
  readonly #children: ChildProcess[] = []
  readonly #hooks: Map<string, Hook>
  readonly #folder: string
  #planePort = 0
  #backups = 0

  private constructor(
    clusters: Readonly<Record<Side, LocalCluster>>,
    plane: Assembled,
    startPlane: () => Promise<Assembled>,
    direct: Readonly<Record<Side, Cluster>>,
    hooks: Map<string, Hook>,
    folder: string,
  ) {
    this.clusters = clusters
    this.plane = plane
    this.#startPlane = startPlane
    this.#direct = direct
    this.#hooks = hooks
    this.#folder = folder
  }

  static async start(times: Partial<MigrationTimes> = {}): Promise<Stage> {
    const configs = {
      'group.consumer.heartbeat.interval.ms': '1000',
      'group.consumer.min.heartbeat.interval.ms': '1000',
      // As long as clients of an mQ ID of usual priority think it is: on a busy machine a short one ends by itself, and its records are
      // handed out again. A scenario that waits for the end of a session asks for a short one.
      'group.consumer.session.timeout.ms': String(USUAL_SESSION_MS),
      'group.consumer.min.session.timeout.ms': String(SHORT_SESSION_MS),
      'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
    }
    const [a, b, folder] = await Promise.all([
      startCluster({ name: 'a', brokers: 3, proxy: true, configs, startDeadlineMs: START_MS }),
      startCluster({ name: 'b', proxy: true, configs, startDeadlineMs: START_MS }),
      mkdtemp(join(tmpdir(), 'mq-faults-')),
    ])
    const inside = { a: await internalAddresses(a), b: await internalAddresses(b) }
    const hooks = new Map<string, Hook>()
    const startPlane = () =>
      assemble({
        port: 0,
        dataDir: join(folder, 'plane'),
        logger: silentLogger,
        clusters: [a, b].map(({ name, bootstrap }) => ({ name, bootstrap, securityProtocol: 'plaintext' as const })),
        openAdmin: (address) =>
          hooked(kafkaAdminOpener({}, systemDeps)({ ...address, bootstrap: inside[address.name as Side] }), hooks),
        migrationTimes: { ...TIMES, ...times },
      })
    const plane = await startPlane()
    const direct = {
      a: new Cluster({ name: 'a', clientId: 'stage', bootstrap: inside.a }),
      b: new Cluster({ name: 'b', clientId: 'stage', bootstrap: inside.b }),
    }
    const stage = new Stage({ a, b }, plane, startPlane, direct, hooks, folder)
    await plane.app.listen({ host: '127.0.0.1', port: 0 })
    const address = plane.app.server.address()
    assert.ok(typeof address === 'object' && address !== null)
    stage.#planePort = address.port
    await plane.clusters.checkAll()
    return stage
  }

  get url(): string {
    return `http://127.0.0.1:${this.#planePort}`
  }

  /** A way to the control plane of its own, which a test can cut. */
  async wayToPlane(): Promise<{ readonly url: string; readonly proxy: FaultProxy }> {
    const proxy = new TcpProxy((await freePorts(1))[0]!, { host: '127.0.0.1', port: this.#planePort })
    await proxy.accept()
    this.#proxies.push(proxy)
    return { url: `http://127.0.0.1:${proxy.port}`, proxy }
  }

  /** A consistent copy of the store of the running control plane, each in a file of its own. */
  backUp(): string {
    const file = join(this.#folder, `backup-${++this.#backups}.sqlite`)
    this.plane.store.sqlite.exec(`VACUUM INTO '${file}'`)
    return file
  }

  /** Ends the control plane as if it were killed in the moment in which a migration gets into a state; nothing is written after that. */
  async dieIn(number: number, state: Migration['state']): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.onState(number, state, () => {
      this.plane.migrations.close()
      resolve()
    })
    await promise
    await this.die()
  }

  /** Ends the control plane as if it were killed now. */
  async die(): Promise<void> {
    this.plane.migrations.close()
    await this.plane.migrator.close(0)
    await this.plane.close()
  }

  /**
   * Lets migrations of an mQ ID come into a state and do what is done in it, as often as they like, but never get out of it: no change
   * of the state is written. It ends with the control plane.
   */
  holdIn(mqId: string, state: Migration['state']): void {
    const { migrations } = this.plane
    const save = migrations.save.bind(migrations)
    migrations.save = async (tx, record) => {
      const isThere = record.mqId === mqId && migrations.current(record.number)?.state === state
      if (isThere && record.state !== state) throw new MqError('MQ_KAFKA_TIMEOUT', `held in ${state}`)
      await save(tx, record)
    }
  }

  /** Starts it again at the same address. */
  async startAgain(): Promise<void> {
    this.plane = await this.#startPlane()
    await this.plane.app.listen({ host: '127.0.0.1', port: this.#planePort })
  }

  /** Ends the control plane, puts a backup in the place of its store, and starts it again at the same address. */
  async restore(backup: string): Promise<void> {
    await this.plane.close()
    const store = join(this.plane.store.dataDir, 'control-plane.sqlite')
    await Promise.all(['', '-wal', '-shm'].map((suffix) => rm(store + suffix, { force: true })))
    await copyFile(backup, store)
    await this.startAgain()
  }

  admin(side: Side): Admin {
    return new Admin(this.#direct[side])
  }

  /** Runs before every such request about the topic, until it is taken away (S2). */
  before(call: keyof ClusterAdmin, topic: string, hook: Hook): void {
    this.#hooks.set(`${call} ${topic}`, hook)
  }

  /** Holds the control plane there. @returns what lets it go on */
  hold(call: keyof ClusterAdmin, topic: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.before(call, topic, () => promise)
    const letGo = (): void => {
      this.#hooks.delete(`${call} ${topic}`)
      resolve()
    }
    this.#holds.push(letGo)
    return letGo
  }

  /** Runs once, in the moment in which a migration gets into a state. */
  onState(number: number, state: Migration['state'], hook: () => void): void {
    const { migrations } = this.plane
    const took = migrations.commitToMemory.bind(migrations)
    let isDone = false
    migrations.commitToMemory = (record) => {
      took(record)
      if (isDone || record.number !== number || record.state !== state) return
      isDone = true
      hook()
    }
  }

  /** An mQ ID, first on the larger cluster. */
  async declare(id: string, intent: IntentInput = {}): Promise<History> {
    await this.call('PUT', `/v1/ids/${id}`, { intent })
    return new History(this, id, this.#folder)
  }

  /** An mQ ID of high priority, and brokers that end the sessions of this group as early as its clients expect. */
  async declareHurried(id: string, group: string): Promise<History> {
    const history = await this.declare(id, { priority: 'high' })
    const { classPath, java } = await installKafka()
    const session = `consumer.session.timeout.ms=${SHORT_SESSION_MS}`
    for (const cluster of Object.values(this.clusters)) {
      const bootstrap = (await internalAddresses(cluster)).join(',')
      const request = ['--alter', '--entity-type', 'groups', '--entity-name', `${group}@${id}`, '--add-config', session]
      const tool = ['-Xmx128m', '-cp', classPath, 'org.apache.kafka.tools.ConfigCommand']
      await run(java.path, [...tool, '--bootstrap-server', bootstrap, ...request])
    }
    return history
  }

  binding(id: string): Binding {
    const binding = this.plane.registry.binding(id)
    assert.ok(binding !== undefined)
    return binding
  }

  /** Asked again where a broker of a busy machine was late. */
  async call<T>(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<T> {
    for (let tries = 1; ; tries++) {
      const { status, answer } = await this.ask(method, path, body)
      if (status === 200) return answer as T
      const isLate = (answer as { retryable?: boolean }).retryable === true || status === 408
      assert.ok(isLate && tries < MOST_TRIES, `${status}: ${JSON.stringify(answer)}`)
      await new Promise((resolve) => setTimeout(resolve, 1_000))
    }
  }

  async ask(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    body?: object,
  ): Promise<{ readonly status: number; readonly answer: unknown }> {
    const response = await fetch(`${this.url}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    return { status: response.status, answer: await response.json() }
  }

  /** Begins a migration. @returns its number */
  async begin(id: string, request: MigrationTarget): Promise<number> {
    const { migration } = await this.call<{ migration: Migration }>('POST', `/v1/ids/${id}/migrations`, {
      // The clusters are of unequal size on purpose.
      allowFewerCopies: true,
      ...request,
    })
    return migration.number
  }

  async migration(number: number): Promise<Migration> {
    return Migration.parse(await this.call('GET', `/v1/migrations/${number}`))
  }

  async reach(number: number, states: readonly Migration['state'][], limitMs = 120_000): Promise<Migration> {
    const endMs = performance.now() + limitMs * PATIENCE
    for (;;) {
      const found = await this.migration(number)
      if (states.includes(found.state)) return found
      const what = `migration ${number} is ${found.state}, not ${states.join(' or ')}: ${JSON.stringify(found.steps)}`
      assert.ok(performance.now() < endMs && !isEnd(found.state), what)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  /** Begins a migration and waits until its new epoch is open. */
  async move(id: string, request: MigrationTarget): Promise<Migration> {
    return this.reach(await this.begin(id, request), ['open', 'draining', 'retired'])
  }

  /**
   * Every record that a topic holds now, read by a program that is not of mQ. That program sees an end only where nothing comes for a
   * while, which under load on a busy machine is never: it is also ended once it is behind the ends that were there when it began.
   */
  async read(side: Side, topic: string): Promise<{ partition: number; offset: number; value: string }[]> {
    const bootstrap = (await internalAddresses(this.clusters[side])).join(',')
    const [found] = await this.admin(side).describeTopics([topic])
    const partitions = found!.partitions.map(({ index }) => index)
    const left = await this.admin(side).listOffsets(topic, partitions, 'latest')
    for (const [partition, end] of left) if (end === 0n) left.delete(partition)
    const asked = ['-C', '-b', bootstrap, '-t', topic, '-e', '-q', '-u', '-f', '%p %o %s\n']
    const child = spawn('kcat', [...asked, '-X', 'isolation.level=read_uncommitted'], {
      stdio: ['ignore', 'pipe', 'inherit'],
      timeout: 300_000,
    })
    const ended = once(child, 'exit')
    const records: { partition: number; offset: number; value: string }[] = []
    for await (const line of createInterface(child.stdout)) {
      const [, partition, offset, value] = /^(\d+) (\d+) (.*)$/.exec(line) ?? []
      if (value === undefined) continue
      const record = { partition: Number(partition), offset: Number(offset), value }
      records.push(record)
      if (BigInt(record.offset) >= (left.get(record.partition) ?? 0n) - 1n) left.delete(record.partition)
      if (left.size === 0) break
    }
    child.kill('SIGKILL')
    const [code, signal] = (await ended) as [number | null, NodeJS.Signals | null]
    assert.ok(code === 0 || left.size === 0, `kcat ended with ${code ?? signal}`)
    return records
  }

  /** Writes a line `key:value` as somebody would who knows nothing of mQ. @returns whether it was stored */
  async write(side: Side, topic: string, line: string): Promise<boolean> {
    const child = await this.#foreign(side, topic, ['-X', 'message.timeout.ms=3000'])
    child.stdin!.end(`${line}\n`)
    await once(child, 'exit')
    return child.exitCode === 0
  }

  /** Opens a transaction of somebody else; what is sent stays in it until it is committed or aborted. */
  async openTransaction(
    side: Side,
    topic: string,
    name: string,
    lines: readonly string[],
  ): Promise<{ commit(): Promise<void>; abort(): Promise<void> }> {
    // Longer than any test: on a busy machine a minute passes before it is to end.
    const own = ['-X', `transactional.id=${name}`, '-X', 'transaction.timeout.ms=600000']
    const child = await this.#foreign(side, topic, own)
    child.stdin!.write(inBlocks(lines))
    return {
      commit: async () => {
        child.stdin!.end()
        await once(child, 'exit')
        assert.equal(child.exitCode, 0)
      },
      abort: async () => {
        child.kill('SIGKILL')
        // Whoever takes its name ends what it left open.
        const next = await this.#foreign(side, topic, own)
        next.stdin!.end()
        await once(next, 'exit')
      },
    }
  }

  async #foreign(side: Side, topic: string, more: readonly string[]): Promise<ChildProcess> {
    const bootstrap = (await internalAddresses(this.clusters[side])).join(',')
    const child = spawn('kcat', ['-P', '-b', bootstrap, '-t', topic, '-K:', ...more], {
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    this.#children.push(child)
    return child
  }

  async stop(): Promise<void> {
    for (const letGo of this.#holds) letGo()
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all(this.#proxies.map((proxy) => proxy.refuse()))
    await this.plane.close()
    await Promise.all(Object.values(this.#direct).map((cluster) => cluster.close()))
    await Promise.all(Object.values(this.clusters).map((cluster) => cluster.stop()))
    await rm(this.#folder, { recursive: true, force: true })
  }
}

/** The listeners that brokers use among themselves, past the proxies. */
async function internalAddresses(cluster: LocalCluster): Promise<string[]> {
  const addresses: string[] = []
  for (const file of await readdir(cluster.folder, { recursive: true })) {
    if (!file.endsWith('server.properties')) continue
    const port = /INTERNAL:\/\/127\.0\.0\.1:(\d+)/.exec(await readFile(join(cluster.folder, file), 'utf8'))?.[1]
    if (port !== undefined) addresses.push(`127.0.0.1:${port}`)
  }
  assert.equal(addresses.length, cluster.brokers.length)
  return addresses
}

/** Lines filled up to whole blocks, because that is how kcat reads them: what is left over would be sent at its end only. */
function inBlocks(lines: readonly string[]): string {
  const text = lines.map((line) => `${line}\n`).join('')
  const [head, tail] = ['filler:{"filler":"', '"}\n']
  const room = 65_536 - ((text.length + head.length + tail.length) % 65_536)
  return `${text}${head}${'x'.repeat(room)}${tail}`
}

function hooked(admin: ClusterAdmin, hooks: ReadonlyMap<string, Hook>): ClusterAdmin {
  return new Proxy(admin, {
    get: (target, name) => {
      const value = Reflect.get(target, name) as unknown
      if (typeof value !== 'function' || typeof name !== 'string') return value
      return async (...args: unknown[]) => {
        await hooks.get(`${name} ${String(args[0])}`)?.()
        return value.apply(target, args) as unknown
      }
    },
  })
}
