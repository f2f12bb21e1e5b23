/**
 * Moves while applications fail: on a cluster of three brokers and one of one, each with the checker over what was written down.
 * Every scenario has an mQ ID of its own, so they run beside each other.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { checkHistory } from '@mq/testkit'
import { nowUs } from './faults/app.ts'
import type { History } from './faults/history.ts'
import { Stage } from './faults/stage.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const LIMIT = { timeout: 300_000 }

describe('a move on real clusters while applications fail', { timeout: 450_000, concurrency: 4 }, () => {
  let stage: Stage
  before(
    async () => {
      stage = await Stage.start()
    },
    { timeout: 300_000 },
  )
  after(() => stage?.stop(), { timeout: 300_000 })

  const scenario =
    (
      id: string,
      act: (history: History) => Promise<void>,
      declare = (): Promise<History> => stage.declare(id),
    ): (() => Promise<void>) =>
    async () => {
      const history = await declare()
      try {
        await act(history)
      } finally {
        await history.end()
      }
    }

  it(
    'loses and repeats nothing of a producer that was stopped before the seal and woken after the retirement (28)',
    LIMIT,
    scenario('stopped.producer', async (history) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const awake = await history.app({ name: 'awake', produce: { perTick: 2 } })
      const sleeper = await history.process({ name: 'sleeper', produce: { perTick: 2 } })
      const ofSleeper = (): number => history.of('ack').filter(({ producer }) => producer === 'sleeper').length
      await history.until('both flow', () => history.handledBy('g') > 300 && ofSleeper() > 100)
      sleeper.stop()
      const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
      history.moved(await stage.reach(number, ['retired']))
      const before = ofSleeper()
      sleeper.wake()
      await history.until('it sends again', () => ofSleeper() > before + 100)
      await sleeper.end()
      await awake.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'])
    }),
  )

  it(
    'loses and repeats nothing of a producer that hears nothing of the control plane (29)',
    LIMIT,
    scenario('cut.off', async (history) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const way = await stage.wayToPlane()
      const deaf = await history.process({ name: 'deaf', url: way.url, produce: { perTick: 3 } })
      await history.until('it flows', () => history.handledBy('g') > 300)
      await way.proxy.refuse()
      const move = await stage.move(history.id, { to: 'b', partitions: 8 })
      history.moved(move)
      const { acked } = history
      assert.ok(BigInt(move.report.recordsSealed) >= acked)
      await pause(1_000)
      history.moved(await stage.reach(move.number, ['retired']))
      assert.equal(history.failed, 0)
      await way.proxy.accept()
      await history.until('it sends again', () => history.acked > acked + 200)
      await deaf.end()
      await history.settled(['g'])
      await history.assertPerfect(['g'])
    }),
  )

  it(
    'opens no gate early and loses nothing while members die, freeze, wake and join in the drain (19, 20)',
    LIMIT,
    scenario(
      'dying.members',
      async (history) => {
        const member = (name: string, slowMs = 20) =>
          history.process({ name, consume: { group: 'g', slowMs, concurrency: 2 } })
        // So slow that it certainly holds records when it freezes.
        const [dies, freezes] = await Promise.all([member('dies'), member('freezes', 400), member('stays')])
        const load = await history.app({ name: 'p', produce: { perTick: 4 } })
        await history.until('a part is handled', () => history.handledBy('g') > 100 && history.acked > 300)
        const move = await stage.move(history.id, { to: 'b', partitions: 12 })
        history.moved(move)
        await dies.kill()
        freezes.stop()
        await Promise.all([load.endSending(), member('joins')])
        // Its session ends, and others handle what it holds.
        history.moved(await stage.reach(move.number, ['retired'], 40_000))
        const epochOf = (name: string): number =>
          Math.max(0, ...history.of('handle').flatMap((event) => (event.member === name ? [event.epoch] : [])))
        await history.until('the others are in the new epoch', () => epochOf('stays') === 2 && epochOf('joins') === 2)
        const wokenUs = nowUs()
        freezes.wake()
        await history.settled(['g'], 40_000)
        // Handlers of its two slots run for 400 ms.
        await pause(1_000)
        const late = history
          .of('handle')
          .filter(({ member, epoch, tUs }) => member === 'freezes' && epoch === 1 && tUs > wokenUs)
        assert.deepEqual(late, [], 'who slept through a session starts nothing of it')
        await history.assertPerfect(['g'], { again: true })
        const again = (await history.verdict(['g'])).counts.duplicated
        assert.ok(again < 600, `${again} messages were handed out again`)
      },
      () => stage.declareHurried('dying.members', 'g'),
    ),
  )

  it(
    'keeps every gate under a storm of five members that come and go in the drain, from 12 to 6 (36)',
    LIMIT,
    scenario('storm', async (history) => {
      history.moved(await stage.move(history.id, { partitions: 12 }))
      const load = await history.app({ name: 'p', produce: { perTick: 3 } })
      const join = (name: string) => history.app({ name, consume: { group: 'g', slowMs: 10, concurrency: 2 } })
      await join('first')
      await history.until('a backlog stands', () => history.acked > 600 && history.handledBy('g') > 50)
      const move = await stage.move(history.id, { to: 'b', partitions: 6 })
      history.moved(move)
      const untilMs = performance.now() + 7_000
      const churn = async (seat: number): Promise<void> => {
        await pause(seat * 150)
        for (let turn = 0; performance.now() < untilMs; turn++) {
          const app = await join(`m${seat}.${turn}`)
          await pause(300 + ((seat * 7 + turn * 13) % 5) * 150)
          await app.mq.close({ deadlineMs: 5_000 })
        }
        await join(`m${seat}.last`)
      }
      await Promise.all([1, 2, 3, 4].map(churn))
      await load.endSending()
      await history.settled(['g'], 40_000)
      await history.assertPerfect(['g'])
    }),
  )

  it(
    'gives a group that was away the old epoch first, and groups made during the migration what they asked for (35, 38)',
    LIMIT,
    scenario('groups.come', async (history) => {
      const away = await history.app({ name: 'first', consume: { group: 'away' } })
      const load = await history.app({ name: 'p', produce: { perTick: 2 } })
      await history.until('a part is handled', () => history.handledBy('away') > 200)
      await away.mq.close()
      const since = new Map<string, number>()
      const open = async (when: string): Promise<void> => {
        await history.app({ name: `early.${when}`, consume: { group: `early.${when}` } })
        await history.app({ name: `late.${when}`, consume: { group: `late.${when}`, from: 'latest' } })
        since.set(`late.${when}`, nowUs())
      }
      const letRehearse = stage.hold('probeSeal', `${history.id}.e1`)
      const number = await stage.begin(history.id, { to: 'b', partitions: 6 })
      await stage.reach(number, ['prepared'])
      await open('prepared')
      let letOpen = (): void => {}
      stage.onState(number, 'sealing', () => {
        letOpen = stage.hold('sealedEnds', `${history.id}.e1`)
      })
      letRehearse()
      await stage.reach(number, ['sealing', 'refusing'])
      await Promise.all([open('sealing'), pause(1_500).then(() => letOpen())])
      await stage.reach(number, ['draining'])
      await open('draining')
      await pause(500)
      const draining = await stage.migration(number)
      assert.equal(draining.state, 'draining', 'it waits for the group that is away')
      assert.ok(draining.groups.some(({ group, remaining }) => group === 'away' && remaining !== '0'))
      await history.app({ name: 'second', consume: { group: 'away' } })
      history.moved(await stage.reach(number, ['retired']))
      await load.endSending()
      const whole = ['away', 'early.prepared', 'early.sealing', 'early.draining']
      await history.settled(whole)
      const late = [...since.keys()]
      await history.assertPerfect(whole, { partly: late })
      for (const group of late) {
        const verdict = checkHistory(history.since(since.get(group)!, group), [group])
        assert.deepEqual(verdict.violations.slice(0, 5), [], group)
        assert.ok(verdict.acked > 50, `${group}: ${verdict.acked}`)
      }
    }),
  )

  it(
    'makes three migrations back to back, there and back and there, also for a group that comes after all of them (38)',
    LIMIT,
    scenario('there.and.back', async (history) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const later = await history.app({ name: 'before', consume: { group: 'later' } })
      const load = await history.app({ name: 'p', produce: { perTick: 3 } })
      await history.until('it flows', () => history.handledBy('later') > 100)
      await later.mq.close()
      for (const request of [
        { to: 'b', partitions: 6 },
        { to: 'a', partitions: 3 },
        { to: 'b', partitions: 6 },
      ] as const) {
        history.moved(await stage.move(history.id, request))
      }
      await pause(500)
      assert.equal(stage.binding(history.id).epochs.length, 4)
      await load.endSending()
      await history.app({ name: 'after', consume: { group: 'later' } })
      await history.settled(['g', 'later'])
      await history.assertPerfect(['g', 'later'])
    }),
  )

  it(
    'moves at the same partition count to other replicas and to another cluster, a slow group holding back no other (37)',
    LIMIT,
    scenario('same.count', async (history) => {
      await history.app({ name: 'quick', consume: { group: 'quick' } })
      const { promise: patience, resolve: goOn } = Promise.withResolvers<void>()
      const wait = (partition: number): Promise<void> | undefined => (partition === 1 ? patience : undefined)
      await history.app({ name: 'slow', consume: { group: 'slow', wait } })
      const load = await history.app({ name: 'p', produce: { perTick: 2 } })
      await history.until('it flows', () => history.handledBy('slow') > 50)
      const first = await stage.move(history.id, { replication: 2 })
      assert.deepEqual([first.from.cluster, first.to.cluster, first.to.partitions], ['a', 'a', first.from.partitions])
      history.moved(first)
      const second = await stage.begin(history.id, { to: 'b' })
      const opened = await stage.reach(second, ['open', 'draining'])
      assert.equal(opened.to.partitions, first.from.partitions)
      history.moved(opened)
      const epochOf = (group: string): number =>
        Math.max(...history.of('handle').flatMap((event) => (event.group === group ? [event.epoch] : [])))
      await history.until('the quick group is in the newest epoch', () => epochOf('quick') === 3)
      assert.equal((await stage.migration(first.number)).state, 'draining', 'the slow group holds the oldest')
      goOn()
      await load.endSending()
      await history.settled(['quick', 'slow'], 40_000)
      await stage.reach(first.number, ['retired'])
      await history.assertPerfect(['quick', 'slow'])
    }),
  )

  it(
    'refuses a foreign producer at the sealed topic, and reports what passes the seal by being as small as a marker (41)',
    LIMIT,
    scenario('foreign', async (history) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const load = await history.app({ name: 'p', produce: { perTick: 2 } })
      await history.until('it flows', () => history.handledBy('g') > 100)
      const topic = `${history.id}.e1`
      const letWatch = stage.hold('endOffsets', topic)
      const number = await stage.begin(history.id, { to: 'b', partitions: 2 })
      const opened = await stage.reach(number, ['open'])
      history.moved(opened)
      const ends = async (): Promise<string[]> => {
        const found = await stage.admin('a').listOffsets(topic, [0, 1, 2, 3], 'latest')
        return [0, 1, 2, 3].map((partition) => String(found.get(partition)))
      }
      assert.equal(await stage.write('a', topic, `k:${'longer than a marker '.repeat(5)}`), false)
      assert.deepEqual(await ends(), opened.endOffsets)
      assert.equal(await stage.write('a', topic, 'k:tiny'), true, 'as small as a marker, it passes')
      assert.notDeepEqual(await ends(), opened.endOffsets)
      letWatch()
      const reported = await stage.reach(number, ['draining', 'retired'])
      const added = reported.stragglers.reduce((sum, one) => sum + Number(one.seenEnd) - Number(one.sealedEnd), 0)
      assert.equal(added, 1, JSON.stringify(reported.stragglers))
      await load.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'])
    }),
  )

  it(
    'lets the markers of transactions pass that are open at the fence, and drains when they end (39, 42)',
    LIMIT,
    scenario('transactions', async (history) => {
      await history.app({ name: 'reader', consume: { group: 'g' } })
      const load = await history.app({ name: 'p', produce: { perTick: 1 } })
      await history.until('it flows', () => history.handledBy('g') > 50)
      const topic = `${history.id}.e1`
      const inTransaction = (name: string) =>
        stage.openTransaction(
          'a',
          topic,
          name,
          [0, 1, 2].map((n) => `${name}:${JSON.stringify({ producer: name, n })}`),
        )
      const [kept, dropped] = await Promise.all([inTransaction('kept'), inTransaction('dropped')])
      const inLog = async (): Promise<number> =>
        (await stage.read('a', topic)).filter(({ value }) => /kept|dropped/.test(value)).length
      await history.until('both are in the log', async () => (await inLog()) === 6)
      const letWatch = stage.hold('endOffsets', topic)
      const move = await stage.move(history.id, { to: 'b', partitions: 6 })
      history.moved(move)
      assert.notEqual(
        (await stage.migration(move.number)).state,
        'retired',
        'records of an open transaction are unread',
      )
      history.noteForeign('kept', 3)
      await Promise.all([kept.commit(), dropped.abort()])
      // The markers are there while it is watched what is appended.
      letWatch()
      const retired = await stage.reach(move.number, ['retired'])
      assert.deepEqual(retired.stragglers, [], 'a marker is no record')
      const seen = new Set(history.of('handle').map(({ producer }) => producer))
      assert.deepEqual([...seen].toSorted(), ['kept', 'p'])
      await load.endSending()
      await history.settled(['g'])
      await history.assertPerfect(['g'], { unread: 'dropped' })
    }),
  )
})
