/**
 * Moves while brokers and networks fail: three brokers and one, one scenario after the other, because each hits a whole cluster.
 */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { LocalBroker } from '@mq/local'
import type { History } from './faults/history.ts'
import { Stage } from './faults/stage.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const LIMIT = { timeout: 300_000 }

describe('a move on real clusters while brokers fail', { timeout: 450_000 }, () => {
  let stage: Stage
  before(
    async () => {
      stage = await Stage.start()
    },
    { timeout: 300_000 },
  )
  after(() => stage?.stop(), { timeout: 300_000 })

  const scenario =
    (id: string, act: (history: History, t: TestContext) => Promise<void>) =>
    async (t: TestContext): Promise<void> => {
      const history = await stage.declare(id)
      try {
        await act(history, t)
      } finally {
        await history.end()
      }
    }
  const leaderOf = async (topic: string, partition: number): Promise<LocalBroker> => {
    const [found] = await stage.admin('a').describeTopics([topic])
    const { leader } = found!.partitions.find(({ index }) => index === partition)!
    return stage.clusters.a.brokers.find(({ nodeId }) => nodeId === leader)!
  }

  /** The broker that decides about settings, as the brokers wrote it down. */
  const controllerOf = async (): Promise<number> => {
    const { folder } = stage.clusters.a
    const files = (await readdir(folder, { recursive: true })).filter((file) => file.endsWith('quorum-state'))
    const states = await Promise.all(files.map(async (file) => JSON.parse(await readFile(join(folder, file), 'utf8'))))
    return states.toSorted((x, y) => y.leaderEpoch - x.leaderEpoch)[0].leaderId
  }

  it(
    'finds in the sealed log what was stored and never answered, and sends the rest: every connection cut at the fence (30)',
    LIMIT,
    scenario('ambiguous', async (history, t) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const load = await history.app({ name: 'p', produce: { perTick: 4 } })
      await history.until('it flows', () => history.handledBy('g') > 200)
      const proxies = stage.clusters.a.brokers.map(({ proxy }) => proxy!)
      for (const proxy of proxies) proxy.blackhole('to-client')
      await pause(200)
      const { acked } = history
      const move = await stage.move(history.id, { to: 'b', partitions: 6 })
      history.moved(move)
      const stored = Number(move.report.recordsSealed)
      assert.ok(stored > acked, `${stored} stored, ${acked} answered`)
      // The answers that wait are gone with their connections.
      for (const proxy of proxies) {
        proxy.reset()
        proxy.heal()
      }
      await history.until('it goes on', () => history.acked > stored + 100)
      await load.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'], { again: true })
      t.diagnostic(`${stored - acked} sends were settled by the sealed log`)
    }),
  )

  it(
    'proves anew a leader that dies between its proof and the opening',
    LIMIT,
    scenario('leader.dies', async (history) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const load = await history.app({ name: 'p', produce: { perTick: 4 } })
      await history.until('it flows', () => history.handledBy('g') > 200)
      const topic = `${history.id}.e1`
      const victim = await leaderOf(topic, 0)
      const number = await stage.begin(history.id, { to: 'b', partitions: 8 })
      let killed: Promise<void> | undefined
      // From here on the ends are asked for only when every leader is proven.
      stage.onState(number, 'sealing', () =>
        stage.before('sealedEnds', topic, () => {
          killed ??= victim.kill()
          return killed
        }),
      )
      const opened = await stage.reach(number, ['open', 'draining', 'retired'])
      assert.ok(killed !== undefined)
      history.moved(opened)
      const proof = opened.proofs.find(({ partition }) => partition === 0)!
      assert.notEqual(proof.leader, victim.nodeId)
      await load.endSending()
      await history.settled(['g'])
      await victim.restart()
      await history.assertPerfect(['g'], { again: true })
    }),
  )

  it(
    'waits for the proof of a broker that hears of the seal late, while a producer that was not told goes on writing (32)',
    LIMIT,
    scenario('late.broker', async (history, t) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const way = await stage.wayToPlane()
      const deaf = await history.app({ name: 'deaf', url: way.url, produce: { perTick: 4 } })
      await history.until('it flows', () => history.handledBy('g') > 200)
      await way.proxy.refuse()
      const topic = `${history.id}.e1`
      // Leaders of four partitions on three brokers: one of the two others is no controller.
      const controller = await controllerOf()
      const leaders = await Promise.all([0, 1, 2, 3].map((partition) => leaderOf(topic, partition)))
      const late = leaders.find(({ nodeId }) => nodeId !== controller)!
      const number = await stage.begin(history.id, { to: 'b', partitions: 4 })
      let heardAtMs = 0
      stage.onState(number, 'sealing', () => {
        late.pause()
        setTimeout(() => {
          heardAtMs = Date.now()
          late.resume()
        }, 3_000)
      })
      const opened = await stage.reach(number, ['open', 'draining', 'retired'])
      history.moved(opened)
      const ofLate = opened.proofs.filter(({ leader }) => leader === late.nodeId)
      assert.ok(ofLate.length > 0 && ofLate.every(({ provenAtMs }) => provenAtMs >= heardAtMs), JSON.stringify(ofLate))
      assert.ok(opened.report.sealMs! > 2_500, `${opened.report.sealMs} ms`)
      await way.proxy.accept()
      const { acked } = history
      await history.until('it goes on', () => history.acked > acked + 100)
      await deaf.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'], { again: true })
      t.diagnostic(`all leaders proven after ${opened.report.sealMs} ms`)
    }),
  )

  it(
    'waits with the drain for a source that is gone, sends on meanwhile, and opens no gate before it is back (34)',
    LIMIT,
    scenario('source.gone', async (history) => {
      const { promise: patience, resolve: goOn } = Promise.withResolvers<void>()
      const wait = (partition: number): Promise<void> | undefined => (partition === 1 ? patience : undefined)
      await history.app({ name: 'reader', consume: { group: 'g', wait, concurrency: 200 } })
      const load = await history.app({ name: 'p', produce: { perTick: 3 } })
      await history.until('it flows', () => history.handledBy('g') > 200)
      const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
      history.moved(await stage.reach(number, ['draining']))
      const { brokers } = stage.clusters.a
      await Promise.all(brokers.map((broker) => broker.kill()))
      const { acked } = history
      goOn()
      await history.until('sends go on', () => history.acked > acked + 400)
      await pause(1_000)
      // Of 4 and 6 partitions the odd ones have keys in common.
      const early = history.of('handle').filter(({ epoch, partition }) => epoch === 2 && partition % 2 === 1)
      assert.deepEqual(early.slice(0, 3), [])
      assert.equal((await stage.migration(number)).state, 'draining')
      await Promise.all(brokers.map((broker) => broker.restart()))
      await load.endSending()
      await history.settled(['g'], 40_000)
      await stage.reach(number, ['retired'])
      await history.assertPerfect(['g'], { again: true })
    }),
  )
})
