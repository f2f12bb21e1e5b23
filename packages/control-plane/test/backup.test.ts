/**
 * Backups of a store that is worked on, restores, and copies that are no backups.
 */
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { MqError, type MqErrorCode } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import { backupStore, restoreStore } from '../src/store/backup.ts'
import { STORE_FILE, Store } from '../src/store/store.ts'
import { FakeKafka } from './fake-kafka.ts'
import { startHarness, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const hasCode = (code: MqErrorCode) => (error: unknown) => error instanceof MqError && error.code === code

test('a copied file without its log is refused and left alone, and a missing one, too (S6)', TIMEOUT, async (t) => {
  const dataDir = temporaryFolder(t)
  const plane = await startHarness(t, { dataDir })
  await plane.call('PUT', '/v1/ids/orders.placed', { intent: {} })
  const copy = temporaryFolder(t)
  // As `cp control-plane.sqlite` of a control plane that runs: all of it may still be in the log.
  const empty = new DatabaseSync(join(copy, STORE_FILE))
  empty.exec('PRAGMA journal_mode = WAL')
  empty.close()
  copyFileSync(join(dataDir, 'store-mark.json'), join(copy, 'store-mark.json'))
  const { size } = statSync(join(copy, STORE_FILE))
  await assert.rejects(Store.open(copy, systemDeps), hasCode('MQ_STORE_INCOMPLETE'))
  assert.equal(statSync(join(copy, STORE_FILE)).size, size)
  rmSync(join(copy, STORE_FILE))
  await assert.rejects(Store.open(copy, systemDeps), hasCode('MQ_STORE_INCOMPLETE'))
  assert.equal(existsSync(join(copy, STORE_FILE)), false, 'no empty store is made in its place')
  rmSync(join(copy, 'store-mark.json'))
  await (await Store.open(copy, systemDeps)).close()
})

test(
  'a backup of a store under load is whole, and a restore is another life of it (K1, K3, K4)',
  TIMEOUT,
  async (t) => {
    const dataDir = temporaryFolder(t)
    const kafka = new FakeKafka()
    const plane = await startHarness(t, { dataDir, kafka })
    const acknowledged: number[] = []
    let isOn = true
    const writer = (async () => {
      for (let n = 0; isOn; n++) {
        const { status } = await plane.call('PUT', `/v1/ids/load.n${n}`, { intent: {} })
        if (status === 200) acknowledged.push(n)
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    const until = async (count: number): Promise<void> => {
      while (acknowledged.length < count) await new Promise((resolve) => setTimeout(resolve, 5))
    }
    await until(10)
    const folder = temporaryFolder(t)
    const before = acknowledged.length
    const facts = await backupStore(dataDir, join(folder, 'one.backup'))
    const after = acknowledged.length
    assert.ok(facts.mqIds >= before && facts.mqIds <= after + 1, `${before} <= ${facts.mqIds} <= ${after} + 1`)
    assert.equal(statSync(join(folder, 'one.backup')).mode & 0o077, 0)
    assert.deepEqual(readdirSync(folder), ['one.backup'], 'nothing else is left')
    await until(after + 10)
    isOn = false
    await writer
    await assert.rejects(backupStore(dataDir, join(folder, 'one.backup')), hasCode('MQ_OPTION_INVALID'))
    assert.throws(() => restoreStore(dataDir, join(folder, 'one.backup'), 1), hasCode('MQ_STORE_LOCKED'))
    const { incarnation, revision } = plane.store
    await plane.close()

    const restored = restoreStore(dataDir, join(folder, 'one.backup'), Date.now())
    assert.ok(existsSync(join(restored.setAside!, STORE_FILE)))
    const store = await Store.open(dataDir, systemDeps)
    assert.ok(store.revision < revision)
    assert.ok(store.incarnation > incarnation, 'clients know a later state of the old life')
    const { count } = store.sqlite.prepare("SELECT count(*) AS count FROM mq_ids WHERE state = 'active'").get() as {
      count: number
    }
    assert.equal(count, facts.mqIds)
    await store.close()
  },
)

test('a restore takes nothing that is no whole store, and leaves what is there (K2)', TIMEOUT, async (t) => {
  const dataDir = temporaryFolder(t)
  await (await Store.open(dataDir, systemDeps)).close()
  const folder = temporaryFolder(t)
  const file = (name: string): string => join(folder, name)
  writeFileSync(file('text'), 'this is no database, but long enough to be read as one'.repeat(200))
  new DatabaseSync(file('empty')).close()
  await backupStore(dataDir, file('newer'))
  const newer = new DatabaseSync(file('newer'))
  newer.exec("INSERT INTO kysely_migration (name, timestamp) VALUES ('9999-later', '2030-01-01')")
  newer.close()
  for (const [name, code] of [
    ['text', 'MQ_STORE_DAMAGED'],
    ['empty', 'MQ_STORE_INCOMPLETE'],
    ['newer', 'MQ_STORE_NEWER'],
    ['missing', 'MQ_OPTION_INVALID'],
  ] as const) {
    assert.throws(() => restoreStore(dataDir, file(name), Date.now()), hasCode(code), name)
  }
  const store = await Store.open(dataDir, systemDeps)
  assert.equal(store.recoveringFrom, undefined, 'it is still the store it was')
  await store.close()
  mkdirSync(file('none'))
  await assert.rejects(backupStore(file('none'), file('x')), hasCode('MQ_OPTION_INVALID'))
})
