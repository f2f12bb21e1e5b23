/**
 * The checker proves something only if it notices. Each rule that keeps a migration sound is broken here on purpose, in the test alone,
 * and the checker has to say which harm was done; the same migration without the break has to be perfect.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, afterEach, before, describe, it, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { Producer, type Receipt, TopicSeal } from '@mq/kafka'
import { checkHistory, type HistoryEvent, type Verdict } from '@mq/testkit'
import { Gates } from '../src/epochs/gates.ts'
import { OffsetTracker } from '../src/epochs/offset-tracker.ts'
import { EpochWriter } from '../src/epochs/writer.ts'
import { Load } from './support/load.ts'
import { Mover } from './support/mover.ts'
import { until } from './support/time.ts'

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
const run = promisify(execFile)
const LIMIT = { timeout: 300_000 }

describe('the checker, with a rule of migrations broken on purpose', { timeout: 300_000 }, () => {
  let mover: Mover
  before(
    async () => {
      mover = await Mover.start()
    },
    { timeout: 300_000 },
  )
  after(() => mover?.stop(), { timeout: 300_000 })
  afterEach(() => mover.closeConnections(), { timeout: 300_000 })

  /** Everything in every log of the mQ ID, read by a program that is not of mQ. */
  async function logs(id: string): Promise<HistoryEvent[]> {
    const events: HistoryEvent[] = []
    for (const { epoch, cluster, topic } of mover.binding(id).epochs) {
      const bootstrap = mover.clusters[cluster as 'a' | 'b'].bootstrap.join(',')
      const asked = ['-C', '-b', bootstrap, '-t', topic, '-e', '-q', '-f', '%p %o %s\n']
      const { stdout } = await run('kcat', asked, { maxBuffer: 64 << 20, timeout: 300_000 })
      for (const line of stdout.split('\n')) {
        const [, partition, offset, value] = /^(\d+) (\d+) (.*)$/.exec(line) ?? []
        if (value === undefined) continue
        const { producer, n } = JSON.parse(value) as { producer: string; n: number }
        const tUs = Number.MAX_SAFE_INTEGER
        events.push({ type: 'log', tUs, producer, n, epoch, partition: Number(partition), offset: Number(offset) })
      }
    }
    return events
  }
  const judge = async (load: Load): Promise<Verdict> => checkHistory([...load.events, ...(await logs(load.id))], ['g'])

  /** The same migration twice: as it is, and broken. */
  async function compare(
    t: TestContext,
    name: string,
    move: (load: Load) => Promise<void>,
    breakIt: () => { restore(): void }[],
  ): Promise<Verdict['counts']> {
    const sound = new Load(`${name}.sound`)
    try {
      await move(sound)
    } finally {
      await sound.end()
    }
    const verdict = await judge(sound)
    assert.deepEqual(verdict.violations.slice(0, 5), [], `${name} as it is`)
    const broken = new Load(`${name}.broken`)
    const breaks = breakIt()
    try {
      await move(broken)
    } finally {
      await broken.end()
      for (const one of breaks) one.restore()
    }
    const { counts, ok } = await judge(broken)
    assert.equal(ok, false, `${name} broken`)
    t.diagnostic(JSON.stringify(counts))
    return counts
  }

  /** A connection that hears nothing of its control plane once `deafen` was called. */
  async function connectDeafly() {
    let isDeaf = false
    const mq = await mover.connect({
      fetch: (input, init) => (isDeaf ? Promise.reject(new TypeError('deaf')) : fetch(input, init)),
    })
    const deafen = (deaf: boolean): void => {
      isDeaf = deaf
      if (deaf) mover.plane.dropStreams()
    }
    return { mq, deafen }
  }

  it(
    'no seal: what a producer that was not told writes behind the end is lost, and seen behind the seal',
    LIMIT,
    async (t) => {
      const move = async (load: Load): Promise<void> => {
        await mover.declare(load.id, { cluster: 'a', partitions: 3 })
        const { mq, deafen } = await connectDeafly()
        const reader = await mover.connect()
        await load.consume(reader, 'g', 'one')
        load.produce(mq, 'p', 3)
        await until('it flows', () => load.handled > 200)
        deafen(true)
        await mover.prepare(load.id, { cluster: 'b', partitions: 6 })
        await pause(300)
        const ends = await mover.seal(load.id)
        load.noteSeal(1, ends)
        mover.release(load.id, ends)
        await pause(1_500)
        deafen(false)
        await load.end()
        await until('all is settled', () => load.acked + load.failed === load.sent, 15_000)
        await pause(1_500)
      }
      const counts = await compare(t, 'no.seal', move, () => [
        mock(t, TopicSeal.prototype, 'request', async () => {}),
        mock(t, TopicSeal.prototype, 'probe', async (_topic: string, partitions: readonly number[]) =>
          partitions.map((partition) => ({
            partition,
            leader: 1,
            leaderEpoch: 0,
            verdict: 'sealed' as const,
            reason: '',
          })),
        ),
      ])
      assert.ok(counts.lost > 0 && counts.seal > 0, JSON.stringify(counts))
    },
  )

  it('no gate: keys are handled in the new epoch before their older records, and out of order', LIMIT, async (t) => {
    const move = async (load: Load): Promise<void> => {
      await mover.declare(load.id, { cluster: 'a', partitions: 3 })
      const mq = await mover.connect()
      const { promise: patience, resolve: goOn } = Promise.withResolvers<void>()
      await load.consume(mq, 'g', 'one', (epoch, partition) => (epoch === 1 && partition === 1 ? patience : false))
      // Few keys, so that those that wait leave room for the others.
      load.produce(mq, 'p', 3, 6)
      await until('one partition waits', () => load.handled > 100 && load.acked > load.handled + 30)
      await mover.move(load.id, { cluster: 'b', partitions: 6 })
      load.noteSeal(1, mover.binding(load.id).epochs[0]!.endOffsets!)
      const isAhead = (): boolean =>
        load.events.some((event) => event.type === 'handle' && event.epoch === 2 && event.partition % 3 === 1)
      // Only where it is broken.
      await until('the gate stands open', isAhead, 1_200).catch(() => {})
      goOn()
      await load.end()
      await until('all is handled', () => load.handled >= load.sent && load.acked === load.sent, 15_000)
    }
    const counts = await compare(t, 'no.gate', move, () => [mock(t, Gates.prototype, 'isOpen', () => true)])
    assert.ok(counts.gate > 0 && counts.reordered > 0, JSON.stringify(counts))
    assert.equal(counts.lost, 0)
  })

  /** A migration of which some sends are stored without an answer, or on their way and never arrive. */
  const unanswered =
    (direction: 'to-client' | 'to-broker') =>
    async (load: Load): Promise<void> => {
      await mover.declare(load.id, { cluster: 'a', partitions: 3 })
      const mq = await mover.connect()
      for (let n = 0; n < 50; n++) load.send(mq, 'p', n)
      await until('connected', () => load.acked === 50)
      const proxy = mover.clusters.a.brokers[0]!.proxy!
      try {
        proxy.blackhole(direction)
        for (let n = 50; n < 90; n++) load.send(mq, 'p', n)
        await pause(300)
        await mover.prepare(load.id, { cluster: 'b', partitions: 5 })
        const ends = await mover.seal(load.id)
        load.noteSeal(1, ends)
        mover.release(load.id, ends)
        await pause(700)
        proxy.reset()
      } finally {
        proxy.heal()
      }
      await until('all is settled', () => load.acked + load.failed === load.sent, 15_000)
      await load.consume(mq, 'g', 'one')
      await until('it is handled', () => load.handled >= 50, 15_000)
      for (let before = -1; before < load.handled; await pause(500)) before = load.handled
    }

  it('no look into the sealed log: what is taken for absent is stored twice', LIMIT, async (t) => {
    const counts = await compare(t, 'taken.for.absent', unanswered('to-client'), () => [
      mock(t, EpochWriter.prototype, 'find', async () => ({ kind: 'absent' })),
    ])
    assert.ok(counts.duplicated > 0, JSON.stringify(counts))
  })

  it('no look into the sealed log: what is taken for stored is lost', LIMIT, async (t) => {
    const counts = await compare(t, 'taken.for.stored', unanswered('to-broker'), () => [
      mock(t, EpochWriter.prototype, 'find', async () => ({ kind: 'stored', baseOffset: 0n })),
    ])
    assert.ok(counts.lost > 0 && counts['acked-not-stored'] > 0, JSON.stringify(counts))
  })

  it(
    'commit before handling: what a member had not handled when it ended is lost over the migration',
    LIMIT,
    async (t) => {
      const { position } = OffsetTracker.prototype
      const move = async (load: Load): Promise<void> => {
        await mover.declare(load.id, { cluster: 'a', partitions: 3 })
        const mq = await mover.connect()
        for (let n = 0; n < 300; n++) load.send(mq, 'p', n)
        await until('all is acknowledged', () => load.acked === 300)
        const dies = await mover.connect()
        let hanging = 0
        const hangs = await load.consume(dies, 'g', 'one', (_epoch, partition) => {
          if (partition > 0) hanging++
          return partition === 0 ? false : new Promise(() => {})
        })
        await until('it hangs', () => hanging > 0)
        await mover.move(load.id, { cluster: 'b', partitions: 6 })
        load.noteSeal(1, mover.binding(load.id).epochs[0]!.endOffsets!)
        await hangs.close({ deadlineMs: 100 })
        for (let n = 300; n < 400; n++) load.send(mq, 'p', n)
        await load.consume(mq, 'g', 'two')
        await until('the new epoch is handled', () => load.acked === 400 && load.handled >= 100, 15_000)
        for (let before = -1; before < load.handled; await pause(1_000)) before = load.handled
      }
      const counts = await compare(t, 'early.commit', move, () => [
        mock(t, OffsetTracker.prototype, 'position', function (this: OffsetTracker) {
          return this.openSpans().at(-1)?.offsets.nextOffset ?? position.call(this)
        }),
      ])
      assert.ok(counts.lost > 0, JSON.stringify(counts))
      assert.equal(counts['acked-not-stored'], 0)
    },
  )

  it('acknowledge before it is durable: what a process had not stored when it ended is lost', LIMIT, async (t) => {
    const move = async (load: Load): Promise<void> => {
      await mover.declare(load.id, { cluster: 'a', partitions: 3 })
      const mq = await mover.connect()
      for (let n = 0; n < 50; n++) load.send(mq, 'p', n)
      // An acknowledgement says nothing once it is broken.
      await until('they are stored', async () => {
        const ends = await mover.admin('a').listOffsets(`${load.id}.e1`, [0, 1, 2], 'latest')
        return [...ends.values()].reduce((sum, end) => sum + end, 0n) === 50n
      })
      await mover.prepare(load.id, { cluster: 'b', partitions: 6 })
      const ends = await mover.seal(load.id, true)
      // Refused by the seal, held for the next epoch, and the process ends before that opens.
      for (let n = 50; n < 90; n++) load.send(mq, 'p', n)
      await pause(300)
      await mq.close({ deadlineMs: 50 }).catch(() => {})
      load.noteSeal(1, ends)
      mover.release(load.id, ends)
      const reader = await mover.connect()
      await load.consume(reader, 'g', 'one')
      await until('it is handled', () => load.handled >= 50, 15_000)
      await pause(700)
    }
    const { send } = Producer.prototype
    const receipt: Receipt = { topic: 'nowhere', partition: 0, baseOffset: 0n }
    const counts = await compare(t, 'early.ack', move, () => [
      mock(t, Producer.prototype, 'send', function (this: Producer, ...record: Parameters<typeof send>) {
        send.apply(this, record).catch(() => {})
        return Promise.resolve(receipt)
      }),
    ])
    assert.ok(counts.lost > 0 && counts['acked-not-stored'] > 0, JSON.stringify(counts))
  })
})

function mock<T extends object, K extends keyof T>(
  t: TestContext,
  prototype: T,
  method: K,
  instead: T[K],
): { restore(): void } {
  const { mock: mocked } = t.mock.method(prototype as never, method as never, instead as never) as {
    mock: { restore(): void }
  }
  return mocked
}
