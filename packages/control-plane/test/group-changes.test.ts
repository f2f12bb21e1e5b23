/**
 * Changes of positions of groups on fakes: what they would do and what they do (targets T1-T6, changes C1-C6).
 */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { GroupAction, GroupChange } from '@mq/contract'
import { assertProblem, type Harness, startHarness } from './harness.ts'

const TIMEOUT = { timeout: 300_000 }
const ID = 'orders.placed'
const TOPIC = `${ID}.e1`
const BILLING = `billing@${ID}`
/** When the record at offset 0 was written; one follows every second. */
const T0 = 1_700_000_000_000

interface Stage {
  readonly plane: Harness
  readonly partitions: number
  change(action: GroupAction, more?: Record<string, unknown>): Promise<Answer>
  positions(): [number, number[]][]
}
type Answer = { readonly status: number; readonly body: GroupChange }

async function stage(t: TestContext, options: Parameters<typeof startHarness>[1] = {}): Promise<Stage> {
  const plane = await startHarness(t, { changeTimes: { pollMs: 5 }, ...options })
  const answer = await plane.call('PUT', `/v1/ids/${ID}`, { intent: {} })
  assert.equal(answer.status, 200, answer.text)
  const { kafka } = plane
  kafka.timeOf = (offset) => T0 + Number(offset) * 1_000
  const { partitions } = kafka.topics.get(TOPIC)!
  for (let partition = 0; partition < partitions; partition++) {
    kafka.append(TOPIC, partition, 100n)
    kafka.commit(BILLING, TOPIC, partition, 60n)
  }
  return {
    plane,
    partitions,
    change: (action, more = {}) =>
      plane.call('POST', `/v1/ids/${ID}/groups/positions`, { group: 'billing', action, ...more }),
    positions: () =>
      [...kafka.groups.get(BILLING)!.commits.get(TOPIC)!].map(([partition, offset]) => {
        const finished = kafka.groups.get(BILLING)!.finished.get(`${TOPIC}/${partition}`) ?? []
        return [Number(offset), finished.flatMap(({ first, end }) => [Number(first), Number(end)])]
      }),
  }
}

describe('positions of a group that nobody runs', () => {
  test('a plan says what would be read again and how old it is, and touches nothing', TIMEOUT, async (t) => {
    const { plane, partitions, change, positions } = await stage(t)
    const before = positions()
    const { body } = await change({ kind: 'to-time', timeMs: T0 + 10_500 }, { plan: true })
    assert.deepEqual([body.number, body.state, body.isLive], [null, 'planned', false])
    assert.deepEqual([body.readAgain, body.skipped], [49 * partitions, 0])
    assert.deepEqual(body.readAgainTimes, { oldestMs: T0 + 11_000, newestMs: T0 + 59_000 })
    assert.deepEqual(body.moves[0], {
      ...{ epoch: 1, partition: 0, before: '60', after: '11', start: '0', end: '100', readAgain: 49, skipped: 0 },
    })
    assert.deepEqual(positions(), before)
    assert.ok(!plane.kafka.calls.includes('setPositions'))
  })

  for (const [name, action, after, counts] of [
    ['earliest', { kind: 'to-earliest' }, 0, [60, 0]],
    ['latest', { kind: 'to-latest' }, 100, [0, 40]],
    ['a time', { kind: 'to-time', timeMs: T0 + 70_000 }, 70, [0, 10]],
    ['a time after the last record', { kind: 'to-time', timeMs: T0 + 500_000 }, 100, [0, 40]],
    ['10 back', { kind: 'shift', records: -10 }, 50, [10, 0]],
    ['10 forward', { kind: 'shift', records: 10 }, 70, [0, 10]],
  ] as const) {
    test(`resets every partition to ${name}`, TIMEOUT, async (t) => {
      const { plane, partitions, change, positions } = await stage(t)
      const { body } = await change(action, { by: 'ann@laptop' })
      assert.equal(body.state, 'done', JSON.stringify(body.problem))
      assert.deepEqual(
        [body.readAgain, body.skipped],
        counts.map((count) => count * partitions),
      )
      assert.deepEqual(positions(), new Array(partitions).fill([after, []]))
      const entry = (await plane.call('GET', `/v1/journal?subject=${ID}&limit=1`)).body.entries[0]
      assert.deepEqual([entry.kind, entry.actor, entry.after.change], ['group-positions', 'local (ann@laptop)', 1])
      assert.deepEqual(entry.before.positions[0], { epoch: 1, partition: 0, offset: '60' })
      assert.deepEqual((await plane.call('GET', '/v1/group-changes/1')).body.state, 'done')
    })
  }

  test('a reset of one partition forgets what was finished beyond its old position (T2, T4)', TIMEOUT, async (t) => {
    const { plane, change, positions } = await stage(t)
    plane.kafka.group(BILLING).finished.set(`${TOPIC}/1`, [{ first: 70n, end: 80n }])
    const { body } = await change({ kind: 'to-offset', offset: '50' }, { partition: 1 })
    assert.equal(body.readAgain, 20, '10 below the position, 10 finished beyond it')
    assert.deepEqual(positions().slice(0, 3), [
      [60, []],
      [50, []],
      [60, []],
    ])
  })

  test('a skip passes exactly one record, and keeps what else is finished (T4)', TIMEOUT, async (t) => {
    const { plane, change, positions } = await stage(t)
    const finished = plane.kafka.group(BILLING).finished
    finished.set(`${TOPIC}/0`, [{ first: 61n, end: 65n }])
    finished.set(`${TOPIC}/1`, [{ first: 70n, end: 80n }])
    const skip = async (partition: number, offset: number): Promise<Answer> =>
      change({ kind: 'skip', offset: String(offset) }, { partition })
    assert.deepEqual([(await skip(0, 60)).body.skipped, (await skip(1, 69)).body.skipped], [1, 1])
    assert.equal((await skip(2, 75)).body.skipped, 1)
    assert.deepEqual(positions().slice(0, 3), [
      [65, []],
      [60, [69, 80]],
      [60, [75, 76]],
    ])
    for (const [partition, offset] of [
      [2, 75],
      [2, 59],
      [2, 100],
    ] as const) {
      assertProblem((await skip(partition, offset)) as never, 'MQ_OPTION_INVALID')
    }
    assertProblem((await change({ kind: 'skip', offset: '60' })) as never, 'MQ_OPTION_INVALID')
  })

  test(
    'a replay reads a stretch of time again, and nothing after it; it never goes forward (T5)',
    TIMEOUT,
    async (t) => {
      const { plane, partitions, change, positions } = await stage(t)
      plane.kafka.commit(BILLING, TOPIC, 1, 5n)
      plane.kafka.group(BILLING).finished.set(`${TOPIC}/2`, [{ first: 90n, end: 95n }])
      const action = { kind: 'replay', sinceMs: T0 + 20_000, untilMs: T0 + 30_000 } as const
      assert.equal((await change(action)).body.readAgain, 10 * (partitions - 1))
      assert.deepEqual(positions().slice(0, 3), [
        [20, [30, 60]],
        [5, []],
        [20, [30, 60, 90, 95]],
      ])
      const { body } = await change({ kind: 'replay', sinceMs: T0 + 50_000, untilMs: null })
      assert.equal(body.skipped, 0)
      assert.deepEqual(positions().slice(0, 3), [
        [20, [30, 50]],
        [5, []],
        [20, [30, 50]],
      ])
    },
  )

  test('a skip and a replay keep how often others failed; a reset begins anew (T4)', TIMEOUT, async (t) => {
    const { plane, change } = await stage(t)
    const group = plane.kafka.group(BILLING)
    const failed = (offset: bigint) => ({ offset, attempts: 3, firstFailedAtMs: T0 })
    group.failing.set(`${TOPIC}/0`, [failed(60n), failed(62n)])
    await change({ kind: 'skip', offset: '60' }, { partition: 0 })
    assert.deepEqual(group.failing.get(`${TOPIC}/0`), [failed(62n)])
    await change({ kind: 'replay', sinceMs: T0 + 50_000, untilMs: T0 + 55_000 }, { partition: 0 })
    assert.deepEqual(group.failing.get(`${TOPIC}/0`), [failed(62n)])
    await change({ kind: 'shift', records: 1 }, { partition: 0 })
    assert.deepEqual(group.failing.get(`${TOPIC}/0`), [])
  })

  test('a partition without a position counts as one at the earliest record', TIMEOUT, async (t) => {
    const { plane, change, positions } = await stage(t)
    plane.kafka.group(BILLING).commits.get(TOPIC)!.delete(0)
    const skipped = await change({ kind: 'skip', offset: '0' }, { partition: 0 })
    assert.deepEqual(
      [skipped.body.skipped, skipped.body.moves[0]!.before, skipped.body.moves[0]!.after],
      [1, null, '1'],
    )
    plane.kafka.group(BILLING).commits.get(TOPIC)!.delete(0)
    assert.equal((await change({ kind: 'to-latest' }, { partition: 0, plan: true })).body.skipped, 100)
    assert.equal((await change({ kind: 'to-earliest' }, { partition: 0 })).body.readAgain, 0)
    assert.deepEqual(
      positions().find(([offset]) => offset === 0),
      [0, []],
    )
  })

  test('targets outside the log are refused or told (T6)', TIMEOUT, async (t) => {
    const { plane, change } = await stage(t)
    const topic = plane.kafka.topics.get(TOPIC)!
    topic.starts.fill(30n)
    const refused = (await change({ kind: 'to-offset', offset: '29' }, { partition: 0 })) as never
    assert.match(assertProblem(refused, 'MQ_OPTION_INVALID').message, /holds offsets 30 to 100, not 29/)
    const early = await change({ kind: 'to-time', timeMs: T0 }, { plan: true })
    assert.match(early.body.notes[0]!, /begins at its earliest record: older ones were removed/)
    assert.equal(early.body.moves[0]!.readAgain, 30, 'what retention removed is not read again')
    const far = await change({ kind: 'shift', records: -1_000 }, { plan: true })
    assert.match(far.body.notes[0]!, /moves to 30, the edge of its log, and not to -940/)
    for (const body of [{ partition: 99 }, { epoch: 7 }]) {
      assertProblem((await change({ kind: 'to-latest' }, body)) as never, 'MQ_OPTION_INVALID')
    }
    assertProblem((await change({ kind: 'to-time', timeMs: Date.now() + 3_600_000 })) as never, 'MQ_OPTION_INVALID')
    assertProblem((await change({ kind: 'to-latest' }, { group: 'nobody' })) as never, 'MQ_GROUP_UNKNOWN')
  })

  test(
    'a group that is not of mQ is moved while it has no members, and refused by name while it has',
    TIMEOUT,
    async (t) => {
      const { plane, change } = await stage(t)
      const { kafka } = plane
      kafka.commit('my-kcat', TOPIC, 0, 3n)
      const other = { group: 'my-kcat', partition: 0 }
      assert.equal((await change({ kind: 'to-offset', offset: '9' }, other)).body.state, 'done')
      assert.equal(kafka.groups.get('my-kcat')!.commits.get(TOPIC)!.get(0), 9n)
      assertProblem((await change({ kind: 'skip', offset: '20' }, other)) as never, 'MQ_GROUP_CHANGE_REFUSED')
      kafka.group('my-kcat').members = 1
      kafka.group('my-kcat').assigned.set(TOPIC, new Set([0]))
      const refused = (await change({ kind: 'to-latest' }, other)) as never
      assert.match(
        assertProblem(refused, 'MQ_GROUP_IN_USE').message,
        /is not of mQ and has members: checkout@10\.0\.0\.1/,
      )
      assert.equal(kafka.groups.get('my-kcat')!.commits.get(TOPIC)!.get(0), 9n)
    },
  )
})

describe('positions of a group that runs', () => {
  const heldIn = ({ registry }: Harness): readonly unknown[] | undefined => registry.binding(ID)?.holds

  async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 2_000; tries++) {
      if (await isTrue()) return
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    assert.fail(`not true in time: ${what}`)
  }
  const stateOf = async ({ call }: Harness, number = 1): Promise<GroupChange> =>
    (await call('GET', `/v1/group-changes/${number}`)).body

  test('members are asked to leave, are changed while away, and are let back (C1)', TIMEOUT, async (t) => {
    const { plane, partitions, change, positions } = await stage(t)
    plane.kafka.group(BILLING).members = 2
    const { body } = await change({ kind: 'to-earliest' })
    assert.deepEqual([body.number, body.state, body.isLive], [1, 'waiting', true])
    await until('the members are asked', () => heldIn(plane)?.length === 1)
    assert.deepEqual(heldIn(plane), [{ group: 'billing', change: 1, attempt: 1, forMs: 120_000 }])
    const again = (await change({ kind: 'to-latest' })) as never
    assert.match(assertProblem(again, 'MQ_GROUP_CHANGE_REFUSED').message, /change 1 of the positions/)
    assert.ok(!plane.kafka.calls.includes('setPositions'), 'nothing is set while members are there')
    // What they finished before they left counts.
    plane.kafka.commit(BILLING, TOPIC, 0, 80n)
    plane.kafka.group(BILLING).members = 0
    await until('it is done', async () => (await stateOf(plane)).state === 'done')
    assert.equal(heldIn(plane), undefined)
    assert.deepEqual(positions(), new Array(partitions).fill([0, []]))
    assert.equal((await stateOf(plane)).moves[0]!.before, '80')
    assert.equal(plane.kafka.calls.filter((name) => name === 'setPositions').length, 1)
  })

  test('of two changes that are asked for at the same moment one is refused (C4)', TIMEOUT, async (t) => {
    const { plane, change } = await stage(t)
    plane.kafka.group(BILLING).members = 1
    const [write, gate] = [plane.store.write.bind(plane.store), Promise.withResolvers<void>()]
    let writes = 0
    plane.store.write = async (doing, work) => {
      if (doing.startsWith('a change of positions') && ++writes === 1) await gate.promise
      return write(doing, work)
    }
    const first = change({ kind: 'to-earliest' })
    await until('the first is being written down', () => writes === 1)
    const second = await change({ kind: 'to-latest' }).finally(() => gate.resolve())
    assertProblem(second as never, 'MQ_GROUP_CHANGE_REFUSED')
    assert.equal((await first).status, 200)
    plane.kafka.group(BILLING).members = 0
    await until('it is done', async () => (await stateOf(plane)).state === 'done')
    assert.equal((await change({ kind: 'to-latest' })).status, 200, 'nothing is left over')
  })

  test('members that do not leave are named, nothing is changed, and the others are let back', TIMEOUT, async (t) => {
    const { plane, partitions, change, positions } = await stage(t, { changeTimes: { pollMs: 5, leaveMs: 50 } })
    plane.kafka.group(BILLING).members = 1
    await change({ kind: 'to-earliest' })
    await until('it is given up', async () => (await stateOf(plane)).state === 'failed')
    const { problem } = await stateOf(plane)
    assert.match(
      problem!.message,
      /1 member of group 'billing' did not leave in time: checkout@10\.0\.0\.1; nothing was changed/,
    )
    assert.equal(heldIn(plane), undefined)
    assert.deepEqual(positions(), new Array(partitions).fill([60, []]))
  })

  test('a control plane that died while members were asked to leave asks them once more', TIMEOUT, async (t) => {
    const { plane, partitions, change, positions } = await stage(t)
    plane.kafka.group(BILLING).members = 1
    await change({ kind: 'to-earliest' })
    await until('the members are asked', () => heldIn(plane)?.length === 1)
    await plane.close()
    const { kafka, dataDir } = plane
    const next = await startHarness(t, { kafka, dataDir, changeTimes: { pollMs: 5 } })
    await until('they are asked again', () => next.registry.binding(ID)?.holds?.[0]?.attempt === 2)
    kafka.group(BILLING).members = 0
    await until('it is done', async () => (await stateOf(next)).state === 'done')
    assert.equal(heldIn(next), undefined)
    assert.deepEqual(positions(), new Array(partitions).fill([0, []]))
  })

  for (const when of ['before', 'after'] as const) {
    test(`one that died right ${when} the positions were set sets them once (C3)`, TIMEOUT, async (t) => {
      const { plane, partitions, change, positions } = await stage(t)
      const { kafka, dataDir } = plane
      kafka.group(BILLING).members = 1
      await change({ kind: 'to-earliest' })
      await until('the members are asked', () => heldIn(plane)?.length === 1)
      let dead = false
      const die = (call: string): void => {
        if (call !== 'setPositions' || dead) return
        dead = true
        const write = plane.store.write.bind(plane.store)
        plane.store.write = (doing, work) =>
          /position|publishing/.test(doing) ? Promise.reject(new Error('the process is gone')) : write(doing, work)
        throw new Error('the process is gone')
      }
      kafka[when] = die
      kafka.group(BILLING).members = 0
      await until('it dies', () => dead)
      await plane.close()
      const next = await startHarness(t, { kafka, dataDir, changeTimes: { pollMs: 5 } })
      await until('it is done', async () => (await stateOf(next)).state === 'done')
      assert.deepEqual(positions(), new Array(partitions).fill([0, []]))
      assert.equal(heldIn(next), undefined)
    })
  }

  test('positions that moved on after such a death are told, and not set again (C3)', TIMEOUT, async (t) => {
    const { plane, change, positions } = await stage(t)
    const { kafka, dataDir } = plane
    let dead = false
    kafka.after = (call) => {
      if (call !== 'setPositions') return
      dead = true
      plane.store.write = () => Promise.reject(new Error('the process is gone'))
    }
    void change({ kind: 'to-earliest' })
    await until('it dies', () => dead)
    await plane.close()
    kafka.after = () => {}
    kafka.commit(BILLING, TOPIC, 0, 7n)
    const next = await startHarness(t, { kafka, dataDir, changeTimes: { pollMs: 5 } })
    await until('it is told', async () => (await stateOf(next)).state === 'failed')
    assert.match((await stateOf(next)).problem!.message, /members have read on meanwhile/)
    assert.equal(positions()[0]![0], 7)
  })

  test('a hold that nobody waits for is ended', TIMEOUT, async (t) => {
    const { plane } = await stage(t)
    const record = plane.registry.get(ID)!
    assert.ok(record.state === 'active')
    const { revision: _, updatedAtMs: __, ...rest } = record
    const holds = [{ group: 'billing', change: 99, attempt: 1, forMs: 1_000 }]
    const entry = {
      kind: 'group-hold',
      subject: ID,
      actor: 'test',
      why: 'left over',
      before: null,
      after: null,
    } as const
    await plane.registry.publish({ ...rest, spec: { ...record.spec, holds } }, entry)
    await plane.close()
    const next = await startHarness(t, { kafka: plane.kafka, dataDir: plane.dataDir })
    await until('it is gone', () => heldIn(next) === undefined)
  })
})
