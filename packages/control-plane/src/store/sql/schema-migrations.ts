/**
 * Migrations of the store. Append only: a migration that was ever released is never edited.
 */
import type { Kysely } from 'kysely'
import type { Migration } from 'kysely/migration'
import type { Tables } from './tables.ts'

const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('meta')
      .addColumn('key', 'text', (column) => column.primaryKey())
      .addColumn('value', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('clusters')
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('address', 'text', (column) => column.notNull())
      .addColumn('kafka_id', 'text')
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('mq_ids')
      .addColumn('id', 'text', (column) => column.primaryKey())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .addColumn('last_epoch', 'bigint', (column) => column.notNull())
      .addColumn('created_by', 'text', (column) => column.notNull())
      .addColumn('spec', 'text')
      .addColumn('pending', 'text')
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('epochs')
      .addColumn('mq_id', 'text', (column) => column.notNull().references('mq_ids.id').onDelete('cascade'))
      .addColumn('epoch', 'bigint', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('cluster', 'text', (column) => column.notNull())
      .addColumn('topic', 'text', (column) => column.notNull())
      .addColumn('topic_id', 'text')
      .addColumn('partitions', 'bigint', (column) => column.notNull())
      .addColumn('end_offsets', 'text')
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('epochs_pk', ['mq_id', 'epoch'])
      .execute()
    await db.schema
      .createTable('decisions')
      .addColumn('seq', 'bigint', (column) => column.primaryKey())
      .addColumn('at_ms', 'bigint', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('subject', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('why', 'text', (column) => column.notNull())
      .addColumn('before', 'text')
      .addColumn('after', 'text')
      .addColumn('revision', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('decisions_by_subject').on('decisions').columns(['subject', 'seq']).execute()
    await db.schema
      .createTable('rollups')
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('resolution_ms', 'bigint', (column) => column.notNull())
      .addColumn('window_start_ms', 'bigint', (column) => column.notNull())
      .addColumn('data', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('rollups_pk', ['mq_id', 'resolution_ms', 'window_start_ms'])
      .execute()
  },
}

const moves: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('migrations')
      .addColumn('number', 'bigint', (column) => column.primaryKey())
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('over', 'bigint', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('from_place', 'text', (column) => column.notNull())
      .addColumn('to_place', 'text', (column) => column.notNull())
      .addColumn('data', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('ended_at_ms', 'bigint')
      .execute()
    await db.schema.createIndex('migrations_by_id').on('migrations').columns(['mq_id', 'number']).execute()
    await db.schema
      .createTable('migration_steps')
      .addColumn('migration', 'bigint', (column) => column.notNull().references('migrations.number'))
      .addColumn('step', 'text', (column) => column.notNull())
      .addColumn('position', 'bigint', (column) => column.notNull())
      .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('ended_at_ms', 'bigint')
      .addColumn('attempts', 'bigint', (column) => column.notNull())
      .addColumn('result', 'text', (column) => column.notNull())
      .addColumn('problem', 'text')
      .addPrimaryKeyConstraint('migration_steps_pk', ['migration', 'step'])
      .execute()
  },
}

const clusterPrices: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.alterTable('clusters').addColumn('economics', 'text').execute()
  },
}

const decisions: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('decision_rows')
      .addColumn('number', 'bigint', (column) => column.primaryKey())
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('kind', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('over', 'bigint', (column) => column.notNull())
      .addColumn('data', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('decision_rows_by_id').on('decision_rows').columns(['mq_id', 'number']).execute()
    await db.schema.createIndex('decision_rows_over').on('decision_rows').columns(['over', 'updated_at_ms']).execute()
    await db.schema
      .createTable('policies')
      .addColumn('scope', 'text', (column) => column.primaryKey())
      .addColumn('rule', 'text', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .execute()
  },
}

/** Roll-ups as JSON, a row for each window, took a hundred times the room: what they held is given up. */
const trafficChunks: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.dropTable('rollups').execute()
    await makeTrafficTables(db)
  },
}

/** Some stores have the chunks of all resolutions in one table: what it held is given up. */
const trafficTables: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema.dropTable('traffic_chunks').ifExists().execute()
    await makeTrafficTables(db)
  },
}

async function makeTrafficTables(db: Kysely<unknown>): Promise<void> {
  for (const table of ['traffic_10s', 'traffic_5min', 'traffic_1h']) {
    await db.schema
      .createTable(table)
      .ifNotExists()
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('chunk_start_ms', 'bigint', (column) => column.notNull())
      .addColumn('data', 'blob', (column) => column.notNull())
      .addPrimaryKeyConstraint(`${table}_pk`, ['chunk_start_ms', 'mq_id'])
      .execute()
  }
  await db.schema
    .createTable('traffic_growing')
    .ifNotExists()
    .addColumn('mq_id', 'text', (column) => column.notNull())
    .addColumn('resolution_ms', 'bigint', (column) => column.notNull())
    .addColumn('chunk_start_ms', 'bigint', (column) => column.notNull())
    .addColumn('data', 'blob', (column) => column.notNull())
    .addPrimaryKeyConstraint('traffic_growing_pk', ['mq_id', 'resolution_ms'])
    .execute()
}

const twins: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('twins')
      .addColumn('number', 'bigint', (column) => column.primaryKey())
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('state', 'text', (column) => column.notNull())
      .addColumn('over', 'bigint', (column) => column.notNull())
      .addColumn('data', 'text', (column) => column.notNull())
      .addColumn('started_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('ended_at_ms', 'bigint')
      .execute()
    await db.schema.createIndex('twins_by_id').on('twins').columns(['mq_id', 'number']).execute()
    await db.schema
      .createTable('calibrations')
      .addColumn('cluster', 'text', (column) => column.primaryKey())
      .addColumn('data', 'text', (column) => column.notNull())
      .addColumn('updated_at_ms', 'bigint', (column) => column.notNull())
      .execute()
  },
}

const costs: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await db.schema
      .createTable('cost_hours')
      .addColumn('cluster', 'text', (column) => column.notNull())
      .addColumn('resolution_ms', 'bigint', (column) => column.notNull())
      .addColumn('start_ms', 'bigint', (column) => column.notNull())
      .addColumn('price_book', 'text', (column) => column.notNull())
      .addColumn('price_version', 'text', (column) => column.notNull())
      .addColumn('watched_ms', 'bigint', (column) => column.notNull())
      .addColumn('modelled_usd', 'text', (column) => column.notNull())
      .addColumn('billed_usd', 'text', (column) => column.notNull())
      .addColumn('lines', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('cost_hours_pk', ['cluster', 'resolution_ms', 'start_ms', 'price_book', 'price_version'])
      .execute()
    await db.schema.createIndex('cost_hours_by_age').on('cost_hours').columns(['start_ms']).execute()
    await db.schema
      .createTable('budgets')
      .addColumn('scope', 'text', (column) => column.primaryKey())
      .addColumn('usd_per_month', 'text', (column) => column.notNull())
      .addColumn('set_by', 'text', (column) => column.notNull())
      .addColumn('set_at_ms', 'bigint', (column) => column.notNull())
      .execute()
  },
}

/** Whether later epochs wait for an epoch: they do not for one whose cluster was away for too long. */
const lateEpochs: Migration = {
  up: async (db) => {
    await db.schema
      .alterTable('epochs')
      .addColumn('late', 'bigint', (column) => column.notNull().defaultTo(0))
      .execute()
  },
}

const lagHistories: Migration = {
  up: async (db) => {
    await db.schema
      .createTable('lag_histories')
      .addColumn('mq_id', 'text', (column) => column.primaryKey())
      .addColumn('data', 'blob', (column) => column.notNull())
      .addColumn('saved_at_ms', 'bigint', (column) => column.notNull())
      .execute()
  },
}

const clusterSites: Migration = {
  up: async (db) => {
    await db.schema.alterTable('clusters').addColumn('site', 'text').execute()
  },
}

const groupChanges: Migration = {
  up: async (db) => {
    await db.schema
      .createTable('group_changes')
      .addColumn('number', 'bigint', (column) => column.primaryKey())
      .addColumn('mq_id', 'text', (column) => column.notNull())
      .addColumn('over', 'bigint', (column) => column.notNull())
      .addColumn('data', 'text', (column) => column.notNull())
      .addColumn('created_at_ms', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('group_changes_over').on('group_changes').columns(['over']).execute()
  },
}

/**
 * The journal was called decisions, and decisions were called decision rows. SQLite's schema changes are not one transaction with the note
 * that they were made: each step asks what is there, so that an upgrade that was cut off goes on.
 */
const journal: Migration = {
  up: async (db) => {
    const tables = new Set((await db.introspection.getTables()).map(({ name }) => name))
    if (!tables.has('journal')) await db.schema.alterTable('decisions').renameTo('journal').execute()
    if (tables.has('decision_rows')) await db.schema.alterTable('decision_rows').renameTo('decisions').execute()
    for (const old of ['decisions_by_subject', 'decision_rows_by_id', 'decision_rows_over']) {
      await db.schema.dropIndex(old).ifExists().execute()
    }
    const index = (name: string) => db.schema.createIndex(name).ifNotExists()
    await index('journal_by_subject').on('journal').columns(['subject', 'seq']).execute()
    await index('decisions_by_id').on('decisions').columns(['mq_id', 'number']).execute()
    await index('decisions_over').on('decisions').columns(['over', 'updated_at_ms']).execute()
  },
}

/** Until here the next number was the highest row and one more. */
const sequences: Migration = {
  up: async (db: Kysely<Tables>) => {
    await db.schema
      .createTable('sequences')
      .ifNotExists()
      .addColumn('name', 'text', (column) => column.primaryKey())
      .addColumn('value', 'bigint', (column) => column.notNull())
      .execute()
    const journal = await db
      .selectFrom('journal')
      .select('seq as last')
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    const lasts = [{ name: 'journal', value: Number(journal?.last ?? 0) }]
    for (const name of ['decisions', 'migrations', 'twins', 'group_changes'] as const) {
      const row = await db
        .selectFrom(name)
        .select('number as last')
        .orderBy('number', 'desc')
        .limit(1)
        .executeTakeFirst()
      lasts.push({ name, value: Number(row?.last ?? 0) })
    }
    await db
      .insertInto('sequences')
      .values(lasts)
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  },
}

const leases: Migration = {
  up: async (db) => {
    await db.schema
      .createTable('leases')
      .ifNotExists()
      .addColumn('role', 'text', (column) => column.primaryKey())
      .addColumn('term', 'bigint', (column) => column.notNull())
      .addColumn('holder', 'text', (column) => column.notNull())
      .addColumn('acquired_at_ms', 'bigint', (column) => column.notNull())
      .addColumn('commits', 'bigint', (column) => column.notNull())
      .execute()
  },
}

const decisionWorlds: Migration = {
  up: async (db) => {
    await db.schema
      .createTable('decision_worlds')
      .ifNotExists()
      .addColumn('number', 'bigint', (column) => column.primaryKey())
      .addColumn('at_ms', 'bigint', (column) => column.notNull())
      .addColumn('version', 'text', (column) => column.notNull())
      .addColumn('format', 'bigint', (column) => column.notNull())
      .addColumn('world', 'blob', (column) => column.notNull())
      .addColumn('proposal', 'blob', (column) => column.notNull())
      .execute()
  },
}

const journalRequests: Migration = {
  up: async (db) => {
    const journal = (await db.introspection.getTables()).find(({ name }) => name === 'journal')
    if (journal?.columns.some(({ name }) => name === 'request_id') === true) return
    await db.schema.alterTable('journal').addColumn('request_id', 'text').execute()
  },
}

/** Applied in the order of their names; one with a lower number may come to a store later than one with a higher. */
export const migrations: Readonly<Record<string, Migration>> = {
  '0001-registry': first,
  '0002-migrations': moves,
  '0003-cluster-prices': clusterPrices,
  '0004-decisions': decisions,
  '0005-traffic-chunks': trafficChunks,
  '0006-late-epochs': lateEpochs,
  '0006-twins': twins,
  '0007-costs': costs,
  '0008-traffic-tables': trafficTables,
  '0009-lag-histories': lagHistories,
  '0010-cluster-sites': clusterSites,
  '0011-group-changes': groupChanges,
  '0012-journal': journal,
  '0013-sequences': sequences,
  '0014-leases': leases,
  '0015-decision-worlds': decisionWorlds,
  '0016-journal-requests': journalRequests,
}
