import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClusterAddress, MqError } from '@mq/contract'
import { securityOf } from '../src/net/credentials.ts'
import { securityOptions } from '../src/net/security.ts'

const address = (security: object): ClusterAddress =>
  ClusterAddress.parse({ name: 'main', bootstrap: ['127.0.0.1:9092'], ...security })
const where = (field: string): string => `set ${field} somewhere`

test('a cluster gets the protocol it asks for, with the credentials of this process', () => {
  assert.deepEqual(securityOf(address({}), { username: 'u', password: 'p' }, where), { protocol: 'plaintext' })
  const tls = { ca: 'pem' }
  assert.deepEqual(securityOf(address({ securityProtocol: 'tls' }), { tls }, where), { protocol: 'tls', tls })
  assert.deepEqual(
    securityOf(
      address({ securityProtocol: 'sasl-tls', saslMechanism: 'SCRAM-SHA-512' }),
      { username: 'u', password: 'p', tls },
      where,
    ),
    { protocol: 'sasl-tls', tls, sasl: { mechanism: 'SCRAM-SHA-512', username: 'u', password: 'p' } },
  )
  assert.deepEqual(
    securityOf(address({ securityProtocol: 'sasl-plaintext', saslMechanism: 'OAUTHBEARER' }), { token: 't' }, where),
    { protocol: 'sasl-plaintext', sasl: { mechanism: 'OAUTHBEARER', token: 't' } },
  )
})

test('a missing credential is named with the place to set it, and no secret is told (D2)', () => {
  for (const [saslMechanism, credentials, field] of [
    ['PLAIN', { password: 'hush-hush' }, 'username'],
    ['SCRAM-SHA-256', { username: 'u' }, 'password'],
    ['OAUTHBEARER', { username: 'u', password: 'hush-hush' }, 'token'],
  ] as const) {
    assert.throws(
      () => securityOf(address({ securityProtocol: 'sasl-tls', saslMechanism }), credentials, where),
      (error: unknown) => {
        assert.ok(error instanceof MqError && error.code === 'MQ_OPTION_INVALID')
        assert.ok(error.message.includes(`set ${field} somewhere`) && error.message.includes(saslMechanism))
        assert.ok(!error.message.includes('hush'))
        return true
      },
    )
  }
})

test('TLS options by reference and certificate files are asked for anew at every connection (S2, D3)', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'mq-certificates-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const files = { ca: join(folder, 'ca.pem'), cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') }
  let asked = 0
  const tls = () => ({ minVersion: 'TLSv1.3' as const, passphrase: `phrase${++asked}` })
  const security = securityOf(address({ securityProtocol: 'tls' }), { tls, tlsFiles: files }, where)
  await assert.rejects(
    securityOptions(security, 'localhost'),
    (error: unknown) => error instanceof MqError && error.code === 'MQ_KAFKA_UNREACHABLE' && error.retryable,
  )
  for (const turn of ['one', 'two']) {
    for (const [field, path] of Object.entries(files)) await writeFile(path, `${field} ${turn}`)
    const options = (await securityOptions(security, 'localhost')).tls
    assert.deepEqual([options?.ca, options?.cert, options?.key].map(String), [
      `ca ${turn}`,
      `cert ${turn}`,
      `key ${turn}`,
    ])
    assert.deepEqual([options?.minVersion, options?.passphrase], ['TLSv1.3', `phrase${asked}`])
  }
  assert.equal(asked, 3)
})
