/**
 * The control plane dies in the middle of a migration, with applications running, and comes back later: what they do meanwhile, and what
 * the report says in the end.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Stage } from './faults/stage.ts'

describe('a control plane that dies in the middle of a migration', { timeout: 600_000 }, () => {
  let stage: Stage
  before(
    async () => {
      stage = await Stage.start()
    },
    { timeout: 300_000 },
  )
  after(() => stage?.stop(), { timeout: 300_000 })

  it('holds nothing up between the first refusal and the opening, and reports what happened when it is back', {
    timeout: 500_000,
  }, async (t) => {
    const history = await stage.declare('died.refusing')
    try {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const load = await history.app({ name: 'p', produce: { perTick: 4 } })
      await history.until('it flows', () => history.handledBy('g') > 300)
      const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
      await stage.dieIn(number, 'refusing')
      const inNew = (): number => history.of('handle').filter(({ epoch }) => epoch === 2).length
      await history.until('records of the new epoch are handled', () => inNew() > 300)
      assert.equal(history.failed, 0)
      await stage.startAgain()
      assert.equal(stage.plane.migrations.current(number)?.state, 'refusing', 'it knew of no opening')
      const opened = await stage.reach(number, ['draining', 'retired'])
      history.moved(opened)
      await load.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'])
      const pauses = opened.report
      t.diagnostic(`${history.sent} messages, ${inNew()} in the new epoch; ${JSON.stringify(pauses.verdict.checks)}`)
      history.moved(await stage.reach(number, ['retired']))
    } finally {
      await history.end()
    }
  })

  it('goes on instead of taking back an epoch that a client opened by itself', { timeout: 500_000 }, async () => {
    const history = await stage.declare('died.undoing')
    try {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const load = await history.app({ name: 'p', produce: { perTick: 4 } })
      await history.until('it flows', () => history.handledBy('g') > 300)
      // The leaders take the seal, and the process that asked for it never hears of it.
      stage.before('probeSeal', `${history.id}.e1`, async () => {
        if (stage.plane.migrations.current(number)?.state === 'sealing') await new Promise(() => {})
      })
      const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
      await stage.reach(number, ['sealing'])
      const inNew = (): number => history.of('handle').filter(({ epoch }) => epoch === 2).length
      await history.until('records of the new epoch are handled', () => inNew() > 100)
      // Without HTTP: a request may reach the control plane only when it is closed.
      const cancelling = stage.plane.migrator.cancel(number).catch(() => undefined)
      await stage.plane.migrator.close(0)
      await stage.plane.close()
      await cancelling
      stage.before('probeSeal', `${history.id}.e1`, () => {})
      await stage.startAgain()
      const { status, answer } = await stage.ask('POST', `/v1/migrations/${number}/cancel`)
      assert.equal(status, 409, JSON.stringify(answer))
      history.moved(await stage.reach(number, ['draining', 'retired']))
      await load.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'])
    } finally {
      await history.end()
    }
  })
})
