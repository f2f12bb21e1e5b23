/**
 * TLS and SASL (S1, S2, C1, P5) against a real broker whose client listener asks for both.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'
import { MqError } from '@mq/contract'
import { systemDeps } from '@mq/contract/timing'
import { findJava, type LocalCluster, startCluster } from '@mq/local'
import { within } from '@mq/testkit'
import { alterUserScramCredentialsV0, type Connection } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'
import { ConnectionPool } from '../src/net/connection-pool.ts'
import { requestMetadata } from '../src/net/metadata-cache.ts'
import type { Sasl, Security } from '../src/net/security-types.ts'

const PASSWORD = 'correct-horse'
const STORE_PASSWORD = 'not-a-secret'
const REAUTH_MS = 1_500
const SCRAM_256 = 1
const SCRAM_512 = 2

const jaas = (module: string, options = '') => `org.apache.kafka.common.security.${module} required${options};`

/** A key pair for 127.0.0.1, and its certificate as the CA of itself. */
async function makeKeyStore(folder: string): Promise<{ store: string; certificate: string }> {
  const keytool = join(dirname((await findJava()).path), 'keytool')
  const store = join(folder, 'broker.p12')
  const named = ['-alias', 'broker', '-keystore', store, '-storetype', 'PKCS12', '-storepass', STORE_PASSWORD]
  const identity = ['-dname', 'CN=broker', '-ext', 'san=ip:127.0.0.1', '-ext', 'bc:c', '-validity', '2']
  const run = promisify(execFile)
  await run(keytool, ['-genkeypair', ...named, '-keyalg', 'EC', '-groupname', 'secp256r1', ...identity])
  const { stdout } = await run(keytool, ['-exportcert', '-rfc', ...named])
  return { store, certificate: stdout }
}

/** A token as the broker's test validator takes it: signed by nobody. */
function unsignedToken(subject: string, lifeSeconds: number): string {
  const nowSeconds = Math.floor(Date.now() / 1000)
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'none' })}.${part({ sub: subject, iat: nowSeconds - 5, exp: nowSeconds + lifeSeconds })}.`
}

const hasCode = (code: string) => (error: unknown) => {
  assert.ok(error instanceof MqError, String(error))
  assert.equal(error.code, code, error.message)
  assert.ok(!JSON.stringify([error, error.message, error.stack, error.cause]).includes(PASSWORD), 'a secret is told')
  return true
}

describe('a broker that asks for TLS and SASL', { timeout: 300_000 }, () => {
  let folder: string
  let kafka: LocalCluster
  let certificate: string
  const open: Cluster[] = []

  const connect = (security: Security, options: { requestTimeoutMs?: number } = {}): Cluster => {
    const cluster = new Cluster({
      name: 'guarded',
      clientId: 'test',
      bootstrap: kafka.bootstrap,
      security,
      connectTimeoutMs: 3_000,
      ...options,
    })
    open.push(cluster)
    return cluster
  }
  const withSasl = (sasl: Sasl): Cluster => connect({ protocol: 'sasl-tls', tls: { ca: certificate }, sasl })
  const plain = (password: () => string): Cluster => withSasl({ mechanism: 'PLAIN', username: 'ann', password })

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mq-security-'))
    const keys = await makeKeyStore(folder)
    certificate = keys.certificate
    const listener = 'listener.name.client'
    kafka = await startCluster({
      name: 'guarded',
      configs: {
        'listener.security.protocol.map': 'CLIENT:SASL_SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER',
        'connections.max.reauth.ms': String(REAUTH_MS),
        [`${listener}.ssl.keystore.location`]: keys.store,
        [`${listener}.ssl.keystore.type`]: 'PKCS12',
        [`${listener}.ssl.keystore.password`]: STORE_PASSWORD,
        [`${listener}.ssl.key.password`]: STORE_PASSWORD,
        [`${listener}.plain.sasl.jaas.config`]: jaas('plain.PlainLoginModule', ` user_ann="${PASSWORD}"`),
        [`${listener}.scram-sha-256.sasl.jaas.config`]: jaas('scram.ScramLoginModule'),
        [`${listener}.scram-sha-512.sasl.jaas.config`]: jaas('scram.ScramLoginModule'),
        [`${listener}.oauthbearer.sasl.jaas.config`]: jaas(
          'oauthbearer.OAuthBearerLoginModule',
          ' unsecuredLoginStringClaim_sub="broker"',
        ),
      },
    })
  })

  after(async () => {
    await Promise.all(open.map((cluster) => cluster.close()))
    await kafka?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  test('is talked to with PLAIN, the password asked for at every connection (S2)', async () => {
    let asked = 0
    const cluster = plain(() => {
      asked += 1
      return PASSWORD
    })
    const { clusterId } = await new Admin(cluster).describeCluster()
    assert.equal(clusterId, kafka.clusterId)
    const before = asked
    const own = await cluster.openConnection(kafka.brokers[0]!.nodeId, 'fetch')
    assert.ok(asked > before)
    await own.close()
  })

  for (const [mechanism, algorithm] of [
    ['SCRAM-SHA-256', SCRAM_256],
    ['SCRAM-SHA-512', SCRAM_512],
  ] as const) {
    test(`is talked to with ${mechanism}`, async () => {
      const salt = randomBytes(16)
      const [length, digest] = algorithm === SCRAM_256 ? ([32, 'sha256'] as const) : ([64, 'sha512'] as const)
      const saltedPassword = pbkdf2Sync(PASSWORD, salt, 4_096, length, digest)
      const connection = await plain(() => PASSWORD).anyConnection('admin')
      const upsertion = { name: mechanism, mechanism: algorithm, iterations: 4_096, salt, saltedPassword }
      await alterUserScramCredentialsV0.api.async(connection, [], [upsertion])
      // The broker answers before its own copy of the credentials is up to date.
      const sasl: Sasl = { mechanism, username: mechanism, password: PASSWORD }
      for (let tries = 1; ; tries += 1) {
        try {
          await withSasl(sasl).anyConnection('admin')
          break
        } catch (error) {
          if (tries === 20) throw error
          await pause(100)
        }
      }
      assert.equal((await new Admin(withSasl(sasl)).describeCluster()).clusterId, kafka.clusterId)
      await assert.rejects(
        withSasl({ ...sasl, password: 'wrong' }).anyConnection('admin'),
        hasCode('MQ_KAFKA_AUTH_FAILED'),
      )
    })
  }

  test('is talked to with a bearer token, and one that ran out is refused (S4)', async () => {
    const cluster = withSasl({ mechanism: 'OAUTHBEARER', token: () => unsignedToken('ann', 600) })
    assert.equal((await new Admin(cluster).describeCluster()).clusterId, kafka.clusterId)
    await assert.rejects(
      withSasl({ mechanism: 'OAUTHBEARER', token: unsignedToken('ann', -60) }).anyConnection('admin'),
      hasCode('MQ_KAFKA_AUTH_FAILED'),
    )
  })

  test('refuses a wrong password as MQ_KAFKA_AUTH_FAILED, at once and without telling it (S3)', async () => {
    const describing = () => new Admin(plain(() => `${PASSWORD}?`)).describeCluster()
    await within(3_000, () => assert.rejects(describing(), hasCode('MQ_KAFKA_AUTH_FAILED')))
  })

  test('a secret that cannot be fetched is a failed attempt, not a crash', async () => {
    const cluster = plain(() => {
      throw new Error('the vault is sealed')
    })
    await assert.rejects(cluster.anyConnection('admin'), (error: unknown) => error instanceof MqError)
  })

  test('is not trusted when nobody vouches for its certificate, or when it is of another host (S1)', async () => {
    const sasl: Sasl = { mechanism: 'PLAIN', username: 'ann', password: PASSWORD }
    const unknown = connect({ protocol: 'sasl-tls', sasl })
    await assert.rejects(unknown.anyConnection('admin'), hasCode('MQ_KAFKA_TLS_FAILED'))
    const port = kafka.bootstrap[0]!.split(':')[1]!
    const elsewhere = new Cluster({
      name: 'guarded',
      clientId: 'test',
      bootstrap: [`localhost:${port}`],
      security: { protocol: 'sasl-tls', tls: { ca: certificate }, sasl },
      connectTimeoutMs: 3_000,
    })
    open.push(elsewhere)
    await assert.rejects(elsewhere.anyConnection('admin'), hasCode('MQ_KAFKA_TLS_FAILED'))
  })

  test('is not taken for a broker by a client without TLS', async () => {
    const sasl: Sasl = { mechanism: 'PLAIN', username: 'ann', password: PASSWORD }
    await assert.rejects(
      connect({ protocol: 'sasl-plaintext', sasl }).anyConnection('admin'),
      (error: unknown) => error instanceof MqError && /MQ_(PROTOCOL_VIOLATION|KAFKA_UNREACHABLE)/.test(error.code),
    )
    await assert.rejects(
      connect({ protocol: 'plaintext' }, { requestTimeoutMs: 3_000 }).metadata(['none']),
      (error: unknown) => error instanceof MqError,
    )
  })

  test('replaces a connection whose login ends: requests go on, none fails, and the old one is closed (P5, S1)', async () => {
    const cluster = plain(() => PASSWORD)
    await new Admin(cluster).describeCluster()
    const { nodeId } = kafka.brokers[0]!
    const seen = new Set<Connection>()
    const own = new Set<Connection>()
    own.add(await cluster.openConnection(nodeId, 'fetch', (successor) => void own.add(successor)))
    let requests = 0
    for (const endMs = performance.now() + 4 * REAUTH_MS; performance.now() < endMs; requests += 1) {
      const [connection] = await Promise.all([
        cluster.connection(nodeId, 'admin'),
        cluster.metadata([], { refresh: true }),
        requestMetadata([...own].at(-1)!, []),
      ])
      seen.add(connection)
      await pause(1)
    }
    assert.ok(requests > 50, `${requests} requests`)
    for (const connections of [seen, own]) {
      assert.ok(connections.size >= 4, `${connections.size} connections in four sessions`)
      const old = [...connections].slice(0, -2)
      while (old.some(({ socket }) => !socket.destroyed)) await pause(20)
    }
  })

  test('is left alone by a shared connection that nobody uses: it gets no successor (P5)', async (t) => {
    let logins = 0
    const password = (): string => {
      logins += 1
      return PASSWORD
    }
    const sasl: Sasl = { mechanism: 'PLAIN', username: 'ann', password }
    const security: Security = { protocol: 'sasl-tls', tls: { ca: certificate }, sasl }
    const limits = { connectTimeoutMs: 3_000, requestTimeoutMs: 10_000, maxResponseBytes: 1_048_576 }
    const pool = new ConnectionPool({ cluster: 'guarded', clientId: 'test', security, ...limits }, systemDeps)
    t.after(() => pool.close())
    const [host, port] = kafka.bootstrap[0]!.split(':')
    const address = { host: host!, port: Number(port) }
    const first = await pool.get(address, 'produce')
    while (first.isConnected()) await pause(20)
    while (!first.socket.destroyed) await pause(20)
    assert.equal(logins, 1)
    await requestMetadata(await pool.get(address, 'produce'), [])
    assert.equal(logins, 2)
  })
})
