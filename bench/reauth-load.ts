/**
 * Load on a broker that ends every login session after a few seconds: producers, readers, groups, admin requests, metadata.
 *
 * R1. Errors are everything that an application, an operator or a log would hear of: refused sends, lines of a logger, failed admin
 *     requests, subscriptions that end.
 * R2. A stall of a reader is the longest time in which it handled nothing, while messages were sent all the time.
 * R3. Lost, twice and out of order are counted from what handlers saw, by key, against what was sent.
 * R4. Control plane, producers and readers are one process: how long its event loop stood still is told beside the stalls, since nobody
 *     handles anything meanwhile.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Logger, type Mq } from '@mq/client'
import { silentLogger, startControlPlane } from '@mq/control-plane'
import { Admin, Cluster, type ClusterCredentials } from '@mq/kafka'
import { startCluster } from '@mq/local'

export interface ReauthOptions {
  readonly sessionMs: number
  readonly seconds: number
  /** Messages a second, over two producers. */
  readonly rate: number
}

export interface ReauthFigures {
  readonly sent: number
  readonly acknowledged: number
  readonly lost: number
  readonly twice: number
  readonly outOfOrder: number
  /** How often clients logged in, all connections together (R1). */
  readonly logins: number
  readonly errors: readonly string[]
  /** Longest, by reader (R2). */
  readonly stallsMs: readonly number[]
  readonly sendMaxMs: number
  readonly adminRequests: number
  readonly adminMaxMs: number
  /** Longest time in which this process itself did nothing (R4). */
  readonly loopMaxMs: number
}

const MQ_ID = 'bench.renewed'
const MECHANISM = 'PLAIN' as const
const USER = 'app'
const PASSWORD = 'bench-secret'
const KEYS = 64
const GROUPS = ['first', 'second'] as const
const DRAIN_MS = 20_000
const EVERY_MS = 10

class Reader {
  readonly #newest = new Map<string, number>()
  readonly seen = new Set<number>()
  twice = 0
  outOfOrder = 0
  stallMs = 0
  #lastMs = performance.now()

  /** Counts from now on. */
  begin(): void {
    this.#lastMs = performance.now()
    this.stallMs = 0
  }

  handle(key: string, n: number): void {
    this.stands()
    this.#lastMs = performance.now()
    if (this.seen.has(n)) this.twice += 1
    else if ((this.#newest.get(key) ?? -1) > n) this.outOfOrder += 1
    this.seen.add(n)
    this.#newest.set(key, Math.max(n, this.#newest.get(key) ?? -1))
  }

  /** How long it has handled nothing. */
  stands(): void {
    this.stallMs = Math.max(this.stallMs, performance.now() - this.#lastMs)
  }
}

function brokerConfigs({ sessionMs }: ReauthOptions): Record<string, string> {
  const module = 'org.apache.kafka.common.security.plain.PlainLoginModule'
  return {
    'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'sasl.enabled.mechanisms': MECHANISM,
    'connections.max.reauth.ms': String(sessionMs),
    'listener.name.client.plain.sasl.jaas.config': `${module} required user_${USER}="${PASSWORD}";`,
  }
}

export async function measureReauth(options: ReauthOptions): Promise<ReauthFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'mq-reauth-'))
  const kafka = await startCluster({ name: 'reauth', configs: brokerConfigs(options) })
  const address = {
    name: 'main',
    bootstrap: [...kafka.bootstrap],
    securityProtocol: 'sasl-plaintext' as const,
    saslMechanism: MECHANISM,
  }
  let logins = 0
  const own: ClusterCredentials = {
    username: USER,
    password: () => {
      logins += 1
      return PASSWORD
    },
  }
  const errors: string[] = []
  const heard = (message: string, fields: { code: string }): void => void errors.push(`${fields.code}: ${message}`)
  const logger: Logger = { warn: heard, error: heard }
  const plane = await startControlPlane({
    port: 0,
    dataDir: join(folder, 'plane'),
    createOnFirstUse: true,
    clusters: [address],
    credentials: { main: own },
    logger: silentLogger,
  })
  const open: Mq[] = []
  const connected = async (app: string): Promise<Mq> => {
    const mq = await connect({ url: plane.url, app, cacheDir: null, credentials: { main: own }, logger })
    open.push(mq)
    return mq
  }
  const raw = new Cluster({
    name: 'main',
    clientId: 'admin',
    bootstrap: address.bootstrap,
    security: {
      protocol: 'sasl-plaintext',
      sasl: { mechanism: MECHANISM, username: USER, password: PASSWORD },
    },
  })
  try {
    const declared = await fetch(`${plane.url}/v1/ids/${MQ_ID}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ intent: {} }),
    })
    if (!declared.ok) throw new Error(`the mQ ID was refused: ${await declared.text()}`)
    const writers = [await connected('writer0'), await connected('writer1')]
    const readers = GROUPS.map(() => new Reader())
    for (const [index, group] of GROUPS.entries()) {
      const subscription = await (await connected(group)).consume<{ n: number }>(MQ_ID, group, ({ key, value }) => {
        readers[index]!.handle(String(key), value.n)
      })
      subscription.done.catch((error: unknown) => void errors.push(`group ${group} ended: ${String(error)}`))
    }
    const figures = await load(options, writers, raw, readers, errors)
    for (const reader of readers) reader.stands()
    await drained(readers, figures.sent)
    return {
      ...figures,
      errors,
      logins,
      lost: readers.reduce((sum, { seen }) => sum + figures.sent - seen.size, 0),
      twice: readers.reduce((sum, { twice }) => sum + twice, 0),
      outOfOrder: readers.reduce((sum, { outOfOrder }) => sum + outOfOrder, 0),
      stallsMs: readers.map(({ stallMs }) => stallMs),
    }
  } finally {
    for (const mq of open) await mq.close({ deadlineMs: 5_000 }).catch((error: unknown) => errors.push(String(error)))
    await raw.close()
    await plane.close()
    await kafka.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Sends by the clock and asks the cluster things, until the time is over and every send is settled. */
async function load(
  { seconds, rate }: ReauthOptions,
  writers: readonly Mq[],
  raw: Cluster,
  readers: readonly Reader[],
  errors: string[],
): Promise<Pick<ReauthFigures, 'sent' | 'acknowledged' | 'sendMaxMs' | 'adminRequests' | 'adminMaxMs' | 'loopMaxMs'>> {
  let sent = 0
  let acknowledged = 0
  let sendMaxMs = 0
  const settled: Promise<void>[] = []
  const send = (): void => {
    const n = sent++
    const key = n % KEYS
    const startMs = performance.now()
    // Each key has one writer: only then is there an order to hold.
    const promise = writers[key % writers.length]!.send(MQ_ID, { n, text: 'x'.repeat(100) }, { key: `k${key}` }).then(
      () => {
        acknowledged += 1
        sendMaxMs = Math.max(sendMaxMs, performance.now() - startMs)
      },
      (error: unknown) => void errors.push(`send: ${String(error)}`),
    )
    settled.push(promise)
  }
  // Connecting, joining and compiling are no part of it.
  for (let n = 0; n < KEYS; n++) send()
  await Promise.all(settled)
  for (const endMs = performance.now() + 1_000; performance.now() < endMs; await pause(EVERY_MS)) send()
  sendMaxMs = 0
  for (const reader of readers) reader.begin()

  const loop = monitorEventLoopDelay({ resolution: 10 })
  loop.enable()
  const startMs = performance.now()
  const endMs = startMs + seconds * 1_000
  let adminRequests = 0
  let adminMaxMs = 0
  const asking = (async (): Promise<void> => {
    const admin = new Admin(raw)
    const work = [
      () => admin.describeCluster(),
      () => raw.metadata([], { refresh: true }),
      () => admin.committedOffsets(`${GROUPS[0]}@${MQ_ID}`, [`${MQ_ID}.e1`]),
      () => admin.listOffsets(`${MQ_ID}.e1`, [0], 'latest'),
    ]
    while (performance.now() < endMs) {
      const askedMs = performance.now()
      await work[adminRequests % work.length]!().catch((error: unknown) => errors.push(`admin: ${String(error)}`))
      adminMaxMs = Math.max(adminMaxMs, performance.now() - askedMs)
      adminRequests += 1
      await pause(50)
    }
  })()
  const before = sent
  while (performance.now() < endMs) {
    const due = before + Math.floor(((performance.now() - startMs) / 1_000) * rate)
    while (sent < due) send()
    await pause(EVERY_MS)
  }
  await asking
  loop.disable()
  for (const reader of readers) reader.stands()
  await Promise.all(settled)
  return { sent, acknowledged, sendMaxMs, adminRequests, adminMaxMs, loopMaxMs: loop.max / 1e6 }
}

async function drained(readers: readonly Reader[], sent: number): Promise<void> {
  const stalls = readers.map(({ stallMs }) => stallMs)
  const endMs = performance.now() + DRAIN_MS
  while (readers.some(({ seen }) => seen.size < sent) && performance.now() < endMs) await pause(20)
  // What would come twice comes soon.
  await pause(1_000)
  for (const [index, stallMs] of stalls.entries()) readers[index]!.stallMs = stallMs
}
