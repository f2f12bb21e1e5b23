/** `mq bench` against a control plane that answers what a test says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Twin } from '@mq/contract'
import { exitCodes } from '../src/exit-codes.ts'
import { run, withPlane } from './harness.ts'

const outcome = (usdPerMonth: number, endToEndP99Ms: number) => ({
  usdPerMonth,
  usdPerMillionRecords: usdPerMonth / 100,
  sendP99Ms: endToEndP99Ms - 1,
  endToEndP99Ms,
  wireBytesPerRecord: usdPerMonth,
  recordsPerBatch: 12.3,
})
const settings = {
  codec: 'zstd' as const,
  codecLevel: 1,
  lingerMs: 50,
  batchBytes: 262_144,
  fetchMinBytes: 1,
  fetchMaxWaitMs: 500,
}
const done = Twin.parse({
  number: 4,
  mqId: 'orders.placed',
  cluster: 'main',
  state: 'done',
  why: 'asked for',
  actor: 'local',
  request: { top: 2, seconds: 5, rounds: 2 },
  done: 6,
  of: 6,
  ranking: [
    {
      rank: 1,
      settings,
      isCurrent: false,
      meetsIntent: true,
      predicted: outcome(41, 60),
      measured: outcome(40, 61),
      recordsPerUsd: 2_500_000,
    },
    {
      rank: 2,
      settings: { ...settings, codec: 'none', codecLevel: null, lingerMs: 5 },
      isCurrent: true,
      meetsIntent: true,
      predicted: outcome(98, 12),
      measured: outcome(100, 13),
      recordsPerUsd: 1_000_000,
    },
    {
      rank: 3,
      settings: { ...settings, lingerMs: 500, fetchMinBytes: 65_536, fetchMaxWaitMs: 200 },
      isCurrent: false,
      meetsIntent: false,
      predicted: outcome(30, 510),
      measured: outcome(31, 520),
      recordsPerUsd: 3_000_000,
    },
  ],
  assumptions: ['made-up records compress within 3 % of the real ones on average'],
  calibrated: true,
  problem: null,
  startedAtMs: 1,
  endedAtMs: 2,
})
const running: Twin = { ...done, state: 'running', ranking: [], done: 1, endedAtMs: null }

test('mq bench waits for its twin and ranks what was measured, with what stands now and what misses the intent', async () => {
  let asked = 0
  await withPlane(
    ({ method }) => ({ body: method === 'POST' ? running : asked++ === 0 ? { ...running, done: 3 } : done }),
    async (url, seen) => {
      const ran = await run(['bench', 'orders.placed', '--top', '2', '--url', url])
      assert.equal(ran.code, exitCodes.ok, ran.stderr)
      assert.equal(seen[0]!.path, '/v1/ids/orders.placed/twins')
      assert.deepEqual(seen[0]!.body, { top: 2, seconds: 5, rounds: 2 })
      assert.equal(seen.at(-1)!.path, '/v1/twins/4')
      assert.match(ran.stdout, /workload twin 4 of orders\.placed on main: done/)
      assert.match(ran.stdout, /1\s+zstd-1, linger 50 ms, batch 256 KiB, fetch at once.*2,500,000.*61 ms/)
      assert.match(ran.stdout, /2\s+none, linger 5 ms.*now/)
      assert.match(ran.stdout, /3\s+zstd-1, linger 500 ms.*fetch 64 KiB or 200 ms.*misses the intent/)
      assert.match(ran.stdout, /instead of .*100.*, as measured: 60 % less/)
      assert.match(ran.stdout, /assumed: made-up records compress within 3 %/)
    },
  )
})

test('mq bench --last shows the last twin again and begins none; --json prints it whole', async () => {
  await withPlane(
    () => ({ body: { twins: [done] } }),
    async (url, seen) => {
      const ran = await run(['bench', 'orders.placed', '--last', '--json', '--url', url])
      assert.deepEqual(JSON.parse(ran.stdout), done)
      assert.deepEqual(
        seen.map(({ method }) => method),
        ['GET'],
      )
    },
  )
  await withPlane(
    () => ({ body: { twins: [] } }),
    async (url) => {
      const ran = await run(['bench', 'orders.placed', '--last', '--url', url])
      assert.notEqual(ran.code, exitCodes.ok)
      assert.match(ran.stderr, /MQ_TWIN_UNKNOWN/)
    },
  )
})

test('a twin that failed says why, and the exit code says that nothing came of it', async () => {
  const failed: Twin = { ...done, state: 'failed', ranking: [], problem: 'MQ_KAFKA_UNREACHABLE: no broker answers' }
  await withPlane(
    () => ({ body: failed }),
    async (url) => {
      const ran = await run(['bench', 'orders.placed', '--url', url])
      assert.equal(ran.code, exitCodes.refused)
      assert.match(ran.stdout, /no broker answers/)
    },
  )
})

test('a wrong count or mQ ID is refused before anything is asked', async () => {
  await withPlane(
    () => ({ body: done }),
    async (url, seen) => {
      for (const argv of [['Orders'], ['orders.placed', '--top', '0'], ['orders.placed', '--seconds', 'ten']]) {
        const ran = await run(['bench', ...argv, '--url', url])
        assert.equal(ran.code, exitCodes.badInput, argv.join(' '))
      }
      assert.equal(seen.length, 0)
    },
  )
})
