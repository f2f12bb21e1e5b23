/**
 * Changes of positions while an mQ ID moves: refused while it is handed over, made in both epochs after that, and an old epoch is not
 * retired while positions go back in it (changes C4, C6, drain D7, targets T1, T3).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EpochRecord } from '../src/registry/records.ts'
import { withoutStamp } from '../src/registry/registry.ts'
import { assertProblem, type Harness, startHarness } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'
const BILLING = `billing@${ID}`
const T0 = 1_700_000_000_000

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 4_000; tries++) {
    if (await isTrue()) return
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.fail(`not true in time: ${what}`)
}

const change = (plane: Harness, action: object, more: object = {}) =>
  plane.call('POST', `/v1/ids/${ID}/groups/positions`, { group: 'billing', action, ...more })

const epochsOf = ({ registry }: Harness): readonly EpochRecord[] => {
  const record = registry.get(ID)
  return record?.state === 'active' ? record.epochs : []
}

/** An mQ ID with a sealed epoch of 100 records in each partition, and an open one with 50; the group has read all but 10 of those. */
async function moved(
  t: Parameters<typeof startHarness>[0],
  watchMs: number,
  prepare: (plane: Harness) => void = () => {},
): Promise<Harness> {
  const plane = await startHarness(t, {
    changeTimes: { pollMs: 5 },
    migrationTimes: { warmMs: 0, watchMs, pollMs: 5, quietMs: 20, probePauseMs: 1 },
  })
  prepare(plane)
  const { kafka } = plane
  kafka.timeOf = (offset) => T0 + Number(offset) * 1_000
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  const [first] = epochsOf(plane)
  for (let partition = 0; partition < first!.partitions; partition++) {
    kafka.append(first!.topic, partition, 100n)
    kafka.commit(BILLING, first!.topic, partition, 100n)
  }
  const started = await plane.call('POST', `/v1/ids/${ID}/migrations`, { partitions: first!.partitions * 2 })
  assert.equal(started.status, 200, started.text)
  await until('the new epoch is open', () => epochsOf(plane).at(-1)?.state === 'open' && epochsOf(plane).length === 2)
  const second = epochsOf(plane)[1]!
  for (let partition = 0; partition < second.partitions; partition++) {
    kafka.append(second.topic, partition, 50n)
    kafka.commit(BILLING, second.topic, partition, 40n)
  }
  return plane
}

test(
  'a time that lies in the sealed epoch moves positions in both; a shift goes from where the group reads (T1, T3)',
  TIMEOUT,
  async (t) => {
    const plane = await moved(t, 600_000)
    const [first, second] = epochsOf(plane)
    const back = await change(plane, { kind: 'to-time', timeMs: T0 + 90_000 }, { plan: true })
    const moves = back.body.moves as {
      epoch: number
      before: string
      after: string
      readAgain: number
      skipped: number
    }[]
    const inFirst = moves.filter(({ epoch }) => epoch === 1)
    assert.deepEqual([inFirst.length, inFirst[0]!.before, inFirst[0]!.after], [first!.partitions, '100', '90'])
    // Records of the open epoch are older here than the time: their clocks say so, and it is by time that was asked.
    assert.deepEqual(moves.filter(({ epoch }) => epoch === 2)[0]!.after, '50')
    const latest = await change(plane, { kind: 'to-latest' }, { plan: true })
    assert.deepEqual([...new Set((latest.body.moves as { epoch: number }[]).map(({ epoch }) => epoch))], [2])
    const shift = await change(plane, { kind: 'shift', records: -5 }, { plan: true })
    assert.ok(
      (shift.body.moves as { epoch: number; after: string }[]).every(
        ({ epoch, after }) => epoch === 2 && after === '35',
      ),
    )
    plane.kafka.commit(BILLING, first!.topic, 0, 70n)
    const undrained = await change(plane, { kind: 'shift', records: -5 }, { plan: true })
    const zero = (undrained.body.moves as { partition: number; epoch: number; after: string }[]).filter(
      ({ partition }) => partition === 0,
    )
    assert.deepEqual(
      zero.map(({ epoch, after }) => [epoch, after]),
      [[1, '65']],
    )
    const named = await change(plane, { kind: 'to-earliest' }, { plan: true, partition: 1 })
    assert.deepEqual(
      named.body.moves.map((one: { epoch: number }) => one.epoch),
      [second!.epoch],
      'of the open epoch',
    )
  },
)

for (const [when, isThen] of [
  ['while the groups are looked at', (call) => call === 'otherConsumers'],
  // Nothing but the guard sees it: the groups of the new epoch are looked at last, for the report.
  ['after the last look', (call, topic) => call === 'groupsOf' && topic?.endsWith('.e2') === true],
] satisfies [string, (call: string, topic: string | undefined) => boolean][]) {
  test(
    `an epoch in which positions went back ${when} is not retired before it is read once more (D7, C6)`,
    TIMEOUT,
    async (t) => {
      let isChanged = false
      const plane = await moved(t, 1, (early) => {
        early.kafka.after = async (call, topic) => {
          if (!isThen(call, topic) || isChanged || epochsOf(early).at(-1)?.epoch !== 2) return
          if (epochsOf(early).at(-1)?.state !== 'open') return
          isChanged = true
          const { body } = await change(early, { kind: 'to-earliest' }, { epoch: 1 })
          assert.equal(body.state, 'done', JSON.stringify(body.problem))
        }
      })
      const { kafka } = plane
      const [first] = epochsOf(plane)
      await until('the change was made in the middle of a look', () => isChanged)
      await new Promise((resolve) => setTimeout(resolve, 300))
      assert.equal(epochsOf(plane).length, 2, 'epoch 1 stays')
      for (let partition = 0; partition < first!.partitions; partition++)
        kafka.commit(BILLING, first!.topic, partition, 100n)
      await until('it is retired when it is read', () => epochsOf(plane).length === 1)
    },
  )
}

test('changes are refused while a migration hands over (C4)', TIMEOUT, async (t) => {
  const plane = await startHarness(t, { migrationTimes: { warmMs: 600_000, pollMs: 5 } })
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  const [first] = epochsOf(plane)
  plane.kafka.append(first!.topic, 0, 10n)
  plane.kafka.commit(BILLING, first!.topic, 0, 5n)
  const started = await plane.call('POST', `/v1/ids/${ID}/migrations`, { partitions: first!.partitions * 2 })
  assert.equal(started.status, 200, started.text)
  const moving = assertProblem(await change(plane, { kind: 'to-latest' }), 'MQ_MIGRATION_RUNNING')
  assert.match(moving.message, /migration 1.*once its new epoch is open/)
})

test('a change that goes on after a restart sets nothing while a migration hands over (C4)', TIMEOUT, async (t) => {
  const plane = await startHarness(t, { changeTimes: { pollMs: 5 } })
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  const { kafka, dataDir } = plane
  const [first] = epochsOf(plane)
  kafka.append(first!.topic, 0, 10n)
  kafka.commit(BILLING, first!.topic, 0, 5n)
  kafka.group(BILLING).members = 1
  await change(plane, { kind: 'to-latest' })
  const held = (): boolean => plane.registry.binding(ID)?.holds?.length === 1
  await until('the members are asked to leave', held)
  let isDead = false
  kafka.before = (call) => {
    if (call !== 'setPositions') return
    isDead = true
    plane.store.write = () => Promise.reject(new Error('the process is gone'))
    throw new Error('the process is gone')
  }
  kafka.group(BILLING).members = 0
  await until('it dies before it sets anything', () => isDead)
  await plane.close()
  const started = Promise.withResolvers<void>()
  let hasSet = false
  kafka.before = async (call) => {
    if (call === 'groupStanding') await started.promise
    if (call === 'setPositions') hasSet = true
  }
  const next = await startHarness(t, {
    ...{ kafka, dataDir, changeTimes: { pollMs: 5 } },
    migrationTimes: { warmMs: 600_000, pollMs: 5 },
  })
  const migration = await next.call('POST', `/v1/ids/${ID}/migrations`, { partitions: first!.partitions * 2 })
  assert.equal(migration.status, 200, migration.text)
  started.resolve()
  const seen = async () => (await next.call('GET', '/v1/group-changes/1')).body
  await until('it is over', async () => (await seen()).state === 'failed')
  assert.equal((await seen()).problem.code, 'MQ_MIGRATION_RUNNING')
  assert.equal(hasSet, false)
  assert.equal(next.registry.binding(ID)?.holds, undefined)
})

test('changes are refused while the cluster of a live epoch is away (C4)', TIMEOUT, async (t) => {
  const plane = await startHarness(t)
  assert.equal((await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })).status, 200)
  const record = plane.registry.get(ID)!
  assert.ok(record.state === 'active')
  const lost = { ...record.epochs[0]!, epoch: record.epochs[0]!.epoch, state: 'lost' as const }
  const open = { ...record.epochs[0]!, epoch: 9, topic: `${ID}.e9` }
  const entry = { kind: 'change', subject: ID, actor: 'test', why: 'away', before: null, after: null } as const
  await plane.registry.publish({ ...withoutStamp(record), epochs: [lost, open] }, entry)
  const away = assertProblem(await change(plane, { kind: 'to-latest' }), 'MQ_GROUP_CHANGE_REFUSED')
  assert.match(away.message, /epoch 1 .* is away: positions there cannot be set/)
})
