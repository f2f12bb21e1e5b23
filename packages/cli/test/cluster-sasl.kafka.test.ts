/** `mq cluster add --sasl` before a broker that asks for a password: what it exits with, and what is registered. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { silentLogger, startControlPlane } from '@mq/control-plane'
import { startCluster } from '@mq/local'
import { exitCodes } from '../src/exit-codes.ts'
import { freshFolder, run } from './harness.ts'

const PASSWORD = 'correct-horse'
const login = `org.apache.kafka.common.security.plain.PlainLoginModule required user_ann="${PASSWORD}";`

test('mq cluster add with a wrong password exits with an error, says so, and registers nothing', {
  timeout: 300_000,
}, async (t) => {
  const kafka = await startCluster({
    name: 'guarded',
    configs: {
      'listener.security.protocol.map': 'CLIENT:SASL_PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT',
      'sasl.enabled.mechanisms': 'PLAIN',
      'listener.name.client.plain.sasl.jaas.config': login,
    },
  })
  const dir = freshFolder()
  const ann = (password: string) => ({ username: 'ann', password: () => password })
  const plane = await startControlPlane({
    port: 0,
    dataDir: join(dir, 'plane'),
    clusters: [],
    credentials: { wrong: ann('battery-staple'), right: ann(PASSWORD) },
    logger: silentLogger,
  })
  t.after(async () => {
    await plane.close()
    await kafka.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const add = (name: string) =>
    run(
      [
        'cluster',
        'add',
        name,
        '--bootstrap',
        kafka.bootstrap.join(','),
        '--security',
        'sasl-plaintext',
        '--sasl',
        'PLAIN',
      ].concat('--url', plane.url),
    )
  const listed = async () => (await run(['cluster', 'list', '--url', plane.url])).stdout
  for (const [name, code] of [
    ['wrong', 'MQ_KAFKA_AUTH_FAILED'],
    ['nobody', 'no username'],
  ] as const) {
    const refused = await add(name)
    assert.notEqual(refused.code, exitCodes.ok, name)
    assert.match(refused.stderr, new RegExp(code))
    assert.doesNotMatch(refused.stderr + refused.stdout, /battery-staple|correct-horse/)
    assert.doesNotMatch(await listed(), new RegExp(name))
  }
  const added = await add('right')
  assert.equal(added.code, exitCodes.ok, added.stderr)
  assert.match(await listed(), /right +.*up/)
})
