/** `mq groups` and `mq group` against a control plane that answers what a test says (group-change G1, G2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { GroupChange, GroupDetail, GroupSummary } from '@mq/contract'
import { exitCodes } from '../src/exit-codes.ts'
import { run, withPlane } from './harness.ts'

const summary = GroupSummary.parse({
  ...{ mqId: 'orders.placed', group: 'billing', foreign: false, state: 'running', members: 2, lagRecords: 1_234 },
  ...{
    lagMs: 90_000,
    lagAtLeastMs: null,
    lostRecords: 0,
    trend: 'growing',
    recent: [1, 5],
    seenAtMs: 1,
    problem: null,
  },
  ...{ unfinishedRecords: 7, handlerErrors: 2, lastCommitAtMs: Date.now() - 5_000 },
})
const detail = GroupDetail.parse({
  ...summary,
  groupId: 'billing@orders.placed',
  memberList: [{ memberId: 'm-1', clientId: 'checkout', host: '10.0.0.1' }],
  partitions: [
    {
      ...{ epoch: 1, partition: 0, position: '60', end: '100', lagRecords: 40, lagMs: null },
      ...{ member: 'checkout@10.0.0.1', finishedBeyond: 3 },
    },
  ],
})
const plan = GroupChange.parse({
  ...{ number: null, mqId: 'orders.placed', group: 'billing', foreign: false, action: { kind: 'to-earliest' } },
  ...{ partition: null, epoch: null, actor: 'local', state: 'planned', createdAtMs: 1, endedAtMs: null, isLive: true },
  members: detail.memberList,
  moves: [{ epoch: 1, partition: 0, before: '60', after: '0', start: '0', end: '100', readAgain: 60, skipped: 0 }],
  ...{ readAgain: 60, skipped: 0, readAgainTimes: { oldestMs: 0, newestMs: 59_000 }, skippedTimes: null },
  ...{ notes: [], problem: null },
})

test('groups are listed with lag, trend, what is unfinished and the last commit', async () => {
  await withPlane(
    () => ({ body: { groups: [summary] } }),
    async (url, seen) => {
      const { stdout, code } = await run(['groups', 'orders.placed', '--url', url])
      assert.equal(code, exitCodes.ok)
      assert.equal(seen[0]!.path, '/v1/groups?id=orders.placed')
      assert.match(stdout, /orders\.placed +billing +running +2 +1,234 +90s +7 +2 +\d+s ago .* growing/)
    },
  )
})

test('one group is shown with its partitions and who holds them', async () => {
  await withPlane(
    () => ({ body: detail }),
    async (url, seen) => {
      const { stdout } = await run(['group', 'show', 'orders.placed', 'billing', '--url', url])
      assert.equal(seen[0]!.path, '/v1/ids/orders.placed/group?group=billing')
      assert.match(stdout, /1 +0 +60 +100 +40 +unknown +3 +checkout@10\.0\.0\.1/)
    },
  )
})

test('a reset is shown first; without a terminal nothing is changed unless --yes was given', async () => {
  await withPlane(
    (request) => {
      if (request.path === '/v1/group-changes/4') return { body: { ...plan, number: 4, state: 'done', endedAtMs: 2 } }
      const { plan: isPlan } = request.body as { plan: boolean }
      return { body: isPlan ? plan : { ...plan, number: 4, state: 'waiting', moves: [] } }
    },
    async (url, seen) => {
      const reset = ['group', 'reset', 'orders.placed', 'billing', '--to', 'earliest', '--url', url]
      const dry = await run([...reset, '--dry-run'])
      assert.equal(dry.code, exitCodes.ok)
      assert.match(dry.stdout, /60 records would be read again \(written from 1970-01-01T00:00:00\.000Z to /)
      assert.match(dry.stdout, /1 member of it leaves for it and comes back by itself/)
      const asked = await run(reset)
      assert.match(asked.stderr, /MQ_CONFIRMATION_NEEDED/)
      assert.equal(seen.length, 2, 'only plans')
      const done = await run([...reset, '--yes', '-o', 'json'])
      assert.equal(done.code, exitCodes.ok)
      assert.deepEqual([JSON.parse(done.stdout).state, seen.at(-1)!.path], ['done', '/v1/group-changes/4'])
    },
  )
})

test('a change that did not come true fails with its reason', async () => {
  const problem = { code: 'MQ_GROUP_IN_USE', message: 'members of group billing did not leave' }
  await withPlane(
    (request) => {
      const { plan: isPlan } = request.body as { plan: boolean }
      return { body: isPlan ? plan : { ...plan, number: 4, state: 'failed', problem } }
    },
    async (url) => {
      const { code, stderr } = await run([
        'group',
        'reset',
        'orders.placed',
        'billing',
        '--to',
        'latest',
        '--yes',
        '--url',
        url,
      ])
      assert.equal(code, exitCodes.refused)
      assert.match(stderr, /did not leave/)
    },
  )
})

test('what is to be done is understood as people write it', async () => {
  const actions: unknown[] = []
  await withPlane(
    (request) => {
      actions.push((request.body as { action: unknown }).action)
      return { body: { ...plan, moves: [] } }
    },
    async (url) => {
      const group = (word: string, ...rest: string[]) =>
        run(['group', word, 'orders.placed', 'billing', ...rest, '--url', url])
      await group('reset', '--to', '4711', '--partition', '2')
      await group('reset', '--to', '2026-01-31T09:00:00Z')
      await group('reset', '--to', '1h-ago')
      await group('reset', '--shift-by', '-100')
      await group('skip', '--partition', '2', '--offset', '9')
      await group('replay', '--since', '2026-01-31T09:00:00Z', '--until', '2026-01-31T10:00:00Z')
      const ago = actions.splice(2, 1)[0] as { kind: string; timeMs: number }
      assert.ok(ago.kind === 'to-time' && Math.abs(Date.now() - 3_600_000 - ago.timeMs) < 600_000)
      const nineMs = Date.parse('2026-01-31T09:00:00Z')
      assert.deepEqual(actions, [
        { kind: 'to-offset', offset: '4711' },
        { kind: 'to-time', timeMs: nineMs },
        { kind: 'shift', records: -100 },
        { kind: 'skip', offset: '9' },
        { kind: 'replay', sinceMs: nineMs, untilMs: nineMs + 3_600_000 },
      ])
      for (const wrong of [
        ['reset'],
        ['reset', '--to', 'yesterday'],
        ['reset', '--to', '1h'],
        ['reset', '--to', 'latest', '--shift-by', '3'],
        ['reset', '--shift-by', '0'],
        ['skip', '--offset', '9'],
      ]) {
        assert.equal((await group(wrong[0]!, ...wrong.slice(1))).code, exitCodes.badInput, wrong.join(' '))
      }
    },
  )
})

test('messages that fail again and again are shown with place, hash and class of the error', async () => {
  const failing = [
    {
      ...{ partition: 2, offset: '4711', keyHash: '0000beef', attempts: 12, error: 'OutOfStock', failingMs: 185_000 },
      ...{ epoch: 1, app: 'billing-service', instance: 'i-1' },
    },
  ]
  await withPlane(
    () => ({ body: { groups: [{ ...summary, failingRecords: 5, failing }] } }),
    async (url) => {
      const { stdout } = await run(['groups', '--url', url])
      assert.match(stdout, /orders\.placed billing: 5 messages fail again and again/)
      assert.match(
        stdout,
        /partition 2 offset 4711, key hash 0000beef: OutOfStock, 12 attempts in .* \(billing-service\)/,
      )
      assert.match(stdout, /and 4 more/)
    },
  )
})

test('applications are listed with host, version, since when, rate, and when one was last seen', async () => {
  const nowMs = Date.now()
  const instance = (parts: object) => ({
    ...{
      instance: 'i',
      version: '0.1.0',
      host: 'node-7',
      zone: null,
      startedAtMs: null,
      firstSeenAtMs: nowMs - 600_000,
    },
    ...{ lastSeenAtMs: nowMs, isAway: false, produces: [], consumes: [], ...parts },
  })
  const id = 'orders.placed'
  const consumes = [{ mqId: id, group: 'billing', perSecond: null, unfinishedRecords: 1 }]
  const applications = [
    { app: 'checkout', instances: [instance({ produces: [{ mqId: id, perSecond: 12.5 }] })] },
    { app: 'invoices', instances: [instance({ consumes, isAway: true, lastSeenAtMs: nowMs - 300_000 })] },
  ]
  const foreign = { groups: [{ mqId: id, group: 'my-kcat', members: 1 }] }
  await withPlane(
    () => ({ body: { applications, foreign } }),
    async (url, seen) => {
      const { stdout } = await run(['apps', id, '--app', 'checkout', '--url', url])
      assert.equal(seen[0]!.path, '/v1/apps?id=orders.placed&app=checkout')
      assert.match(stdout, /checkout +node-7 +0\.1\.0 +10m +produces orders\.placed +12\.5\/s +running/)
      assert.match(stdout, /invoices .* consumes orders\.placed as billing +- +last seen 5m ago/)
      assert.match(stdout, /group my-kcat is not of mQ \(1 member\)/)
    },
  )
})
