/**
 * Repositories with SQLite behind them (ports N1, T1, T2, F1-F4), and that only the leader writes (store S7).
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { MqError, type MqErrorCode } from '@mq/contract'
import { systemDeps } from '@mq/kafka'
import type { Commit } from '../src/store/ports/change-feed.ts'
import type { EngineTransaction } from '../src/store/ports/engine.ts'
import { SqliteEngine } from '../src/store/sqlite/engine.ts'
import { STORE_FILE, Store } from '../src/store/store.ts'
import { temporaryFolder } from './harness.ts'
import { allWrites, fill, storeContract } from './store-contract.ts'
import * as sample from './store-samples.ts'

const hasCode = (code: MqErrorCode) => (error: unknown) => error instanceof MqError && error.code === code

function dump(file: string): Record<string, unknown[]> {
  const database = new DatabaseSync(file, { readOnly: true })
  const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").all()
  const rows = Object.fromEntries(
    (tables as { name: string }[]).map(({ name }) => [name, database.prepare(`SELECT * FROM "${name}"`).all()]),
  )
  database.close()
  return rows
}

storeContract('SQLite', async (t) => {
  const file = join(temporaryFolder(t), STORE_FILE)
  const open = async (): Promise<SqliteEngine> => {
    const engine = await SqliteEngine.open(file)
    t.after(() => engine.close())
    return engine
  }
  return { engine: await open(), rows: async () => dump(file), reopen: open }
})

test('of a leader that was replaced, no write changes anything: each is refused and the lease is lost (S7)', async (t) => {
  const rows = await sample.realRows(t)
  const dataDir = temporaryFolder(t)
  const file = join(dataDir, STORE_FILE)
  const writes = [
    ...allWrites,
    [
      'revision.raise',
      (tx: EngineTransaction & { revision?: { raise(n: number): Promise<void> } }) => tx.revision!.raise(99),
    ],
  ] as const
  for (const [method, write] of writes) {
    const store = await Store.open(dataDir, systemDeps)
    await store.write('rows', (tx) => fill(tx as unknown as EngineTransaction, rows))
    const commits: Commit[] = []
    store.feed.subscribe((commit) => commits.push(commit))
    let losses = 0
    store.lease.onLost(() => losses++)
    const other = await SqliteEngine.open(file)
    await other.transaction((tx) => tx.lease.acquire('another process', 1))
    await other.close()
    const before = dump(file)
    const stale = () => store.write(method, (tx) => write(tx as unknown as EngineTransaction, rows))
    await assert.rejects(stale(), hasCode('MQ_NOT_LEADER'))
    assert.deepEqual(dump(file), before, method)
    await assert.rejects(stale(), hasCode('MQ_NOT_LEADER'), 'it does not come back')
    assert.deepEqual([store.lease.isHeld, losses, commits.length], [false, 1, 0])
    await store.close()
  }
})

test('the store writes nothing of its own either once another leads, and once the lease is given up (S7)', async (t) => {
  const dataDir = temporaryFolder(t)
  const store = await Store.open(dataDir, systemDeps)
  const given = await Store.open(temporaryFolder(t), systemDeps)
  given.lease.giveUp()
  const other = await SqliteEngine.open(join(dataDir, STORE_FILE))
  await other.transaction((tx) => tx.lease.acquire('another process', 1))
  await other.close()
  for (const own of [(one: Store) => one.check(), (one: Store) => one.renew(5), (one: Store) => one.recovered()]) {
    await assert.rejects(own(store), hasCode('MQ_NOT_LEADER'))
    await assert.rejects(own(given), hasCode('MQ_CLOSED'))
  }
  await store.close()
  await given.close()
})

test('every start has a term of its own, and positions of the feed go on over it (T1, F1)', async (t) => {
  const dataDir = temporaryFolder(t)
  const seen: [number, number][] = []
  for (let start = 0; start < 3; start++) {
    const store = await Store.open(dataDir, systemDeps)
    store.feed.subscribe(({ term, position }) => seen.push([term, position]))
    await store.write('an entry', (tx) => tx.journal.append(sample.entry, 1, 1))
    await store.close()
  }
  const [terms, positions] = [seen.map(([term]) => term), seen.map(([, position]) => position)]
  assert.equal(new Set(terms).size, 3)
  assert.deepEqual(
    terms,
    terms.toSorted((a, b) => a - b),
  )
  assert.deepEqual(positions, [1, 2, 3])
})

test('the feed tells commits in their order, mirrors first, before the write returns, and none that failed (F2, F3, F4)', async (t) => {
  const store = await Store.open(temporaryFolder(t), systemDeps)
  const heard: string[] = []
  const seqs = (commit: Commit) => commit.changes.flatMap((one) => (one.of === 'journal' ? [one.entry.seq] : []))
  store.feed.subscribe((commit) => heard.push(`told ${seqs(commit)}`))
  store.feed.mirror((commit) => heard.push(`mirrored ${seqs(commit)}`))
  const append = (fails: boolean) =>
    store.write('an entry', async (tx) => {
      await tx.journal.append(sample.entry, 1, 1)
      if (fails) throw new Error('the disk burns')
    })
  await append(false)
  assert.deepEqual(heard, ['mirrored 1', 'told 1'])
  const all = [append(false), append(true).catch(() => undefined), append(false)]
  await Promise.all(all)
  assert.deepEqual(heard.slice(2), ['mirrored 2', 'told 2', 'mirrored 3', 'told 3'])
  await store.close()
})
