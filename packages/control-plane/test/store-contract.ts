/**
 * What every engine of the store does, as tests that take an engine.
 */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Change } from '../src/store/ports/change-feed.ts'
import type { EngineTransaction, StoreEngine } from '../src/store/ports/engine.ts'
import type { Repositories } from '../src/store/ports/repositories.ts'
import * as sample from './store-samples.ts'

export interface OpenEngine {
  readonly engine: StoreEngine
  /** Every row of every table, in some order. */
  rows(): Promise<unknown>
  /** A second connection to the same rows. */
  reopen(): Promise<StoreEngine>
}

type Write = (tx: EngineTransaction, rows: sample.Samples) => Promise<unknown>
/** Of every repository, every method that writes; the compiler asks for those of a new port. */
type Writes = { readonly [R in keyof Repositories]: Readonly<Record<string, Write>> }

const HOUR = 3_600_000
const chunk = { startMs: 0, data: new Uint8Array([1, 2, 3]) }

export const writes: Writes = {
  sequences: {
    next: (tx) => tx.sequences.next('journal'),
    skipTo: (tx) => tx.sequences.skipTo('migrations', 1_000),
  },
  budgets: {
    save: (tx) => tx.budgets.save({ ...sample.budget, scope: 'id=other' }),
    remove: (tx) => tx.budgets.remove(sample.budget.scope),
  },
  calibrations: { save: (tx) => tx.calibrations.save('a', [{ atMs: 1, constants: { produceRttMs: 9 } }], 5) },
  clusters: {
    save: (tx, { cluster }) => tx.clusters.save({ ...cluster, kafkaId: 'another' }),
    remove: (tx, { cluster }) => tx.clusters.remove(cluster.address.name),
  },
  costHistory: {
    add: (tx) => tx.costHistory.add({ ...sample.costHour, startMs: 0 }),
    save: (tx) => tx.costHistory.save({ ...sample.costHour, billedUsd: 9 }),
    remove: (tx) => tx.costHistory.remove(100 * HOUR),
  },
  decisions: {
    add: (tx) => tx.decisions.add(sample.decision),
    save: (tx) => tx.decisions.save({ ...sample.decision, number: 1, state: 'expired' }),
  },
  decisionWorlds: {
    add: (tx) =>
      tx.decisionWorlds.add({ number: 1, atMs: 9, version: '0.1.0', format: 1, world: '{}', proposal: '{}' }),
  },
  groupChanges: {
    add: (tx) => tx.groupChanges.add(sample.groupChange),
    save: (tx) =>
      tx.groupChanges.save({
        ...sample.groupChange,
        number: 1,
        view: { ...sample.groupChange.view, number: 1, state: 'done' },
      }),
  },
  journal: { append: (tx) => tx.journal.append(sample.entry, 9, 9) },
  lagHistories: {
    save: (tx) => tx.lagHistories.save('orders.placed', new Uint8Array([9]), 9),
    remove: (tx) => tx.lagHistories.remove('orders.placed'),
  },
  migrations: {
    add: (tx, { migration: { number: _number, ...rest } }) => tx.migrations.add(rest),
    save: (tx, { migration }) => tx.migrations.save({ ...migration, actor: 'another' }),
  },
  mqIds: {
    save: (tx, { id }) => tx.mqIds.save({ ...id, lastEpoch: 99 }),
    restamp: (tx, { id }) => tx.mqIds.restamp({ ...id, revision: 99 }),
    remove: (tx, { id }) => tx.mqIds.remove(id.id),
  },
  policies: {
    save: (tx) => tx.policies.save('team=other', sample.policy, 9),
    remove: (tx) => tx.policies.remove('global'),
  },
  settings: {
    set: (tx) => tx.settings.set('autopilot', 'other'),
    setFirst: (tx) => tx.settings.setFirst('owner_rules', '[]'),
  },
  traffic: {
    saveFinished: (tx) => tx.traffic.saveFinished('10s', 'orders.placed', { ...chunk, data: new Uint8Array([9]) }),
    saveGrowing: (tx) => tx.traffic.saveGrowing('1h', 'orders.placed', { ...chunk, data: new Uint8Array([9]) }),
    remove: (tx) => tx.traffic.remove('10s', HOUR),
  },
  twins: {
    add: (tx) => tx.twins.add(sample.twin),
    save: (tx) => tx.twins.save({ twin: { ...sample.twin, number: 1, state: 'done' }, mark: null }),
  },
}

/** A row of everything, so that every removal has something to remove. */
export async function fill(tx: EngineTransaction, { id, cluster, migration }: sample.Samples): Promise<void> {
  await tx.budgets.save(sample.budget)
  await tx.calibrations.save('a', [{ atMs: 1, constants: { produceRttMs: 4 } }], 5)
  await tx.clusters.save(cluster)
  await tx.costHistory.save(sample.costHour)
  await tx.decisions.add(sample.decision)
  await tx.groupChanges.add(sample.groupChange)
  await tx.journal.append(sample.entry, 5, 3)
  await tx.lagHistories.save('orders.placed', new Uint8Array([5, 6]), 7)
  await tx.migrations.save(migration)
  await tx.mqIds.save(id)
  await tx.policies.save('global', sample.policy, 8)
  await tx.settings.set('autopilot', '{}')
  for (const resolution of ['10s', '5min', '1h'] as const) {
    await tx.traffic.saveFinished(resolution, 'orders.placed', chunk)
    await tx.traffic.saveGrowing(resolution, 'orders.placed', chunk)
  }
  await tx.twins.add(sample.twin)
}

export const allWrites: readonly (readonly [string, Write])[] = Object.entries(writes).flatMap(([port, methods]) =>
  Object.entries(methods).map(([method, write]) => [`${port}.${method}`, write] as const),
)

export function storeContract(name: string, open: (t: TestContext) => Promise<OpenEngine>): void {
  describe(`the contract of repositories, with ${name}`, () => {
    let made: Promise<sample.Samples> | undefined
    const samples = (t: TestContext): Promise<sample.Samples> => {
      made ??= sample.realRows(t)
      return made
    }

    test('what was written is read again as it was, also by another connection', async (t) => {
      const { engine, reopen } = await open(t)
      const rows = await samples(t)
      await engine.transaction((tx) => fill(tx, rows))
      const { read } = await reopen()
      assert.deepEqual(await read.budgets.all(), [sample.budget])
      assert.deepEqual(await read.calibrations.all(), new Map([['a', [{ atMs: 1, constants: { produceRttMs: 4 } }]]]))
      assert.deepEqual(await read.clusters.all(), [rows.cluster])
      assert.deepEqual(await read.costHistory.between(0, 3 * HOUR), [sample.costHour])
      assert.deepEqual(await read.decisions.find(1), { ...sample.decision, number: 1 })
      assert.deepEqual((await read.groupChanges.find(1))?.view, { ...sample.groupChange.view, number: 1 })
      const entry = { ...sample.entry, seq: 1, atMs: 5, revision: 3, requestId: null }
      assert.deepEqual(await read.journal.list({ limit: 5 }), [entry])
      assert.deepEqual(Buffer.from((await read.lagHistories.all()).get('orders.placed')!), Buffer.from([5, 6]))
      assert.deepEqual(await read.migrations.find(1), rows.migration)
      assert.deepEqual(await read.mqIds.all(), [rows.id])
      assert.deepEqual(await read.policies.all(), new Map([['global', sample.policy]]))
      assert.equal(await read.settings.get('autopilot'), '{}')
      assert.equal(await read.settings.get('owner_rules'), undefined)
      assert.deepEqual(Buffer.from((await read.traffic.finished('5min', 'orders.placed', 0))!), Buffer.from([1, 2, 3]))
      assert.deepEqual((await read.twins.find(1))?.twin, { ...sample.twin, number: 1 })
    })

    test('numbers rise by one, each sequence apart; a failed transaction draws none (N1)', async (t) => {
      const { engine } = await open(t)
      const three = await engine.transaction(async (tx) => [
        (await tx.decisions.add(sample.decision)).number,
        (await tx.decisions.add(sample.decision)).number,
        (await tx.twins.add(sample.twin)).twin.number,
      ])
      assert.deepEqual(three, [1, 2, 1])
      await assert.rejects(
        engine.transaction(async (tx) => {
          await tx.decisions.add(sample.decision)
          throw new Error('the disk burns')
        }),
      )
      assert.equal((await engine.transaction((tx) => tx.decisions.add(sample.decision))).number, 3)
    })

    test('a migration that comes back with its number keeps it, and the next one gets a higher', async (t) => {
      const { engine } = await open(t)
      const rows = await samples(t)
      await engine.transaction((tx) => tx.migrations.save({ ...rows.migration, number: 41 }))
      await engine.transaction((tx) => tx.migrations.save({ ...rows.migration, number: 7 }))
      const { number: _number, ...draft } = rows.migration
      assert.equal((await engine.transaction((tx) => tx.migrations.add(draft))).number, 42)
    })

    test('lists come newest first, within their limit and filter; what is live is found without its number', async (t) => {
      const { engine } = await open(t)
      const rows = await samples(t)
      await engine.transaction(async (tx) => {
        for (const [mqId, state, updatedAtMs] of [
          ['a.a', 'expired', 1],
          ['b.b', 'proposed', 2],
          ['a.a', 'kept', 3],
          ['a.a', 'undone', 90],
        ] as const) {
          await tx.decisions.add({ ...sample.decision, mqId, state, updatedAtMs })
          await tx.journal.append({ ...sample.entry, subject: mqId }, updatedAtMs, 1)
          await tx.twins.add({ ...sample.twin, mqId, state: state === 'proposed' ? 'running' : 'done' })
        }
        await tx.migrations.save(rows.migration)
        await tx.migrations.save({ ...rows.migration, number: 2, mqId: 'a.a', state: 'draining', steps: [] })
      })
      const { read } = engine
      const numbers = (list: readonly { readonly number: number }[]) => list.map(({ number }) => number)
      assert.deepEqual(numbers(await read.decisions.list({ limit: 3 })), [4, 3, 2])
      assert.deepEqual(numbers(await read.decisions.list({ mqId: 'a.a', limit: 2 })), [4, 3])
      assert.deepEqual(numbers(await read.decisions.list({ state: 'proposed', limit: 9 })), [2])
      assert.deepEqual(numbers(await read.decisions.recent(50, 9)), [2, 3, 4])
      assert.deepEqual(numbers(await read.decisions.recent(50, 2)), [3, 4])
      assert.deepEqual(
        (await read.journal.list({ subject: 'a.a', limit: 2 })).map(({ seq }) => seq),
        [4, 3],
      )
      assert.deepEqual(
        (await read.twins.list({ mqId: 'a.a', limit: 2 })).map(({ twin }) => twin.number),
        [4, 3],
      )
      assert.deepEqual(
        (await read.twins.open()).map(({ twin }) => twin.number),
        [2],
      )
      assert.deepEqual(numbers(await read.migrations.active()), [2])
      assert.deepEqual(numbers(await read.migrations.list({ limit: 9 })), [2, 1])
      assert.equal(await read.decisions.find(9), undefined)
    })

    test('hours of costs are found by their time, and removed by it; a second of the same is refused by add', async (t) => {
      const { engine } = await open(t)
      const at = (startMs: number, resolutionMs = HOUR) => ({ ...sample.costHour, startMs, resolutionMs })
      await engine.transaction(async (tx) => {
        for (const hour of [at(3 * HOUR), at(HOUR), at(0, 24 * HOUR)]) await tx.costHistory.save(hour)
      })
      const starts = async (): Promise<number[]> =>
        (await engine.read.costHistory.between(-1, 100 * HOUR)).map(({ startMs }) => startMs / HOUR)
      assert.deepEqual(await starts(), [0, 1, 3])
      assert.equal(await engine.read.costHistory.oldestMs(), 0)
      assert.deepEqual(await engine.read.costHistory.before(HOUR, 3 * HOUR), [at(HOUR)])
      await assert.rejects(engine.transaction((tx) => tx.costHistory.add(at(HOUR))))
      await engine.transaction((tx) => tx.costHistory.remove(3 * HOUR, HOUR))
      assert.deepEqual(await starts(), [0, 3])
      await engine.transaction((tx) => tx.costHistory.remove(3 * HOUR))
      assert.deepEqual(await starts(), [3])
    })

    test('a term rises with every leader, and only the current one is confirmed; positions rise with commits alone', async (t) => {
      const { engine, reopen } = await open(t)
      const first = await engine.transaction((tx) => tx.lease.acquire('one', 1))
      assert.equal(await engine.transaction((tx) => tx.lease.confirm(first)), 1)
      await assert.rejects(
        engine.transaction(async (tx) => {
          await tx.lease.confirm(first)
          throw new Error('the disk burns')
        }),
      )
      assert.equal(await engine.transaction((tx) => tx.lease.confirm(first)), 2)
      const other = await reopen()
      const second = await other.transaction((tx) => tx.lease.acquire('two', 2))
      assert.ok(second > first)
      assert.equal(await engine.transaction((tx) => tx.lease.confirm(first)), undefined)
      assert.equal(await other.transaction((tx) => tx.lease.confirm(second)), 3)
    })

    for (const [method, write] of allWrites) {
      test(`${method} tells the feed what it wrote, and leaves nothing when its transaction fails`, async (t) => {
        const { engine, rows: dump } = await open(t)
        const rows = await samples(t)
        await engine.transaction((tx) => fill(tx, rows))
        const before = await dump()
        await assert.rejects(
          engine.transaction(async (tx) => {
            await write(tx, rows)
            throw new Error('the disk burns')
          }),
          /the disk burns/,
        )
        assert.deepEqual(await dump(), before)
        const told = await engine.transaction(async (tx) => {
          await write(tx, rows)
          return [...tx.changes]
        })
        assert.notDeepEqual(await dump(), before, 'it writes something')
        const silent = /^(?:sequences|costHistory|decisionWorlds|lagHistories|traffic)\./.test(method)
        assert.equal(told.length, silent ? 0 : 1, JSON.stringify(told satisfies readonly Change[]))
      })
    }
  })
}
