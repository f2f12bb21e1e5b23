/**
 * Clusters whose addresses or security change while applications use them (Q3 of the cluster pool, W3 of the access to brokers):
 * no send fails, and the log holds every record once and in order.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { ClusterAddress, SecurityProtocol } from '@mq/contract'
import { silentLogger, startControlPlane } from '@mq/control-plane'
import { type LocalCluster, startCluster } from '@mq/local'
import { connect, type Mq } from '../src/index.ts'
import { RecordingLogger } from './support/logs.ts'

const KEYS = 16
const credentials = { main: { username: 'app', password: 'app-secret' } }
const SASL_CONFIGS = {
  'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
  'sasl.enabled.mechanisms': 'PLAIN',
  'listener.name.client.plain.sasl.jaas.config':
    'org.apache.kafka.common.security.plain.PlainLoginModule required user_app="app-secret";',
}

interface Seen {
  readonly key: string
  readonly n: number
}

/** Sends one message after the other until it is told to stop. */
class Writer {
  readonly #mq: Mq
  readonly #id: string
  readonly #settled: Promise<void>[] = []
  #on = true
  readonly #ended: Promise<void>
  sent = 0
  acknowledged = 0
  readonly failures: string[] = []

  constructor(mq: Mq, id: string) {
    this.#mq = mq
    this.#id = id
    this.#ended = this.#run()
  }

  async stop(): Promise<void> {
    this.#on = false
    await this.#ended
    await Promise.all(this.#settled)
  }

  async #run(): Promise<void> {
    for (; this.#on; await pause(5)) {
      const n = this.sent++
      const sent = this.#mq.send(this.#id, { n }, { key: `k${n % KEYS}` }).then(
        () => void this.acknowledged++,
        (error: unknown) => void this.failures.push(String(error)),
      )
      this.#settled.push(sent)
    }
  }
}

async function until(what: string, holds: () => boolean, limitMs = 60_000): Promise<void> {
  for (const endMs = performance.now() + limitMs; !holds(); await pause(20)) {
    assert.ok(performance.now() < endMs, `waited in vain until ${what}`)
  }
}

interface Scene {
  readonly url: string
  readonly id: string
  readonly seen: readonly Seen[]
  readonly writer: Writer
  readonly logger: RecordingLogger
  /** Registers other addresses, as `mq cluster set` does. */
  register(address: Partial<ClusterAddress>): Promise<void>
  connect(app: string): Promise<Mq>
}

/** An application that sends and one that reads, on a cluster that is registered as plaintext. */
async function underLoad(kafka: LocalCluster, folder: string, body: (scene: Scene) => Promise<void>): Promise<void> {
  const plane = await startControlPlane({
    port: 0,
    dataDir: join(folder, 'plane'),
    createOnFirstUse: true,
    clusters: [{ name: 'main', bootstrap: [...kafka.bootstrap], securityProtocol: 'plaintext' }],
    credentials,
    logger: silentLogger,
  })
  const open: Mq[] = []
  const logger = new RecordingLogger()
  const connected = async (app: string): Promise<Mq> => {
    const mq = await connect({ url: plane.url, app, cacheDir: null, credentials, logger, measureCodecs: false })
    open.push(mq)
    return mq
  }
  const id = 'moved.orders'
  try {
    const seen: Seen[] = []
    const writer = new Writer(await connected('writer'), id)
    await (await connected('reader')).consume<{ n: number }>(id, 'readers', ({ key, value }) => {
      seen.push({ key: String(key), n: value.n })
    })
    await until('something is read', () => seen.length > 20)
    const register = async (address: Partial<ClusterAddress>): Promise<void> => {
      const answer = await fetch(`${plane.url}/v1/clusters/main`, {
        method: 'PUT',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(address),
      })
      assert.ok(answer.ok, await answer.text())
    }
    await body({ url: plane.url, id, seen, writer, logger, register, connect: connected })
    await writer.stop()
    assert.deepEqual(writer.failures, [])
    assert.equal(writer.acknowledged, writer.sent)
    await checkLog(await connected('auditor'), id, writer.sent)
    const handled = (): number => new Set(seen.map(({ n }) => n)).size
    await until('everything is handled', () => handled() === writer.sent)
  } finally {
    for (const mq of open) await mq.close({ deadlineMs: 3_000 }).catch(() => {})
    await plane.close()
  }
}

/** Reads everything from the start, in a group of its own: each record once, and those of a key in order. */
async function checkLog(mq: Mq, id: string, sent: number): Promise<void> {
  const log: Seen[] = []
  await mq.consume<{ n: number }>(id, 'auditors', ({ key, value }) => void log.push({ key: String(key), n: value.n }))
  await until(`${sent} records are read`, () => log.length >= sent)
  await pause(500)
  assert.equal(log.length, sent, 'the log holds records twice')
  for (let key = 0; key < KEYS; key++) {
    const ofKey = log.filter((one) => one.key === `k${key}`).map(({ n }) => n)
    assert.deepEqual(
      ofKey,
      ofKey.toSorted((a, b) => a - b),
    )
  }
}

test('addresses that change while both lead to the same brokers are followed, and nobody notices', {
  timeout: 300_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mq-addresses-'))
  const kafka = await startCluster({ name: 'addresses' })
  try {
    await underLoad(kafka, folder, async ({ register, writer, seen, logger }) => {
      const [address] = kafka.bootstrap
      const elsewhere = address!.replace('127.0.0.1', 'localhost')
      for (const bootstrap of [[elsewhere], [address!], [elsewhere, address!]]) {
        await register({ bootstrap })
        const [acknowledged, handled] = [writer.acknowledged, seen.length]
        await until('it goes on', () => writer.acknowledged > acknowledged + 100 && seen.length > handled + 100)
      }
      assert.deepEqual(logger.lines, [])
    })
  } finally {
    await kafka.stop()
    await rm(folder, { recursive: true, force: true })
  }
})

test('a cluster that comes back at other addresses, with logins, is followed by running applications', {
  timeout: 300_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mq-addresses-'))
  const dataDir = join(folder, 'kafka')
  let kafka = await startCluster({ name: 'addresses', dataDir })
  const occupant = createServer((socket) => void socket.destroy())
  try {
    await underLoad(kafka, folder, async ({ register, writer, seen }) => {
      const before = [...kafka.bootstrap]
      await kafka.stop()
      // Somebody else answers at the old address by now.
      occupant.listen(Number(before[0]!.split(':')[1]), '127.0.0.1')
      await once(occupant, 'listening')
      kafka = await startCluster({ name: 'addresses', dataDir, configs: SASL_CONFIGS })
      assert.notDeepEqual([...kafka.bootstrap], before)
      const securityProtocol: SecurityProtocol = 'sasl-plaintext'
      await register({ bootstrap: [...kafka.bootstrap], securityProtocol, saslMechanism: 'PLAIN' })
      const [acknowledged, handled] = [writer.acknowledged, seen.length]
      await until('it goes on', () => writer.acknowledged > acknowledged + 100 && seen.length > handled + 100)
    })
  } finally {
    occupant.close()
    await kafka.stop()
    await rm(folder, { recursive: true, force: true })
  }
})
