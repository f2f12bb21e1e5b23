/**
 * Stores that older versions made: each comes to the very tables a new store has, and keeps what it holds (migrations.ts).
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { systemDeps } from '@mq/kafka'
import { Kysely, SqliteDialect } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { migrations } from '../src/store/sql/schema-migrations.ts'
import { kyselyDatabase, openSqlite } from '../src/store/sqlite/database.ts'
import { MARK_FILE, STORE_FILE, Store } from '../src/store/store.ts'
import { temporaryFolder } from './harness.ts'
import { declare, ID, makeWorld, over, readToEnd, start, until } from './migration-on-fakes.ts'
import * as sample from './store-samples.ts'

const TIMEOUT = { timeout: 300_000 }

/** As it was before roll-ups of each resolution got a table of their own. */
const chunksInOneTable: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.dropTable('rollups').execute()
    await db.schema
      .createTable('traffic_chunks')
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('resolution_ms', 'bigint', (column) => column.notNull())
      .addColumn('chunk_start_ms', 'bigint', (column) => column.notNull())
      .addColumn('data', 'blob', (column) => column.notNull())
      .addPrimaryKeyConstraint('traffic_chunks_pk', ['mq_id', 'resolution_ms', 'chunk_start_ms'])
      .execute()
    await db.schema
      .createIndex('traffic_chunks_by_age')
      .on('traffic_chunks')
      .columns(['resolution_ms', 'chunk_start_ms'])
      .execute()
  },
}

/** What each version before applied, in that order. */
const versions: readonly { readonly name: string; readonly applied: readonly string[]; readonly oldChunks: boolean }[] =
  [
    { name: 'moves alone', applied: ['0001-registry', '0002-migrations'], oldChunks: false },
    { name: 'prices', applied: ['0001-registry', '0002-migrations', '0003-cluster-prices'], oldChunks: false },
    {
      name: 'packed roll-ups before decisions',
      applied: ['0001-registry', '0002-migrations', '0003-cluster-prices', '0005-traffic-chunks'],
      oldChunks: true,
    },
    {
      name: 'costs, roll-ups in one table',
      applied: [
        ...['0001-registry', '0002-migrations', '0003-cluster-prices', '0004-decisions', '0005-traffic-chunks'],
        ...['0006-late-epochs', '0006-twins', '0007-costs'],
      ],
      oldChunks: true,
    },
    {
      name: 'costs, a table for each resolution',
      applied: [
        ...['0001-registry', '0002-migrations', '0003-cluster-prices', '0004-decisions', '0005-traffic-chunks'],
        ...['0006-late-epochs', '0006-twins', '0007-costs'],
      ],
      oldChunks: false,
    },
    {
      name: 'the journal under the name of decisions',
      applied: Object.keys(migrations).filter((name) => name < '0012'),
      oldChunks: false,
    },
  ]

async function makeStore(dataDir: string, applied: readonly string[], oldChunks: boolean): Promise<void> {
  mkdirSync(dataDir, { recursive: true })
  const database = openSqlite(join(dataDir, STORE_FILE))
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: kyselyDatabase(database) }) })
  const known = Object.fromEntries(applied.map((name) => [name, migrations[name]!]))
  if (oldChunks) known['0005-traffic-chunks'] = chunksInOneTable
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => known } }).migrateToLatest()
  assert.equal(error, undefined)
  database.exec(
    `INSERT INTO clusters (name, address, created_at_ms, updated_at_ms) VALUES ('a', '{}', 1, 1);
     INSERT INTO mq_ids (id, state, revision, last_epoch, created_by, created_at_ms, updated_at_ms) VALUES ('x.y', 'active', 1, 1, 'me', 1, 1);
     INSERT INTO epochs (mq_id, epoch, state, cluster, topic, partitions, created_at_ms) VALUES ('x.y', 1, 'open', 'a', 't', 3, 1)`,
  )
  await db.destroy()
  if (database.isOpen) database.close()
}

/** Tables and indexes with their columns, in no order. */
function shapeOf(dataDir: string): Record<string, readonly string[]> {
  const database = new DatabaseSync(join(dataDir, STORE_FILE))
  const names = database
    .prepare("SELECT name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name")
    .all() as { name: string; tbl_name: string }[]
  const shape = Object.fromEntries(
    names.map(({ name }) => {
      const columns = database.prepare(`SELECT name FROM pragma_table_xinfo('${name}')`).all() as { name: string }[]
      return [name, columns.map((column) => column.name).sort()]
    }),
  )
  database.close()
  return shape
}

for (const { name, applied, oldChunks } of versions) {
  test(`a store of the version with ${name} comes to the tables of a new one`, TIMEOUT, async (t) => {
    const [fresh, old] = [temporaryFolder(t), temporaryFolder(t)]
    const first = await Store.open(fresh, systemDeps)
    await first.close()
    await makeStore(old, applied, oldChunks)
    const store = await Store.open(old, systemDeps)
    const epochs = store.sqlite.prepare('SELECT mq_id, epoch, late FROM epochs').all() as {
      mq_id: string
      epoch: number
      late: number
    }[]
    assert.deepEqual(
      epochs.map(({ mq_id, epoch, late }) => [mq_id, Number(epoch), Number(late)]),
      [['x.y', 1, 0]],
    )
    await store.close()
    assert.deepEqual(shapeOf(old), shapeOf(fresh))
    const again = await Store.open(old, systemDeps)
    await again.close()
  })
}

test('an upgrade that was cut off between two of its steps goes on at the next start', TIMEOUT, async (t) => {
  const [fresh, old] = [temporaryFolder(t), temporaryFolder(t)]
  await (await Store.open(fresh, systemDeps)).close()
  const before = Object.keys(migrations).filter((name) => name < '0012')
  for (const done of [
    'ALTER TABLE decisions RENAME TO journal',
    'ALTER TABLE decision_rows RENAME TO decisions',
    'DROP INDEX decisions_by_subject',
    'CREATE INDEX journal_by_subject ON journal (subject, seq)',
    'CREATE TABLE sequences (name text PRIMARY KEY, value bigint NOT NULL)',
  ].map((_, index, all) => all.slice(0, index + 1).join(';'))) {
    rmSync(old, { recursive: true })
    await makeStore(old, before, false)
    const database = new DatabaseSync(join(old, STORE_FILE))
    database.exec(done)
    database.close()
    await (await Store.open(old, systemDeps)).close()
    assert.deepEqual(shapeOf(old), shapeOf(fresh), done)
  }
})

/** Tables by the names of before 0012, each with the rows of its successor. */
function asBefore(dataDir: string, into: string): void {
  const database = new DatabaseSync(join(into, STORE_FILE))
  database.exec(`ATTACH '${join(dataDir, STORE_FILE)}' AS fresh`)
  const tables = database
    .prepare("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE '%kysely%' ORDER BY name")
    .all() as { name: string }[]
  database.exec('PRAGMA foreign_keys = OFF')
  for (const { name } of tables) {
    const now = { decisions: 'journal', decision_rows: 'decisions' }[name] ?? name
    const columns = (database.prepare(`SELECT name FROM pragma_table_info('${name}')`).all() as { name: string }[])
      .map((column) => `"${column.name}"`)
      .join(', ')
    database.exec(`DELETE FROM main.${name}; INSERT INTO main.${name} (${columns}) SELECT ${columns} FROM fresh.${now}`)
  }
  database.exec('DETACH fresh')
  database.close()
  copyFileSync(join(dataDir, MARK_FILE), join(into, MARK_FILE))
}

test('a store with mQ IDs, journal, decisions, migrations, costs and twins reads the same after the upgrade, and its numbers go on', {
  timeout: 300_000,
}, async (t) => {
  const world = makeWorld(t)
  const plane = await start(t, world)
  await declare(plane, world)
  await plane.call('POST', `/v1/ids/${ID}/migrations`, { to: 'b', partitions: 6 })
  await until(plane, ['draining'])
  readToEnd(world.a, `${ID}.e1`)
  await over(plane)
  assert.equal((await plane.call('PUT', '/v1/policies/global', { mode: 'observe' })).status, 200)
  assert.equal((await plane.call('PUT', '/v1/budgets/team=shop', { usdPerMonth: 100 })).status, 200)
  await plane.store.write('rows that loops would write', async (tx) => {
    await tx.decisions.add(sample.decision)
    await tx.decisions.add({ ...sample.decision, state: 'expired' })
    await tx.costHistory.save({ ...sample.costHour, startMs: Math.floor(Date.now() / 3_600_000) * 3_600_000 })
    await tx.twins.add({ ...sample.twin, state: 'done', endedAtMs: 2 })
    await tx.calibrations.save('a', [{ atMs: Date.now(), constants: { produceRttMs: 4 } }], 5)
  })
  await plane.close()
  const reads = [
    ...['/v1/ids', `/v1/ids/${ID}`, `/v1/bindings/${ID}`, '/v1/journal', '/v1/decisions', '/v1/decisions/1'],
    ...['/v1/migrations', '/v1/migrations/1', '/v1/policies', '/v1/budgets', '/v1/twins', '/v1/twins/1', '/v1/costs'],
    ...['/v1/clusters', '/v1/autopilot'],
  ]
  const answers = async (dataDir: string): Promise<Record<string, unknown>> => {
    const reader = await start(t, { ...world, dataDir })
    const found: Record<string, unknown> = {}
    for (const url of reads) {
      const answer = await reader.call('GET', url)
      assert.equal(answer.status, 200, `${url}: ${answer.text}`)
      found[url] = withoutClock(answer.body)
    }
    const changes = await reader.call('PUT', '/v1/policies/global', { mode: 'approve' })
    assert.equal(changes.status, 200)
    const entries: { seq: number }[] = (await reader.call('GET', '/v1/journal')).body.entries
    const { number } = await reader.store.write('one more', (tx) => tx.decisions.add(sample.decision))
    const twin = await reader.store.write('one more', (tx) => tx.twins.add(sample.twin))
    const { number: _number, ...draft } = await reader.migrations.find(1)
    const migration = await reader.store.write('one more', (tx) => tx.migrations.add(draft))
    assert.deepEqual([number, twin.twin.number, migration.number], [3, 2, 2])
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      entries.map((_, index) => entries.length - index),
    )
    await reader.close()
    return found
  }
  const old = temporaryFolder(t)
  await makeStore(
    old,
    Object.keys(migrations).filter((name) => name < '0012'),
    false,
  )
  asBefore(world.dataDir, old)
  const [upgraded, fresh] = [await answers(old), await answers(world.dataDir)]
  assert.deepEqual(upgraded, fresh)
  assert.equal((upgraded['/v1/journal'] as { entries: unknown[] }).entries.length > 5, true)
})

/** Without what says when it was asked, and the requests that rows of before do not name. */
function withoutClock(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (key, part: unknown) =>
      /^(?:fromMs|toMs|asOfMs|nowMs|checkedAtMs|sinceMs|requestId)$/.test(key) ? 0 : part,
    ),
  )
}
