/**
 * A restored backup on real clusters, with applications that send and read all the time: recovery V1, V2, copy-writer W1, W2.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Stage } from './faults/stage.ts'

describe('a control plane restored from a backup, on real clusters', { timeout: 300_000 }, () => {
  let stage: Stage
  before(
    async () => {
      stage = await Stage.start({ deleteAfterMs: 0, watchMs: 0 })
    },
    { timeout: 300_000 },
  )
  after(() => stage?.stop(), { timeout: 300_000 })

  it('goes on where the clusters are: no send fails, nothing is lost or repeated', { timeout: 300_000 }, async () => {
    const history = await stage.declare('orders.placed')
    try {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const sender = await history.app({ name: 'sender', produce: { perTick: 2 } })
      await history.until('it flows', () => history.handledBy('g') > 200)
      const backup = stage.backUp()
      const move = await stage.move(history.id, { to: 'b', partitions: 6 })
      await history.until(
        'the old topic is deleted',
        () => stage.plane.migrations.current(move.number) === undefined,
        60_000,
      )
      await stage.call('PUT', '/v1/ids/declared.later', { intent: { priority: 'high' } })
      await history.until('the clusters have the copies', () => stage.plane.copies.backlog === 0)
      await stage.restore(backup)
      await history.until('everything is settled', () => !stage.plane.recovery.isRunning)
      const { acked } = history
      await history.until('sends go on', () => history.acked > acked + 300)
      assert.deepEqual(
        stage.binding(history.id).epochs.map(({ epoch, state, cluster }) => ({ epoch, state, cluster })),
        [{ epoch: 2, state: 'open', cluster: 'b' }],
      )
      assert.equal(stage.binding('declared.later').epochs.length, 1)
      const late = await history.app({ name: 'late', produce: { perTick: 2 } })
      await history.until('a new application sends, too', () => history.acked > acked + 900)
      await late.endSending()
      await sender.endSending()
      assert.equal(history.failed, 0)
      await history.settled(['g'])
      await history.assertPerfect(['g'])
    } finally {
      await history.end()
    }
  })
})
