/**
 * TLS certificates that are replaced: the broker's by one of the same CA under a running producer; the client's own, and its CA file, by
 * reference (C5 of the connection, S2, D3 of the credentials).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { TLSSocket } from 'node:tls'
import { promisify } from 'node:util'
import { ClusterAddress } from '@mq/contract'
import { findJava, type LocalCluster, startCluster } from '@mq/local'
import { incrementalAlterConfigsV1 } from '@platformatic/kafka'
import { Admin } from '../src/admin/admin.ts'
import { Cluster } from '../src/net/cluster.ts'
import { securityOf } from '../src/net/credentials.ts'
import { MemoryBudget } from '../src/produce/memory-budget.ts'
import { Producer } from '../src/produce/producer.ts'
import { SETTINGS } from './produce-stage.ts'

const STORE_PASSWORD = 'not-a-secret'
const BROKER_RESOURCE = 4
const SET = 0
const NETWORK_THREADS = 2

/** Key stores whose certificates one CA signed, each in a file by its name, and the CA itself. */
async function makeKeyStores(folder: string, names: readonly string[]): Promise<{ ca: string; trustStore: string }> {
  const program = join(dirname((await findJava()).path), 'keytool')
  const keytool = async (...argv: string[]): Promise<string> => {
    return (await promisify(execFile)(program, [...argv, '-storepass', STORE_PASSWORD])).stdout
  }
  const authority = join(folder, 'authority')
  const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-validity', '2', '-storetype', 'PKCS12']
  await keytool('-genkeypair', '-alias', 'ca', '-keystore', authority, '-dname', 'CN=ca', '-ext', 'bc:c', ...key)
  const ca = await keytool('-exportcert', '-rfc', '-alias', 'ca', '-keystore', authority)
  const pem = join(folder, 'ca.pem')
  await writeFile(pem, ca)
  const trustStore = join(folder, 'trust')
  await keytool('-importcert', '-noprompt', '-alias', 'ca', '-keystore', trustStore, '-file', pem)
  const make = async (name: string): Promise<void> => {
    const signed = join(folder, `${name}-signed`)
    await copyFile(authority, signed)
    // A broker's name and addresses may not change with its certificate.
    const subject = ['-dname', `CN=${name.replace(/\d$/, '')}`, '-ext', 'san=ip:127.0.0.1']
    await keytool('-genkeypair', '-alias', name, '-keystore', signed, '-signer', 'ca', ...subject, ...key)
    const own = ['-srckeystore', signed, '-srcstorepass', STORE_PASSWORD, '-srcalias', name]
    await keytool('-importkeystore', ...own, '-destkeystore', join(folder, name), '-deststoretype', 'PKCS12')
  }
  await Promise.all(names.map(make))
  return { ca, trustStore }
}

describe('certificates that are replaced', { timeout: 300_000 }, () => {
  let folder: string
  let kafka: LocalCluster
  let cluster: Cluster
  let files: { readonly ca: string; readonly client: string }

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mq-certificates-'))
    const made = await makeKeyStores(folder, ['broker1', 'broker2', 'client1', 'client2'])
    files = { ca: join(folder, 'client-ca.pem'), client: join(folder, 'client.p12') }
    await writeFile(files.ca, made.ca)
    await copyFile(join(folder, 'client1'), files.client)
    const listener = 'listener.name.client.ssl'
    kafka = await startCluster({
      name: 'certified',
      configs: {
        'num.network.threads': String(NETWORK_THREADS),
        'listener.security.protocol.map': 'CLIENT:SSL,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
        [`${listener}.client.auth`]: 'required',
        [`${listener}.keystore.location`]: join(folder, 'broker1'),
        [`${listener}.keystore.type`]: 'PKCS12',
        [`${listener}.keystore.password`]: STORE_PASSWORD,
        [`${listener}.key.password`]: STORE_PASSWORD,
        [`${listener}.truststore.location`]: made.trustStore,
        [`${listener}.truststore.type`]: 'PKCS12',
        [`${listener}.truststore.password`]: STORE_PASSWORD,
      },
    })
    const address = ClusterAddress.parse({ name: 'certified', bootstrap: kafka.bootstrap, securityProtocol: 'tls' })
    const tls = async () => ({ pfx: await readFile(files.client), passphrase: STORE_PASSWORD })
    const security = securityOf(address, { tls, tlsFiles: { ca: files.ca } }, String)
    cluster = new Cluster({ name: 'certified', clientId: 'test', bootstrap: kafka.bootstrap, security })
  })

  after(async () => {
    await cluster?.close()
    await kafka?.stop()
    await rm(folder, { recursive: true, force: true })
  })

  /** What both sides of a new connection show. */
  const shown = async (): Promise<{ own: string; peer: string }> => {
    const connection = await cluster.openConnection(kafka.brokers[0]!.nodeId, 'fetch')
    const socket = connection.socket as TLSSocket
    const own = (socket.getCertificate() as { fingerprint256: string }).fingerprint256
    const peer = socket.getPeerCertificate().fingerprint256
    await connection.close()
    return { own, peer }
  }

  test('of a broker: a running producer goes on, and its next connection is by the new one', async () => {
    const admin = new Admin(cluster)
    await admin.createTopic({ name: 't', partitions: 1, replication: 1, configs: {} })
    const failures: string[] = []
    const producer = new Producer({
      cluster,
      settings: SETTINGS,
      budget: new MemoryBudget(16 * 1_048_576),
      observer: { onFailure: (_, error) => failures.push(error.message) },
    })
    const topic = producer.topic('t', 1)
    let sent = 0
    let isOn = true
    const writing = (async () => {
      for (; isOn; await pause(2)) void producer.send(topic, null, `m${sent++}`)
    })()
    const { nodeId } = kafka.brokers[0]!
    const before = await shown()
    const configs = [
      {
        name: 'listener.name.client.ssl.keystore.location',
        configOperation: SET as 0,
        value: join(folder, 'broker2'),
      },
    ]
    const resource = { resourceType: BROKER_RESOURCE as 4, resourceName: String(nodeId), configs }
    await incrementalAlterConfigsV1.api.async(await cluster.anyConnection('admin'), [resource], false)
    // Each network thread of a broker takes the new certificate by itself, and connections go to the threads in turn.
    for (let inRow = 0; inRow < 2 * NETWORK_THREADS; ) {
      if ((await shown()).peer !== before.peer) inRow++
      else {
        inRow = 0
        await pause(50)
      }
    }
    // What was connected stays, until something ends it.
    const old = await cluster.connection(nodeId, 'produce')
    assert.equal((old.socket as TLSSocket).getPeerCertificate().fingerprint256, before.peer)
    old.socket.destroy()
    const storedBefore = sent
    while (sent < storedBefore + 50) await pause(5)
    isOn = false
    await writing
    await producer.close()
    const next = (await cluster.connection(nodeId, 'produce')).socket as TLSSocket
    assert.notEqual(next.getPeerCertificate().fingerprint256, before.peer)
    assert.deepEqual(failures, [])
    assert.equal((await admin.listOffsets('t', [0], 'latest')).get(0), BigInt(sent))
  })

  test('of a client: the next connection takes what stands in the files then', async () => {
    const before = await shown()
    await copyFile(join(folder, 'client2'), files.client)
    assert.notEqual((await shown()).own, before.own)
  })
})
