import assert from 'node:assert/strict'
import { after, afterEach, before, describe, it } from 'node:test'
import { checkHistory } from '@mq/testkit'
import { Load } from './support/load.ts'
import { Mover } from './support/mover.ts'
import { until } from './support/time.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function assertPerfect(load: Load): void {
  const verdict = checkHistory(load.events)
  assert.deepEqual(verdict.violations.slice(0, 5), [])
  assert.equal(verdict.failedSends, 0)
  assert.equal(load.acked, load.sent)
  assert.equal(load.handled, load.sent)
}

describe('a live move on real Kafka', { timeout: 300_000 }, () => {
  let mover: Mover
  before(
    async () => {
      mover = await Mover.start()
    },
    { timeout: 300_000 },
  )
  after(() => mover?.stop(), { timeout: 300_000 })
  afterEach(() => mover.closeConnections(), { timeout: 300_000 })

  it('loses, repeats, reorders and fails nothing from 6 to 12 to 6 to 10 partitions under load', {
    timeout: 300_000,
  }, async (test) => {
    const load = new Load('moves.under.load')
    await mover.declare(load.id, { cluster: 'a', partitions: 6 })
    const [first, second] = [await mover.connect(), await mover.connect()]
    // One partition of every other epoch lags, so that its end is read long after the next epoch has records.
    const isSlow = (epoch: number, partition: number): boolean => epoch % 2 === 1 && partition === 1
    await load.consume(first, 'g', 'first', isSlow)
    await load.consume(second, 'g', 'second', isSlow)
    load.produce(first, 'p0', 15)
    load.produce(second, 'p1', 15)
    await pause(500)
    for (const [at, partitions] of [12, 6, 10].entries()) {
      await mover.move(load.id, { cluster: at % 2 === 0 ? 'b' : 'a', partitions })
      const old = mover.binding(load.id).epochs.at(-2)!
      load.noteSeal(old.epoch, old.endOffsets!)
      await pause(1_000)
      if (at > 0) await mover.retire(load.id, 'g')
    }
    await load.end()
    await until('all is acknowledged', () => load.acked + load.failed === load.sent, 20_000)
    await until('all is handled', () => load.handled >= load.sent, 30_000)
    await pause(300)
    assertPerfect(load)
    const epochs = new Set(load.events.flatMap((event) => (event.type === 'handle' ? [event.epoch] : [])))
    assert.deepEqual(
      [...epochs].toSorted((x, y) => x - y),
      [1, 2, 3, 4],
    )
    test.diagnostic(`${load.sent} messages, longest send ${Math.round(load.longestMs)} ms`)
    const problems = [...first.logger.lines, ...second.logger.lines].filter(({ level }) => level === 'error')
    assert.deepEqual(problems, [])
  })

  it('resolves a batch that was stored without an answer, and one that never arrived, by the sealed tail', {
    timeout: 300_000,
  }, async () => {
    for (const direction of ['to-client', 'to-broker'] as const) {
      const load = new Load(`cut.${direction}`)
      await mover.declare(load.id, { cluster: 'a', partitions: 3 })
      const mq = await mover.connect()
      for (let n = 0; n < 50; n++) load.send(mq, 'p0', n)
      await until('connected', () => load.acked === 50)
      const proxy = mover.clusters.a.brokers[0]!.proxy!
      let ends: string[]
      try {
        proxy.blackhole(direction)
        for (let n = 50; n < 100; n++) load.send(mq, 'p0', n)
        await pause(300)
        for (let n = 100; n < 200; n++) load.send(mq, 'p0', n)
        await mover.prepare(load.id, { cluster: 'b', partitions: 5 })
        ends = await mover.seal(load.id)
        for (let n = 200; n < 250; n++) load.send(mq, 'p0', n)
        mover.release(load.id, ends)
        await pause(500)
        assert.equal(load.acked, 50, 'nothing passes while it is not known what the old log has')
        const inOld = ends.reduce((sum, end) => sum + Number(end), 0)
        assert.equal(inOld, direction === 'to-client' ? 100 : 50)
      } finally {
        proxy.heal()
      }
      await until('all is acknowledged', () => load.acked + load.failed === load.sent, 20_000)
      load.noteSeal(1, ends)
      await load.consume(mq, 'g', 'one')
      await until('all is handled', () => load.handled >= load.sent, 20_000)
      await pause(300)
      assertPerfect(load)
      await mq.close()
    }
  })

  it('holds what a sealed topic refuses, asks for the binding, and fails no send (P2)', {
    timeout: 300_000,
  }, async () => {
    const load = new Load('not.told')
    await mover.declare(load.id, { cluster: 'a', partitions: 2 })
    const mq = await mover.connect()
    for (let n = 0; n < 20; n++) load.send(mq, 'p0', n)
    await until('connected', () => load.acked === 20)
    await mover.prepare(load.id, { cluster: 'b', partitions: 3 })
    const ends = await mover.seal(load.id, true)
    mover.plane.dropStreams()
    for (let n = 20; n < 80; n++) load.send(mq, 'p0', n)
    await pause(700)
    assert.equal(load.acked + load.failed, 20)
    mover.release(load.id, ends)
    mover.plane.dropStreams()
    await until('all is acknowledged', () => load.acked + load.failed === load.sent, 10_000)
    load.noteSeal(1, ends)
    await load.consume(mq, 'g', 'one')
    await until('all is handled', () => load.handled >= load.sent, 20_000)
    assertPerfect(load)
  })

  it('moves more than the buffer takes, without more memory and without a failed send', {
    timeout: 300_000,
  }, async () => {
    const load = new Load('buffer.spent')
    await mover.declare(load.id, { cluster: 'a', partitions: 4 })
    const mq = await mover.connect({ maxBufferBytes: 1_048_576 })
    for (let n = 0; n < 50; n++) load.send(mq, 'p0', n)
    await until('connected', () => load.acked === 50)
    await mover.prepare(load.id, { cluster: 'b', partitions: 7 })
    const ends = await mover.seal(load.id, true)
    for (let n = 50; n < 6_000; n++) load.send(mq, 'p0', n, 40, 'x'.repeat(500))
    await pause(500)
    assert.equal(load.acked + load.failed, 50)
    mover.release(load.id, ends)
    await until('all is acknowledged', () => load.acked + load.failed === load.sent, 20_000)
    load.noteSeal(1, ends)
    await load.consume(mq, 'g', 'one')
    await until('all is handled', () => load.handled >= load.sent, 20_000)
    assertPerfect(load)
  })

  it('takes what a producer held over two migrations that it never heard of, and whose first epoch is gone', {
    timeout: 300_000,
  }, async () => {
    const load = new Load('cut.off')
    await mover.declare(load.id, { cluster: 'a', partitions: 3 })
    const mq = await mover.connect()
    for (let n = 0; n < 50; n++) load.send(mq, 'p0', n)
    await until('connected', () => load.acked === 50)
    const proxy = mover.clusters.a.brokers[0]!.proxy!
    mover.plane.intercept = (_, response) => {
      response.writeHead(503).end()
      return true
    }
    mover.plane.dropStreams()
    proxy.blackhole('to-client')
    try {
      for (let n = 50; n < 80; n++) load.send(mq, 'p0', n)
      await pause(300)
      await mover.move(load.id, { cluster: 'b', partitions: 4 })
      await mover.move(load.id, { cluster: 'a', partitions: 5 })
      const reader = await mover.admin('a').listOffsets(`${load.id}.e1`, [0, 1, 2], 'latest')
      assert.equal(
        [...reader.values()].reduce((sum, end) => sum + end, 0n),
        80n,
      )
      for (let n = 80; n < 120; n++) load.send(mq, 'p0', n)
    } finally {
      proxy.heal()
      proxy.reset()
    }
    await pause(1_500)
    assert.equal(load.failed, 0)
    mover.plane.intercept = () => false
    const [first, ...rest] = mover.binding(load.id).epochs
    mover.publish(load.id, rest)
    await until('all is acknowledged', () => load.acked + load.failed === load.sent, 20_000)
    // Read all three, as a group does that was there before.
    mover.publish(load.id, [first!, ...rest])
    const other = await mover.connect()
    await load.consume(other, 'g', 'one')
    await until('all is handled', () => load.handled >= load.sent, 20_000)
    await pause(300)
    assertPerfect(load)
  })

  it('goes back to the epoch it held for when the migration is called off', { timeout: 300_000 }, async () => {
    const load = new Load('called.off')
    await mover.declare(load.id, { cluster: 'a', partitions: 3 })
    const mq = await mover.connect()
    await load.consume(mq, 'g', 'one')
    load.produce(mq, 'p0', 5)
    await until('connected', () => load.acked > 50)
    await mover.prepare(load.id, { cluster: 'b', partitions: 6 })
    const [old, next] = mover.binding(load.id).epochs
    await pause(300)
    mover.publish(load.id, [{ ...old!, state: 'sealing' }, next!])
    await pause(200)
    const { acked } = load
    await pause(200)
    assert.equal(load.acked, acked, 'nothing is written while it is sealing')
    mover.publish(load.id, [old!])
    await until('it goes on', () => load.acked > acked + 200)
    await load.end()
    await until('all is handled', () => load.handled >= load.sent && load.acked === load.sent, 20_000)
    assertPerfect(load)
  })

  it('gives a group that was away the old epoch first, and a new group what it asked for (C5, C6)', {
    timeout: 300_000,
  }, async () => {
    const load = new Load('was.away')
    await mover.declare(load.id, { cluster: 'a', partitions: 4 })
    const mq = await mover.connect()
    const away = await load.consume(mq, 'away', 'one')
    for (let n = 0; n < 100; n++) load.send(mq, 'p0', n)
    await until('a part is read', () => load.handled === 100, 20_000)
    await away.close()
    for (let n = 100; n < 300; n++) load.send(mq, 'p0', n)
    await mover.move(load.id, { cluster: 'b', partitions: 8 })
    for (let n = 300; n < 500; n++) load.send(mq, 'p0', n)
    await until('all is acknowledged', () => load.acked === 500, 20_000)
    const late: number[] = []
    const onLate = ({ value }: { value: { n: number } }): void => void late.push(value.n)
    await mq.consume<{ n: number }>(load.id, 'late', onLate, { from: 'latest' })
    await load.consume(mq, 'away', 'two')
    await until('the rest is read', () => load.handled === 500, 20_000)
    for (let n = 500; n < 520; n++) load.send(mq, 'p0', n)
    await until('what is new is read', () => load.handled === 520 && late.length >= 20, 20_000)
    await pause(300)
    assertPerfect(load)
    assert.deepEqual(
      late.toSorted((x, y) => x - y),
      Array.from({ length: 20 }, (_, index) => 500 + index),
    )
  })
})
