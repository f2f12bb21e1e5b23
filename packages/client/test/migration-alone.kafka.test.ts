/**
 * Migrations that clients finish without a control plane: it is gone between the first refusal and the opening, and comes back later
 * (contract: proven-seal.ts, seal-prover.ts).
 */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { checkHistory } from '@mq/testkit'
import { bindingOf } from './support/bindings.ts'
import { Load } from './support/load.ts'
import type { RecordingLogger } from './support/logs.ts'
import { Mover } from './support/mover.ts'
import { until } from './support/time.ts'

/** A busy machine must not cost a member its session: then messages may come again. */
const PATIENT = { ...bindingOf().consumer, sessionTimeoutMs: 60_000 }
const isCached = async (folder: string, text: string): Promise<boolean> => {
  for (const file of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (file.isFile() && (await readFile(join(file.parentPath, file.name), 'utf8')).includes(text)) return true
  return false
}
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function assertPerfect(load: Load, ...clients: { readonly logger: RecordingLogger }[]): void {
  const verdict = checkHistory(load.events)
  const said = clients.flatMap(({ logger }) => logger.lines.map(({ message }) => message)).join('\n')
  assert.deepEqual(verdict.violations.slice(0, 5), [], said)
  assert.equal(verdict.failedSends, 0)
  assert.equal(load.acked, load.sent)
  assert.equal(load.handled, load.sent)
}

describe('a migration whose control plane is gone while the old topic refuses', { timeout: 300_000 }, () => {
  let mover: Mover
  before(
    async () => {
      mover = await Mover.start({ 'group.consumer.session.timeout.ms': '60000' })
    },
    { timeout: 300_000 },
  )
  after(() => mover?.stop(), { timeout: 300_000 })
  afterEach(
    async () => {
      await mover.closeConnections()
      // Where a test failed while it was gone.
      await mover.plane.stop()
      await mover.plane.listen()
    },
    { timeout: 300_000 },
  )

  it('is finished by producers and consumers, in order and without a failed send, and agreed to when it is back', {
    timeout: 300_000,
  }, async (test) => {
    const load = new Load('alone.under.load')
    await mover.declare(load.id, { cluster: 'a', partitions: 6 }, { consumer: PATIENT })
    // One of them only reads: nothing refuses it anything.
    const [first, second, reader] = [await mover.connect(), await mover.connect(), await mover.connect()]
    const isSlow = (epoch: number, partition: number): boolean => epoch === 1 && partition === 1
    await load.consume(first, 'g', 'first', isSlow)
    await load.consume(reader, 'g', 'reader', isSlow)
    load.produce(first, 'p0', 15)
    load.produce(second, 'p1', 15)
    await mover.prepare(load.id, { cluster: 'b', partitions: 9 }, true)
    await until('all are told', () => mover.isTold(load.id))
    await pause(1_500)
    await mover.plane.stop()
    const ends = await mover.seal(load.id, true)
    load.noteSeal(1, ends)
    const inNew = (): number => load.events.filter((event) => event.type === 'handle' && event.epoch === 2).length
    await until('records of the new epoch are handled', () => inNew() > 200, 30_000)
    assert.equal(load.failed, 0)
    // One that starts now finds what was proven on the disk; so does one that has to prove it again.
    const late = await mover.connect()
    load.send(late, 'p2', 0)
    const { acked } = load
    await until('the late one is heard, too', () => load.acked > acked)
    assert.equal(mover.binding(load.id).epochs.at(-1)?.state, 'preparing', 'nobody published anything meanwhile')
    await mover.plane.listen()
    // As a control plane does that has just come back: first it sees the refusal, then the end.
    mover.publish(
      load.id,
      mover.binding(load.id).epochs.map((epoch) => (epoch.epoch === 1 ? { ...epoch, state: 'sealing' } : epoch)),
    )
    await pause(1_000)
    mover.release(load.id, ends)
    await pause(1_000)
    await load.end()
    await until('all is acknowledged', () => load.acked + load.failed === load.sent, 20_000)
    await until('all is handled', () => load.handled >= load.sent, 30_000)
    await pause(300)
    assertPerfect(load, first, second, reader)
    const tail = await mover.admin('a').listOffsets(`${load.id}.e1`, [0, 1, 2, 3, 4, 5], 'latest')
    assert.deepEqual(
      ends,
      [0, 1, 2, 3, 4, 5].map((partition) => String(tail.get(partition))),
      'nothing was added behind the end',
    )
    test.diagnostic(
      `${load.sent} messages, ${inNew()} of them in the new epoch, longest send ${Math.round(load.longestMs)} ms`,
    )
  })

  it('resolves without it what was stored without an answer, and what never arrived', {
    timeout: 300_000,
  }, async () => {
    for (const direction of ['to-client', 'to-broker'] as const) {
      const load = new Load(`alone.cut.${direction}`)
      await mover.declare(load.id, { cluster: 'a', partitions: 3 })
      const mq = await mover.connect()
      for (let n = 0; n < 50; n++) load.send(mq, 'p0', n)
      await until('connected', () => load.acked === 50)
      await mover.prepare(load.id, { cluster: 'b', partitions: 5 }, true)
      await until('it is told', () => mover.isTold(load.id))
      const proxy = mover.clusters.a.brokers[0]!.proxy!
      await mover.plane.stop()
      let ends: string[]
      try {
        proxy.blackhole(direction)
        for (let n = 50; n < 100; n++) load.send(mq, 'p0', n)
        await pause(300)
        ends = await mover.seal(load.id, true)
      } finally {
        proxy.heal()
        proxy.reset()
      }
      for (let n = 100; n < 150; n++) load.send(mq, 'p0', n)
      await until('all is acknowledged', () => load.acked + load.failed === load.sent, 20_000)
      load.noteSeal(1, ends)
      await load.consume(mq, 'g', 'one')
      await until('all is handled', () => load.handled >= load.sent, 20_000)
      await pause(300)
      assertPerfect(load)
      await mq.close()
      await mover.plane.listen()
    }
  })

  it('waits as before where the binding does not name a successor that may be opened, and where that one is closed', {
    timeout: 300_000,
  }, async () => {
    for (const isClosed of [false, true]) {
      const load = new Load(`alone.waits.${isClosed ? 'closed' : 'unmarked'}`)
      await mover.declare(load.id, { cluster: 'a', partitions: 2 })
      const mq = await mover.connect()
      for (let n = 0; n < 20; n++) load.send(mq, 'p0', n)
      await until('connected', () => load.acked === 20)
      await mover.prepare(load.id, { cluster: 'b', partitions: 3 }, isClosed)
      await until('it is told', () => mover.isTold(load.id))
      await mover.plane.stop()
      const closed = isClosed ? await mover.close(load.id) : undefined
      const ends = await mover.seal(load.id, true)
      for (let n = 20; n < 40; n++) load.send(mq, 'p0', n)
      await pause(6_000)
      assert.equal(load.acked + load.failed, 20, 'sends wait')
      await mover.plane.listen()
      await closed?.release(`${load.id}.e2`, '1048588')
      mover.release(load.id, ends)
      await until('all is acknowledged', () => load.acked + load.failed === load.sent, 30_000)
      load.noteSeal(1, ends)
      await load.consume(mq, 'g', 'one')
      await until('all is handled', () => load.handled >= load.sent, 20_000)
      assertPerfect(load)
      await mq.close()
    }
  })

  it('gives a group all where somebody seals the old topic by hand and takes that back, and only what came then out of order', {
    timeout: 300_000,
  }, async (test) => {
    const load = new Load('alone.taken.back')
    await mover.declare(load.id, { cluster: 'a', partitions: 2 }, { consumer: PATIENT })
    const first = await mover.connect()
    await load.consume(first, 'g', 'reader')
    for (let n = 0; n < 50; n++) load.send(first, 'p0', n)
    // It knows of the new epoch, and nothing of what happens to the old one.
    const cacheDir = await mkdtemp(join(tmpdir(), 'mq-taken-back-'))
    test.after(() => rm(cacheDir, { recursive: true, force: true }))
    const before = await mover.connect({ cacheDir })
    for (let n = 0; n < 50; n++) load.send(before, 'p1', n)
    await mover.prepare(load.id, { cluster: 'b', partitions: 3 }, true)
    await until('both are told', async () => (await mover.isTold(load.id)) && (await isCached(cacheDir, 'preparing')))
    await until('all is acknowledged', () => load.acked === 100)
    await before.close()
    await mover.plane.stop()
    await mover.seal(load.id, true)
    for (let n = 50; n < 100; n++) load.send(first, 'p0', n)
    await until('it goes on in the new epoch', () => load.acked === 150, 30_000)
    await mover.admin('a').alterTopicConfigs(`${load.id}.e1`, { 'max.message.bytes': '1048588' })
    const second = await mover.connect({ cacheDir })
    for (let n = 50; n < 100; n++) load.send(second, 'p1', n)
    await until('the other one goes on in the old epoch', () => load.acked === 200, 60_000)
    await mover.plane.listen()
    const ends = await mover.seal(load.id)
    assert.equal(
      ends.reduce((sum, end) => sum + Number(end), 0),
      150,
      'what came after the seal by hand is in the old epoch',
    )
    mover.release(load.id, ends)
    load.noteSeal(1, ends)
    for (let n = 100; n < 150; n++)
      for (const [mq, producer] of [
        [first, 'p0'],
        [second, 'p1'],
      ] as const)
        load.send(mq, producer, n)
    await until('all is acknowledged', () => load.acked + load.failed === load.sent, 30_000)
    await until('all is handled', () => load.handled >= load.sent, 60_000)
    await pause(300)
    const { counts } = checkHistory(load.events)
    test.diagnostic(JSON.stringify(counts))
    assert.deepEqual([load.failed, counts.lost, counts.ghost, counts.duplicated, counts.seal], [0, 0, 0, 0, 0])
    // The new epoch was read before anybody knew that the old one goes on.
    assert.ok(counts.reordered <= 50, `${counts.reordered} out of order, and 50 were written after the seal by hand`)
  })
})
