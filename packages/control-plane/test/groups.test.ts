/** Consumer groups as they are shown: lists from the lag watch, one from the brokers (group-view V1, commit-times C1, C2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommitTimes } from '../src/lag/commit-times.ts'
import type { ClusterPositions } from '../src/lag/positions.ts'
import { assertProblem, type Harness, movableClock, startHarness, telemetryReport } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'
const TOPIC = `${ID}.e1`

async function declared(plane: Harness): Promise<void> {
  const answer = await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })
  assert.equal(answer.status, 200, answer.text)
}

test(
  'one group is shown as the brokers know it now, with what is finished beyond its positions',
  TIMEOUT,
  async (t) => {
    const plane = await startHarness(t)
    await declared(plane)
    const { kafka } = plane
    const { partitions } = kafka.topics.get(TOPIC)!
    for (let partition = 0; partition < partitions; partition++) kafka.append(TOPIC, partition, 100n)
    for (let partition = 0; partition < partitions; partition++) kafka.commit(`billing@${ID}`, TOPIC, partition, 40n)
    kafka.group(`billing@${ID}`).finished.set(`${TOPIC}/1`, [{ first: 50n, end: 60n }])
    kafka.group(`billing@${ID}`).members = 2
    kafka.group(`billing@${ID}`).assigned.set(TOPIC, new Set([0, 1]))
    const { status, body } = await plane.call('GET', `/v1/ids/${ID}/group?group=billing`)
    assert.equal(status, 200)
    assert.deepEqual([body.state, body.foreign, body.lagRecords], ['running', false, 60 * partitions])
    assert.deepEqual(
      body.memberList.map((one: { host: string }) => one.host),
      ['10.0.0.1', '10.0.0.2'],
    )
    const places = body.partitions.map((one: Record<string, unknown>) => [
      one.position,
      one.end,
      one.finishedBeyond,
      one.member,
    ])
    assert.deepEqual(places.slice(0, 3), [
      ['40', '100', 0, 'checkout@10.0.0.1'],
      ['40', '100', 10, 'checkout@10.0.0.1'],
      ['40', '100', 0, null],
    ])
    kafka.commit('my-kcat', TOPIC, 0, 3n)
    const other = await plane.call('GET', `/v1/ids/${ID}/group?group=my-kcat`)
    assert.deepEqual([other.body.foreign, other.body.state, other.body.unfinishedRecords], [true, 'stopped', null])
    assertProblem(await plane.call('GET', `/v1/ids/${ID}/group?group=nobody`), 'MQ_GROUP_UNKNOWN')
  },
)

test('the list says state, lag and when a position was last seen to move', TIMEOUT, async (t) => {
  let position = 10
  const read = async (): Promise<ClusterPositions> => ({
    groups: new Map([
      [
        `billing@${ID}`,
        { members: 1, state: 'CompletingRebalance', committed: new Map([[TOPIC, new Map([[0, position]])]]) },
      ],
      ['my-kcat', { members: null, committed: new Map([[TOPIC, new Map([[0, 3]])]]) }],
    ]),
    logs: new Map([[TOPIC, new Map([[0, { start: 0, end: 50 }]])]]),
    problems: new Map(),
  })
  const plane = await startHarness(t, { readPositions: read })
  await declared(plane)
  const list = async (): Promise<Record<string, unknown>[]> =>
    (await plane.call('GET', `/v1/groups?id=${ID}`)).body.groups
  await plane.lagWatch.look()
  const before = await list()
  assert.deepEqual(
    before.map(({ group, state, lastCommitAtMs }) => [group, state, lastCommitAtMs]),
    [
      ['billing', 'rebalancing', null],
      ['my-kcat', 'unknown', null],
    ],
  )
  position = 20
  await plane.lagWatch.look()
  const after = await list()
  assert.equal(typeof after[0]!.lastCommitAtMs, 'number')
  assert.equal(after[1]!.lastCommitAtMs, null)
  assert.deepEqual((await plane.call('GET', '/v1/groups')).body.groups.length, 2)
  assertProblem(await plane.call('GET', '/v1/groups?id=no.such'), 'MQ_ID_UNKNOWN')
})

test('the time of a commit is that of the look that found it, and not known before the first (C1, C2)', () => {
  const times = new CommitTimes()
  const saw = (atMs: number, ...offsets: number[]): number | null => {
    times.saw('a.b', new Map([['g', offsets]]), atMs)
    return times.lastCommitAtMs('a.b', 'g')
  }
  assert.equal(saw(1, 5, 5), null)
  assert.equal(saw(2, 5, 5), null)
  assert.equal(saw(3, 5, 6), 3)
  assert.equal(saw(4, 5, 6), 3)
  times.forget(() => false)
  assert.equal(times.lastCommitAtMs('a.b', 'g'), null)
})

test(
  'what clients say of unfinished and failing messages is told for a minute, and null where none says it',
  TIMEOUT,
  async (t) => {
    const time = movableClock()
    const read = async (): Promise<ClusterPositions> => ({
      groups: new Map([[`billing@${ID}`, { members: 2, committed: new Map([[TOPIC, new Map([[0, 10]])]]) }]]),
      logs: new Map([[TOPIC, new Map([[0, { start: 0, end: 50 }]])]]),
      problems: new Map(),
    })
    const plane = await startHarness(t, { readPositions: read, deps: time })
    await declared(plane)
    await plane.lagWatch.look()
    const told = async (): Promise<unknown[]> => {
      const [group] = (await plane.call('GET', `/v1/groups?id=${ID}`)).body.groups
      const { failing } = (await plane.call('GET', `/v1/ids/${ID}`)).body
      const list = group.failing.map((one: { offset: string; instance: string }) => [one.offset, one.instance])
      return [group.unfinishedRecords, group.handlerErrors, group.failingRecords, list, failing.length]
    }
    assert.deepEqual(await told(), [null, null, null, [], 0])
    const message = {
      partition: 0,
      offset: '10',
      keyHash: '0000beef',
      attempts: 3,
      error: 'TypeError',
      failingMs: 9_000,
    }
    const consumer = {
      ...{ mqId: ID, group: 'billing', epoch: 1, records: 5, recordBytes: 500, wireBytes: 400, handlerErrors: 3 },
      ...{ redeliveries: 2, commits: 1, rebalances: 0, lagRecords: 40, endToEndLatencyUs: '' },
    }
    const report = async (instance: string, more: object): Promise<void> => {
      const { status, text } = await plane.call(
        'POST',
        '/v1/telemetry',
        telemetryReport({ app: 'billing-service', instance, consumers: [{ ...consumer, ...more }] }),
      )
      assert.equal(status, 200, text)
    }
    await report('old', {})
    assert.deepEqual(await told(), [null, 3, null, [], 0], 'an older client tells of failures only')
    await report('one', { unfinishedRecords: 4, failingRecords: 1, failing: [message] })
    await report('two', {
      unfinishedRecords: 6,
      failingRecords: 2,
      failing: [{ ...message, offset: '11', attempts: 9 }],
    })
    assert.deepEqual(await told(), [
      10,
      9,
      3,
      [
        ['11', 'two'],
        ['10', 'one'],
      ],
      1,
    ])
    await report('two', { unfinishedRecords: 0, failingRecords: 0, handlerErrors: 0 })
    assert.deepEqual(await told(), [4, 9, 1, [['10', 'one']], 1])
    const { body } = await plane.call('GET', `/v1/ids/${ID}`)
    const { app, epoch, error } = body.failing[0].failing[0]
    assert.deepEqual([body.failing[0].group, app, epoch, error], ['billing', 'billing-service', 1, 'TypeError'])
    time.advance(61_000)
    assert.deepEqual((await told()).slice(0, 1), [null], 'who says nothing for a minute is gone')
  },
)

test('a group whose coordinator does not answer is still there, and its lag is unknown', TIMEOUT, async (t) => {
  let isAnswering = true
  const committed = new Map([[TOPIC, new Map([[0, 10]])]])
  const read = async (): Promise<ClusterPositions> => ({
    groups: new Map(isAnswering ? [[`billing@${ID}`, { members: 1, committed }]] : []),
    logs: new Map([[TOPIC, new Map([[0, { start: 0, end: 50 }]])]]),
    problems: new Map(isAnswering ? [] : [[`billing@${ID}`, 'its coordinator does not answer']]),
  })
  const plane = await startHarness(t, { readPositions: read })
  await declared(plane)
  await plane.lagWatch.look()
  isAnswering = false
  await plane.lagWatch.look()
  await plane.lagWatch.look()
  const { groups } = (await plane.call('GET', `/v1/groups?id=${ID}`)).body
  assert.deepEqual(
    groups.map((one: Record<string, unknown>) => [one.group, one.state, one.lagRecords, one.problem]),
    [['billing', 'unknown', null, 'its coordinator does not answer']],
  )
})
