/**
 * Moves on real clusters when one of the two is gone for a while, and what real brokers tell of room and of other producers.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { MigrationPlan } from '@mq/contract'
import { Stage } from './faults/stage.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const LIMIT = { timeout: 300_000 }
const run = promisify(execFile)

describe('a move on real clusters while one of them is gone', { timeout: 450_000 }, () => {
  let stage: Stage
  before(
    async () => {
      stage = await Stage.start({ lostMs: 3_000, targetLostMs: 3_000, watchMs: 5_000 })
    },
    { timeout: 300_000 },
  )
  after(() => stage?.stop(), { timeout: 300_000 })

  it(
    'says what brokers know of room and of producers that are not of mQ, before anything is touched',
    LIMIT,
    async () => {
      const history = await stage.declare('plan.checks')
      await run(
        'kcat',
        [
          '-P',
          '-b',
          stage.clusters.a.bootstrap.join(','),
          '-t',
          'plan.checks.e1',
          '-X',
          'enable.idempotence=true',
          '-l',
          '/etc/hostname',
        ],
        { timeout: 300_000 },
      )
      const [known] = await stage.admin('a').activeProducers('plan.checks.e1', [0, 1, 2, 3])
      assert.ok(
        known !== undefined && known.producerId >= 0n && Date.now() - known.lastWriteAtMs < 30_000,
        String(known),
      )
      const disks = await stage.admin('a').brokerRooms({ name: 'plan.checks.e1', partitions: 4 })
      assert.equal(disks.length, 3)
      for (const { usableBytes, topicBytes } of disks) assert.ok(usableBytes! > 0n && topicBytes > 0n)
      assert.deepEqual(await stage.admin('b').writeQuotas(), [])
      const { plan } = await stage.call<{ plan: MigrationPlan }>('POST', '/v1/ids/plan.checks/migrations', {
        ...{ to: 'b', plan: true, allowFewerCopies: true },
      })
      assert.equal(plan.refusal, null)
      assert.match(plan.checks.find(({ check }) => check === 'room')!.found, / free on 1 broker$/)
      await history.end()
    },
  )

  it(
    'lets groups go on without an old cluster that is gone, and gives them the rest late: nothing is lost (34)',
    LIMIT,
    async (t) => {
      const history = await stage.declare('source.lost')
      let held: Promise<void> | undefined
      try {
        await history.app({ name: 'reader', consume: { group: 'g', concurrency: 4, wait: () => held } })
        const load = await history.app({ name: 'p', produce: { perTick: 2 } })
        await history.until('it flows', () => history.handledBy('g') > 100)
        const first = await stage.move(history.id, { to: 'b', partitions: 6 })
        history.moved(first)
        await stage.reach(first.number, ['retired'])
        const gate = Promise.withResolvers<void>()
        held = gate.promise
        const { acked } = history
        await history.until('some wait to be read', () => history.acked > acked + 300)
        const number = await stage.begin(history.id, { to: 'a', partitions: 3, onLostSource: 'skip' })
        const opened = await stage.reach(number, ['draining'], 60_000)
        history.moved(opened)
        await stage.clusters.b.brokers[0]!.kill()
        const stranded = await stage.reach(number, ['stranded'], 60_000)
        assert.ok(stranded.ledger.length > 0)
        held = undefined
        gate.resolve()
        const isNew = () => history.of('handle').some((event) => event.epoch === 3)
        await history.until('the group reads the new epoch without the old one', isNew, 120_000)
        await load.endSending()
        await history.until('all sends are settled', () => history.acked + history.failed === history.sent)
        assert.ok(history.handledBy('g') < history.acked, 'the rest of the old epoch is not there yet')
        await stage.clusters.b.brokers[0]!.restart()
        await history.settled(['g'], 60_000)
        const done = await stage.reach(number, ['retired'], 120_000)
        assert.ok(done.ledger.every(({ settledAtMs, gone }) => settledAtMs !== null && gone === '0'))
        const { counts, failedSends } = await history.verdict(['g'])
        assert.deepEqual([counts.lost, counts.ghost, failedSends], [0, 0, 0], JSON.stringify(counts))
        t.diagnostic(`${history.sent} messages, ${JSON.stringify(counts)}`)
        const reported = async (): Promise<boolean> => (await stage.migration(number)).report.writePauseMs !== null
        await history.until('its clients have told of the migration', reported, 120_000)
        const { report } = await stage.migration(number)
        assert.equal(report.writePauseMs!.count, 1)
        assert.equal(report.uncertain, 0)
        t.diagnostic(
          JSON.stringify({ pause: report.writePauseMs, handedOver: report.handedOver, verdict: report.verdict }),
        )
        assert.equal(report.epochs[0]?.groups[0]?.remaining, '0')
      } finally {
        held = undefined
        await history.end()
      }
    },
  )

  it(
    'goes back by itself from a new place that died right after the opening, once it can be sealed (33)',
    LIMIT,
    async () => {
      const history = await stage.declare('target.lost')
      try {
        await history.app({ name: 'reader', consume: { group: 'g' } })
        const load = await history.app({ name: 'p', produce: { perTick: 2 } })
        await history.until('it flows', () => history.handledBy('g') > 100)
        const [target] = stage.clusters.b.brokers
        const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
        history.moved(await stage.reach(number, ['open']))
        await target!.kill()
        await history.until('it is said', async () => (await stage.migration(number)).problem !== null)
        assert.equal((await stage.migration(number)).problem?.code, 'MQ_MIGRATION_TARGET_AWAY')
        await pause(4_000)
        await target!.restart()
        const backBy = async (): Promise<number | undefined> =>
          Number(/migration (\d+) goes back/.exec((await stage.migration(number)).problem?.message ?? '')?.[1] ?? 0) ||
          undefined
        await history.until('it goes back', async () => (await backBy()) !== undefined, 120_000)
        const back = await stage.reach((await backBy())!, ['open', 'draining', 'retired'], 60_000)
        assert.deepEqual([back.to.cluster, back.to.partitions], ['a', 4])
        history.moved(back)
        await load.endSending()
        await history.settled(['g'], 60_000)
        await history.assertPerfect(['g'], { again: true })
      } finally {
        await history.end()
      }
    },
  )
})
