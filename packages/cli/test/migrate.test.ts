/**
 * `mq migrate` and `mq migrations` against a control plane that answers what a test says.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Migration } from '@mq/contract'
import { exitCodes } from '../src/exit-codes.ts'
import { run, withPlane } from './harness.ts'

const place = (epoch: number, cluster: string, partitions: number) => ({
  epoch,
  cluster,
  topic: `orders.placed.e${epoch}`,
  partitions,
  replication: 3,
})
const migration = Migration.parse({
  number: 3,
  mqId: 'orders.placed',
  state: 'planned',
  cancellable: true,
  from: place(1, 'a', 4),
  to: place(2, 'b', 12),
  actor: 'local',
  createdAtMs: 1_000,
  updatedAtMs: 2_000,
  endedAtMs: null,
  steps: [{ step: 'prepare', startedAtMs: 1_000, endedAtMs: null, attempts: 1, result: {}, problem: 'MQ_X: away' }],
  proofs: [],
  endOffsets: null,
  groups: [],
  stragglers: [],
  problem: null,
  report: { recordsSealed: '0', sealMs: null, closedMs: null, preparedMs: null, drainedMs: null, totalMs: null },
})
const opened: Migration = {
  ...migration,
  state: 'draining',
  cancellable: false,
  endOffsets: ['10'],
  proofs: [{ partition: 0, leader: 2, leaderEpoch: 5, provenAtMs: 1_500, endOffset: '10' }],
  groups: [
    {
      group: 'billing',
      kind: 'mq',
      members: 2,
      clients: [],
      remaining: '1234',
      drainedAtMs: null,
      silentSinceMs: null,
      goneAtMs: null,
      dropped: null,
    },
  ],
  report: { ...migration.report, recordsSealed: '10', closedMs: 87 },
}
const plan = { mqId: 'orders.placed', from: migration.from, to: migration.to, warnings: ['one broker'], refusal: null }

test('a migration is followed until the new place is open, and says how long it was closed', async () => {
  let looks = 0
  await withPlane(
    ({ method }) => ({ body: method === 'POST' ? { plan, migration } : ++looks < 2 ? migration : opened }),
    async (url, seen) => {
      const ran = await run(['migrate', 'orders.placed', '--to', 'b', '--partitions', '12', '--url', url])
      assert.equal(ran.code, exitCodes.ok, ran.stderr)
      assert.deepEqual(seen[0]?.body, { to: 'b', partitions: 12, plan: false })
      assert.match(ran.stdout, /Migration 3.*draining/)
      assert.match(ran.stdout, /closed for writes +87 ms/)
      assert.match(ran.stdout, /billing +2 +1,234/)
      assert.match(ran.stderr, /groups read the old topic to its end: billing 1,234 to go/)
    },
  )
})

test('a plan prints what would be done, and a refusal exits as one', async () => {
  await withPlane(
    () => ({ body: { plan, migration: null } }),
    async (url) => {
      const ran = await run(['migrate', 'orders.placed', '--to', 'b', '--plan', '--url', url])
      assert.equal(ran.code, exitCodes.ok, ran.stderr)
      assert.match(ran.stdout, /from epoch 1: a, topic orders.placed.e1, 4 partitions/)
      assert.match(ran.stdout, /Nothing of the mQ ID was touched/)
    },
  )
  const refusal = { code: 'MQ_SEAL_FORBIDDEN', message: 'topic orders.placed.e1 cannot be sealed' }
  await withPlane(
    () => ({ body: { plan: { ...plan, from: null, to: null, refusal }, migration: null } }),
    async (url) => {
      const ran = await run(['migrate', 'orders.placed', '--to', 'b', '--plan', '--url', url])
      assert.equal(ran.code, exitCodes.refused)
      assert.match(ran.stdout, /cannot be sealed \(MQ_SEAL_FORBIDDEN\)/)
    },
  )
})

test('a plan to a cluster that does not exist exits as one that names an unknown thing', async () => {
  const refusal = { code: 'MQ_CLUSTER_UNKNOWN', message: "no cluster 'nowhere' is registered" }
  await withPlane(
    () => ({ body: { plan: { ...plan, from: null, to: null, refusal }, migration: null } }),
    async (url) => {
      const ran = await run(['migrate', 'orders.placed', '--to', 'nowhere', '--plan', '--url', url])
      assert.equal(ran.code, exitCodes.notFound)
      assert.match(ran.stdout, /no cluster 'nowhere' is registered/)
    },
  )
})

test('what becomes of a lost source is asked for with the migration, and a waiting one is let go by number', async () => {
  await withPlane(
    ({ method, path }) => {
      if (path.endsWith('/skip')) return { body: { ...opened, onLostSource: 'skip' } }
      return { body: method === 'GET' ? opened : { plan, migration: opened } }
    },
    async (url, seen) => {
      const ran = await run(['migrate', 'orders.placed', '--to', 'b', '--on-lost-source', 'skip', '--url', url])
      assert.equal(ran.code, exitCodes.ok, ran.stderr)
      assert.deepEqual(seen[0]?.body, { to: 'b', onLostSource: 'skip', plan: false })
      assert.match(ran.stdout, /if the old cluster goes away +groups wait for it/)
      const skipped = await run(['migrate', 'skip', '3', '--url', url])
      assert.equal(skipped.code, exitCodes.ok, skipped.stderr)
      assert.equal(seen.at(-1)?.path, '/v1/migrations/3/skip')
      assert.match(skipped.stdout, /if the old cluster goes away +groups go on/)
      assert.match(skipped.stderr, /^Groups go on without the rest of epoch 1 when cluster 'a' stays away/)
    },
  )
})

test('a skip before the new epoch is open does not claim to help what waits now', async () => {
  for (const state of ['sealing', 'refusing', 'sealed'] as const) {
    await withPlane(
      () => ({ body: { ...opened, state } }),
      async (url) => {
        const ran = await run(['migrate', 'skip', '3', '--url', url])
        assert.equal(ran.code, exitCodes.ok, ran.stderr)
        assert.match(ran.stderr, /not open yet .*what waits now is not helped by that, see: mq migrations show 3/)
      },
    )
  }
})

test('a skip that changes nothing says so, and exits as refused', async () => {
  for (const [before, said] of [
    [
      { ...opened, onLostSource: 'skip' },
      /^Nothing was changed, that was asked for already\. .*cluster 'a' stays away/,
    ],
    ...(['planned', 'prepared', 'sealing', 'refusing', 'sealed', 'undoing'] as const).map(
      (state) =>
        [
          { ...opened, state, onLostSource: 'skip' as const },
          /^Nothing was changed, that was asked for already\. Groups will go on .*not open yet/,
        ] as const,
    ),
    [{ ...opened, state: 'stranded' }, /^Nothing was changed: groups go on without the rest of epoch 1 already/],
  ] as const) {
    await withPlane(
      () => ({ body: before }),
      async (url) => {
        const ran = await run(['migrate', 'skip', '3', '--url', url, '-o', 'json'])
        assert.equal(ran.code, exitCodes.refused, ran.stderr)
        assert.match(ran.stderr, said)
        assert.equal(JSON.parse(ran.stdout).number, 3)
      },
    )
  }
})

test('the report shows the verdict, both epochs, pauses, the ledger and who else wrote', async () => {
  const told: Migration = {
    ...opened,
    state: 'stranded',
    ledger: [{ group: 'billing', partition: 2, from: '5', to: '1005', gone: '7', settledAtMs: null }],
    foreignProducers: [{ producerId: '4711', producerEpoch: 0, partitions: [1, 3], lastWriteAtMs: 1 }],
    stragglers: [{ partition: 1, sealedEnd: '10', seenEnd: '12', seenAtMs: 1 }],
    report: {
      ...opened.report,
      writePauseMs: { count: 3, p50: 40, p99: 88, max: 91 },
      epochs: [
        { epoch: 1, records: '2000', atMs: 1, groups: [{ group: 'billing', committed: '995', remaining: '1005' }] },
      ],
      verdict: {
        result: 'broken',
        checks: [{ claim: 'nothing was added after its end', result: 'broken', evidence: '1 of 4 partitions grew' }],
      },
    },
  }
  await withPlane(
    () => ({ body: told }),
    async (url) => {
      const { stdout, stderr } = await run(['migrations', 'show', '3', '--url', url])
      assert.match(stdout, /Verdict: broken/, stderr)
      assert.match(stdout, /nothing was added after its end +broken +1 of 4 partitions grew/)
      assert.match(stdout, /write pause +p50 40 ms, p99 88 ms, max 91 ms over 3 producers/)
      assert.match(stdout, /consumer gap +not reported/)
      assert.match(stdout, /1 +2,000 +billing +995 +1,005/)
      assert.match(stdout, /billing +2 +5 +1005 +7 +not read yet/)
      assert.match(stdout, /4711 +0 +1, 3/)
      assert.match(stdout, /1 +10 +12/)
    },
  )
})

const undone = {
  ...migration.report,
  verdict: {
    result: 'undone',
    checks: [{ claim: 'epoch 1 takes records as before', result: 'unknown', evidence: 'nobody looked' }],
  },
}

test('a cancel is asked for by number, and one that comes too late exits as refused', async () => {
  await withPlane(
    () => ({ body: { ...migration, state: 'cancelled', cancellable: false, report: undone } }),
    async (url, seen) => {
      const ran = await run(['migrate', 'cancel', '3', '--url', url])
      assert.equal(ran.code, exitCodes.ok, ran.stderr)
      assert.equal(seen[0]?.path, '/v1/migrations/3/cancel')
      assert.match(ran.stdout, /: cancelled; epoch 1 takes records as before is unknown: nobody looked /)
      assert.equal((await run(['migrate', 'cancel', '3', '--force', '--url', url])).code, exitCodes.ok)
      assert.equal(seen[1]?.path, '/v1/migrations/3/cancel?force=true')
    },
  )
  const problem = {
    code: 'MQ_MIGRATION_SEALED',
    message: 'a leader refuses data already',
    action: 'x',
    retryable: false,
  }
  await withPlane(
    () => ({ status: 409, body: problem }),
    async (url) => assert.equal((await run(['migrate', 'cancel', '3', '--url', url])).code, exitCodes.refused),
  )
})

test('moves are listed, and one is shown with its steps and proofs', async () => {
  await withPlane(
    ({ path }) => ({ body: path.startsWith('/v1/migrations/') ? opened : { migrations: [opened] } }),
    async (url, seen) => {
      const list = await run(['migrations', '--id', 'orders.placed', '--url', url])
      assert.match(list.stdout, /3 +orders.placed +draining +a\/4 +b\/12 +87 ms/, list.stderr)
      assert.equal(seen[0]?.path, '/v1/migrations?id=orders.placed&limit=1000')
      const one = await run(['migrations', 'show', '3', '--url', url])
      assert.match(one.stdout, /MQ_X: away/)
      assert.match(one.stdout, /0 +2 +5 +10/)
      const json = await run(['migrations', 'show', '3', '-o', 'json', '--url', url])
      assert.deepEqual(Migration.parse(JSON.parse(json.stdout)), opened)
    },
  )
})

test('wrong usage is told before anything is asked', async () => {
  for (const argv of [
    ['migrate', 'orders.placed'],
    ['migrate', 'Orders', '--to', 'b'],
    ['migrate', 'orders.placed', '--partitions', '0'],
    ['migrate', 'orders.placed', 'more', '--to', 'b'],
    ['migrate', 'cancel'],
    ['migrate', 'cancel', 'x'],
    ['migrate', 'skip', '3', '--force'],
    ['migrate', 'orders.placed', '--to', 'b', '--force'],
    ['migrate', 'skip'],
    ['migrate', 'orders.placed', '--to', 'b', '--on-lost-source', 'maybe'],
    ['migrations', 'show'],
    ['migrations', 'list'],
  ]) {
    const ran = await run([...argv, '--url', 'http://127.0.0.1:1'])
    assert.equal(ran.code, exitCodes.badInput, `${argv.join(' ')}: ${ran.stderr}`)
  }
})
