import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Deps, systemDeps } from '@mq/kafka'
import { lagOf } from '../src/lag/group-lag.ts'
import { LagHistory } from '../src/lag/lag-history.ts'
import { LogEnds, MAX_SAMPLES } from '../src/lag/log-ends.ts'
import type { ClusterPositions } from '../src/lag/positions.ts'
import type { EpochRecord } from '../src/registry/records.ts'
import { startHarness, telemetryReport, temporaryFolder } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const MINUTE = 60_000

const epochOf = (epoch: number, parts: Partial<EpochRecord> = {}): EpochRecord => ({
  epoch,
  state: 'open',
  cluster: 'main',
  topic: `t.e${epoch}`,
  topicId: null,
  partitions: 2,
  endOffsets: null,
  createdAtMs: 0,
  ...parts,
})

const logOf = (...ends: number[]) => new Map(ends.map((end, partition) => [partition, { start: 10, end }]))

const groupOf = (committed: Record<string, Record<number, number>>, members = 1) => ({
  members,
  committed: new Map(
    Object.entries(committed).map(([topic, offsets]) => [
      topic,
      new Map(Object.entries(offsets).map(([partition, offset]) => [Number(partition), offset])),
    ]),
  ),
})

const sums = (sum: ReturnType<typeof lagOf>) => [sum.lagRecords, sum.lostRecords, sum.lagMs]

test('lag is the way from the committed position to the end; what retention removed is lost, not behind (L2)', () => {
  const epoch = epochOf(1)
  const group = groupOf({ 't.e1': { 0: 15, 1: 4 } })
  assert.deepEqual(sums(lagOf([{ epoch, log: logOf(20, 30), group, ends: undefined }], 0)), [25, 6, null])
  const atEnd = groupOf({ 't.e1': { 0: 20, 1: 30 } })
  assert.deepEqual(sums(lagOf([{ epoch, log: logOf(20, 30), group: atEnd, ends: undefined }], 0)), [0, 0, 0])
})

test('what is not known is null, and so is a sum with it (L1, L3)', () => {
  const epoch = epochOf(1)
  const sight = (group: ReturnType<typeof groupOf> | undefined, log: ReturnType<typeof logOf> | null) =>
    lagOf([{ epoch, log, group, ends: undefined }], 0)
  assert.equal(sight(groupOf({}), logOf(20, 30)).lagRecords, null, 'never committed')
  assert.equal(sight(groupOf({}), logOf(10, 10)).lagRecords, 0, 'nothing is there to be behind of')
  assert.equal(sight(groupOf({ 't.e1': { 0: 20 } }), logOf(20, 30)).lagRecords, null, 'one partition without a place')
  assert.equal(sight(groupOf({ 't.e1': { 0: 20, 1: 30 } }), null).lagRecords, null, 'a cluster that cannot be asked')
  assert.equal(sight(groupOf({ 't.e1': { 0: 20, 1: 31 } }), logOf(20, 30)).lagRecords, null, 'a place beyond the end')
  assert.equal(sight(undefined, logOf(20, 30)).lagRecords, null)
})

test('a migration counts every live epoch: the rest of the sealed one, and the next from its start', () => {
  const sealed = {
    epoch: epochOf(1, { state: 'sealed', endOffsets: ['20', '30'] }),
    log: logOf(21, 31),
    ends: undefined,
  }
  const open = { epoch: epochOf(2), log: logOf(14, 10), ends: undefined }
  const half = groupOf({ 't.e1': { 0: 20, 1: 25 } })
  assert.deepEqual(
    sums(
      lagOf(
        [
          { ...sealed, group: half },
          { ...open, group: half },
        ],
        0,
      ),
    ),
    [9, 0, null],
  )
  const through = groupOf({ 't.e1': { 0: 20, 1: 30 }, 't.e2': { 0: 12 } })
  assert.equal(
    lagOf(
      [
        { ...sealed, group: through },
        { ...open, group: through },
      ],
      0,
    ).lagRecords,
    2,
  )
  const late = groupOf({ 't.e2': { 0: 14, 1: 10 } })
  assert.equal(
    lagOf(
      [
        { ...sealed, group: late },
        { ...open, group: late },
      ],
      0,
    ).lagRecords,
    0,
    'it never reads epoch 1',
  )
})

test('time behind is told from when the end was seen to pass the position (E1, E3)', () => {
  const ends = new LogEnds()
  ends.add(0, [100], -MINUTE * 10)
  ends.add(10 * MINUTE, [100], 0)
  ends.add(11 * MINUTE, [200], 0)
  assert.deepEqual(ends.arrival(0, 150), { atMs: 10.5 * MINUTE })
  assert.deepEqual(ends.arrival(0, 100), { atMs: 10 * MINUTE })
  assert.deepEqual(ends.arrival(0, 99), { beforeMs: 0 })
  assert.deepEqual(ends.arrival(0, 200), {})
  const epoch = epochOf(1, { partitions: 1 })
  const at = (position: number) =>
    lagOf([{ epoch, log: logOf(200), group: groupOf({ 't.e1': { 0: position } }), ends }], 20 * MINUTE)
  assert.deepEqual([at(150).lagMs, at(150).lagAtLeastMs], [9.5 * MINUTE, null])
  assert.deepEqual([at(50).lagMs, at(50).lagAtLeastMs], [null, 20 * MINUTE])
  assert.equal(at(200).lagMs, 0)
})

test('a topic that was looked at right after it was made began empty; one that shrank is another (E2)', () => {
  const ends = new LogEnds()
  ends.add(MINUTE, [60], 0)
  assert.deepEqual(ends.arrival(0, 30), { atMs: MINUTE / 2 })
  ends.add(2 * MINUTE, [5], 0)
  assert.deepEqual(ends.arrival(0, 0), { beforeMs: 2 * MINUTE })
})

test('ends of a month stay few, and tell a time to a quarter of its age (E1)', () => {
  const ends = new LogEnds()
  const days = 30
  const step = 5 * MINUTE
  const looks = (days * 24 * 60 * MINUTE) / step
  for (let look = 0; look <= looks; look++) ends.add(look * step, [look], -1e9)
  assert.ok(ends.samples.length <= MAX_SAMPLES)
  const nowMs = looks * step
  for (let offset = 1; offset < looks; offset += 37) {
    const toldMs = ends.arrival(0, offset).atMs!
    const ageMs = nowMs - offset * step
    assert.ok(Math.abs(toldMs - offset * step) <= 0.25 * ageMs + step, `${offset}: ${toldMs}`)
  }
})

test('a history is bounded, keeps the most of each window, and tells the trend (H1, H2)', () => {
  const history = new LagHistory()
  for (let minute = 0; minute < 20 * 24 * 60; minute++) history.add(minute * MINUTE, minute % 10 === 0 ? 500 : 5, null)
  assert.equal(history.packed().flat().length, 60 + 96 + 112)
  const nowMs = (20 * 24 * 60 - 1) * MINUTE
  assert.equal(history.recent(nowMs).length, 60)
  assert.equal(Math.max(...history.recent(nowMs).map((one) => one ?? 0)), 500)
  assert.equal(history.trend(nowMs), 'steady')
  history.add(nowMs + MINUTE, null, null)
  assert.equal(history.recent(nowMs + MINUTE).at(-1), null)
  const growing = new LagHistory()
  for (let minute = 0; minute < 5; minute++) growing.add(minute * MINUTE, minute * 100, 0)
  assert.equal(growing.trend(4 * MINUTE), 'growing')
  assert.deepEqual(new LagHistory(growing.packed()).points(), growing.points())
})

/** Time that stands still until it is told. */
function movableTime(): { deps: Deps; advance(ms: number): void } {
  let aheadMs = 0
  const deps: Deps = {
    ...systemDeps,
    clock: {
      nowMs: () => systemDeps.clock.nowMs() + aheadMs,
      monotonicMs: () => systemDeps.clock.monotonicMs() + aheadMs,
    },
  }
  return {
    deps,
    advance: (ms) => {
      aheadMs += ms
    },
  }
}

test(
  'a group that is stopped or killed keeps its lag, once, over restarts of the control plane',
  TIMEOUT,
  async (t) => {
    const dataDir = temporaryFolder(t)
    const time = movableTime()
    let end = 0
    let fails = false
    let asked = 0
    const readPositions = async (): Promise<ClusterPositions> => {
      asked++
      if (fails) throw new Error('no broker answers')
      const topic = 'orders.placed.e1'
      const partitions = Array.from({ length: 64 }, (_, partition) => partition)
      return {
        groups: new Map([
          ['billing@orders.placed', groupOf({ [topic]: Object.fromEntries(partitions.map((one) => [one, 0])) }, 0)],
          ['spark', groupOf({ [topic]: { 0: end } })],
          ['other@orders.paid', groupOf({ 'orders.paid.e1': { 0: 1 } })],
        ]),
        logs: new Map([[topic, new Map(partitions.map((one) => [one, { start: 0, end: one === 0 ? end : 0 }]))]]),
        problems: new Map(),
      }
    }
    const first = await startHarness(t, { dataDir, readPositions, deps: time.deps })
    await first.call('PUT', '/v1/ids/orders.placed', { intent: {} })
    const consumer = {
      ...{ mqId: 'orders.placed', group: 'billing', epoch: 1, records: 5, recordBytes: 50, wireBytes: 500 },
      ...{ handlerErrors: 0, redeliveries: 0, commits: 1, rebalances: 0, lagRecords: 50, endToEndLatencyUs: '' },
    }
    for (const instance of ['killed', 'restarted']) {
      await first.call('POST', '/v1/telemetry', telemetryReport({ instance, consumers: [consumer] }))
    }
    await first.lagWatch.look()
    end = 50
    time.advance(2 * MINUTE)
    await first.lagWatch.look()
    const { groups, traffic } = (await first.call('GET', '/v1/ids/orders.placed')).body
    assert.deepEqual(
      groups.map((one: { group: string; foreign: boolean; lagRecords: number; members: number }) => [
        one.group,
        one.foreign,
        one.members,
        one.lagRecords,
      ]),
      [
        ['billing', false, 0, 50],
        ['spark', true, 1, 0],
      ],
    )
    assert.deepEqual(
      traffic.groups.map((one: { group: string; lagRecords: number }) => [one.group, one.lagRecords]),
      [['billing', 50]],
    )
    assert.match(
      (await first.call('GET', '/metrics')).text,
      /mq_group_lag_records\{mq_id="orders\.placed",group="billing"\} 50/,
    )
    const before = asked
    await first.close()
    assert.equal(asked, before)

    time.advance(60 * MINUTE)
    const second = await startHarness(t, { dataDir, readPositions, deps: time.deps })
    const unknown = (await second.call('GET', '/v1/ids/orders.placed')).body.groups
    assert.deepEqual(
      unknown.map((one: { group: string; lagRecords: number | null }) => [one.group, one.lagRecords]),
      [
        ['billing', null],
        ['spark', null],
      ],
      'a group that is known of is there, and its lag is unknown until the brokers were asked',
    )
    assert.doesNotMatch((await second.call('GET', '/metrics')).text, /mq_group_lag_records\{/)
    await second.lagWatch.look()
    const [billing] = (await second.call('GET', '/v1/ids/orders.placed/lag')).body.groups
    assert.equal(billing.lagRecords, 50)
    assert.ok(
      billing.lagMs >= 60 * MINUTE && billing.lagMs <= 63 * MINUTE,
      `${billing.lagMs} ms, from before the restart`,
    )
    assert.ok(billing.history.length > 0)
    assert.equal(billing.partitions[0].position, '0')

    fails = true
    time.advance(2 * MINUTE)
    await second.lagWatch.look()
    const [away] = (await second.call('GET', '/v1/ids/orders.placed')).body.groups
    assert.equal(away.lagRecords, null)
    assert.match(away.problem, /no broker answers/)
    await second.call('DELETE', '/v1/ids/orders.placed')
    fails = false
    await second.lagWatch.look()
    assert.equal(second.lagWatch.book.ids.size, 0)
  },
)
