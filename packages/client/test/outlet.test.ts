import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Binding, type Epoch, MqError } from '@mq/contract'
import { encodeHeaders, type HeldBatch, type HeldRecord, MemoryBudget, type Receipt, type Resolution } from '@mq/kafka'
import type { SendOptions } from '../src/api/types.ts'
import type { EpochWriter } from '../src/epochs/writer.ts'
import { Outlet, type OutletMove } from '../src/send/outlet.ts'
import { bindingOf } from './support/bindings.ts'
import { TestHeld } from './support/held.ts'
import { FakeTime, turn } from './support/time.ts'

const OPEN = bindingOf()
const NEXT = bindingOf({
  revision: 3,
  epochs: [
    { ...OPEN.epochs[0]!, state: 'sealed' },
    { ...OPEN.epochs[0]!, epoch: 2, topic: 'orders.placed.e2' },
  ],
})

/** A writer that notes what it was given and settles when the test says so. */
class TestWriter {
  readonly epoch: number
  readonly sent: unknown[][] = []
  readonly limits: unknown[] = []
  readonly updates: unknown[] = []
  closed = false
  readonly steps: string[] = []
  held: HeldBatch[] = []
  isRefused = false
  readonly #open: (() => void)[] = []
  readonly topic = {}
  readonly producer = {
    send: (_topic: unknown, ...record: unknown[]): Promise<Receipt> => {
      this.sent.push(record.slice(0, 4))
      this.limits.push(record[4])
      return new Promise((resolve) => this.#open.push(() => resolve({ topic: 't', partition: 0, baseOffset: 0n })))
    },
    flush: async (): Promise<void> => {
      while (this.#open.length > 0) await turn()
    },
  }

  constructor(epoch: number) {
    this.epoch = epoch
  }

  writes(epoch: { epoch: number }): boolean {
    return epoch.epoch === this.epoch
  }

  update(binding: { producer: unknown }): void {
    this.updates.push(binding.producer)
  }

  async close(): Promise<void> {
    this.closed = true
  }

  warm(): void {
    this.steps.push('warm')
  }

  hold(): void {
    this.steps.push('hold')
  }

  resume(): void {
    this.steps.push('resume')
    this.isRefused = false
  }

  failedRecords = 0

  hurry(): void {
    this.steps.push('hurry')
  }

  lastAnswer: Promise<void> = Promise.resolve()

  answered(): Promise<void> {
    return this.lastAnswer
  }

  takeOver(): HeldBatch[] {
    this.steps.push('taken')
    return this.held
  }

  adopt({ key, value }: HeldRecord): Promise<Receipt> {
    return this.producer.send(undefined, String(key), String(value), undefined, undefined)
  }

  async placed(): Promise<void> {}

  async find(): Promise<Resolution> {
    this.steps.push('looked up')
    return { kind: 'stored', baseOffset: 7n }
  }

  settle(): void {
    for (const resolve of this.#open.splice(0)) resolve()
  }
}

function open() {
  const moves: OutletMove[] = []
  const refusals: MqError[] = []
  const asked: number[] = []
  const time = new FakeTime()
  const writers: TestWriter[] = []
  const outlet = new Outlet({
    mqId: 'orders.placed',
    budget: new MemoryBudget(1_000_000),
    deps: time.deps,
    deadlineMs: 1_000,
    refetch: async () => void asked.push(writers.length),
    onRefused: (error) => refusals.push(error),
    onMoved: (move) => moves.push(move),
    writerFor: (_: Binding, epoch: Epoch) => {
      writers.push(new TestWriter(epoch.epoch))
      return writers.at(-1) as unknown as EpochWriter
    },
  })
  return { outlet, writers, time, asked, moves, refusals }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof MqError ? error.code : String(error)),
  )
}

describe('Outlet', () => {
  it('says how long sends were held between two epochs, and what became of those that were under way', async () => {
    const { outlet, writers, time, moves } = open()
    outlet.apply(OPEN)
    writers[0]!.held = [
      new TestHeld(0, [
        ['a', '1'],
        ['b', '2'],
      ]),
      new TestHeld(1, [['c', '3']], true),
    ]
    outlet.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    await time.advance(80)
    outlet.apply(NEXT)
    await time.advance(0)
    assert.deepEqual(moves, [
      { fromEpoch: 1, toEpoch: 2, writePauseMs: 80, handedOver: 2, found: 1, uncertain: 0, failed: 0 },
    ])
  })

  it('says how many sends failed in the pause, and none that failed before it', async () => {
    const { outlet, writers, time, moves } = open()
    outlet.apply(OPEN)
    writers[0]!.failedRecords = 5
    outlet.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    // The producer gave up what it had, and what came later waits longer than a send may.
    writers[0]!.failedRecords = 8
    const late = outlet.send({ n: 1 })
    await time.advance(1_100)
    await assert.rejects(late)
    outlet.apply(NEXT)
    await time.advance(0)
    assert.equal(moves[0]?.failed, 4)
  })

  it('says nothing of a pause after which the same epoch went on', async () => {
    const { outlet, moves, time } = open()
    outlet.apply(OPEN)
    outlet.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    await time.advance(10)
    outlet.apply(bindingOf({ revision: 3 }))
    await time.advance(0)
    assert.deepEqual(moves, [])
  })

  it('lets sends wait for the binding and then leave first, in order (T2)', async () => {
    const { outlet, writers } = open()
    const early = [outlet.send({ n: 1 }, { key: 'a' }), outlet.send({ n: 2 }, { key: 'a' })]
    outlet.apply(OPEN)
    const late = outlet.send({ n: 3 }, { key: 'a', headers: { h: 'v' }, timestampMs: 5 })
    assert.deepEqual(writers[0]!.sent, [
      ['a', '{"n":1}', undefined, undefined],
      ['a', '{"n":2}', undefined, undefined],
      ['a', '{"n":3}', encodeHeaders({ h: 'v' }), 5],
    ])
    writers[0]!.settle()
    await Promise.all([...early, late])
  })

  it('applies new settings to the writer it has', () => {
    const { outlet, writers } = open()
    outlet.apply(OPEN)
    const producer = { ...OPEN.producer, lingerMs: 50 }
    outlet.apply(bindingOf({ revision: 2, producer }))
    assert.equal(writers.length, 1)
    assert.deepEqual(writers[0]!.updates, [producer])
  })

  it('rejects a wrong message and keeps going (T3)', async () => {
    const { outlet, writers } = open()
    const wrong: [unknown, unknown][] = [
      [undefined, {}],
      [10n, {}],
      [{ a: 1 }, 'a key'],
      [{ a: 1 }, null],
      [{ a: 1 }, { key: 7 }],
      [{ a: 1 }, { key: {} }],
      [{ a: 1 }, { timestampMs: 'now' }],
      [{ a: 1 }, { timestampMs: -1 }],
      [{ a: 1 }, { timestampMs: Number.NaN }],
      [{ a: 1 }, { headers: 'x' }],
      [{ a: 1 }, { headers: ['x'] }],
      [{ a: 1 }, { headers: { h: 1 } }],
      [{ a: 1 }, { headers: { h: undefined } }],
      [{ a: 1 }, { headers: new Date() }],
    ]
    for (const phase of ['waiting', 'open']) {
      if (phase === 'open') outlet.apply(OPEN)
      for (const [value, options] of wrong) {
        assert.equal(await codeOf(outlet.send(value, options as SendOptions)), 'MQ_MESSAGE_INVALID', phase)
      }
    }
    assert.deepEqual(writers[0]!.sent, [])
  })

  it('refuses a message without a key where the latest of every key is kept, before and after the binding is there', async () => {
    const { outlet, writers } = open()
    const early = [outlet.send('1', { key: 'a' }), outlet.send('2'), outlet.send('3', { key: 'a' })]
    outlet.apply(bindingOf({ keyRequired: true }))
    const late = [outlet.send('4'), outlet.send('5', { key: 'a' }), outlet.send('6', { key: null })]
    writers[0]!.settle()
    const codes = await Promise.all([...early, ...late].map(codeOf))
    const refused = 'MQ_MESSAGE_INVALID'
    assert.deepEqual(codes, ['ok', refused, 'ok', refused, 'ok', refused])
    assert.deepEqual(
      writers[0]!.sent.map(([key, value]) => [key, value]),
      [
        ['a', '"1"'],
        ['a', '"3"'],
        ['a', '"5"'],
      ],
    )
  })

  it('takes a deadline and a signal for one send, and keeps both while there is no writable epoch', async () => {
    const { outlet, writers, time } = open()
    const controller = new AbortController()
    const { signal } = controller
    const nowMs = time.deps.clock.monotonicMs()
    const early = outlet.send('early', { deadlineMs: 5_000, signal })
    await time.advance(100)
    outlet.apply(OPEN)
    const late = outlet.send('late', { deadlineMs: 300 })
    const stamped = outlet.send('stamped', { timestampMs: 5 })
    assert.deepEqual(writers[0]!.limits, [
      { deadlineMs: nowMs + 5_000, signal, isAlone: true },
      { deadlineMs: nowMs + 400, signal: undefined, isAlone: true },
      { deadlineMs: undefined, signal: undefined, isAlone: true },
    ])
    writers[0]!.settle()
    await Promise.all([early, late, stamped])
    controller.abort()
    assert.equal(await codeOf(outlet.send('gone', { signal })), 'MQ_SEND_CANCELLED')
    for (const wrong of [{ deadlineMs: 0 }, { deadlineMs: '5s' }, { deadlineMs: Number.NaN }, { signal: {} }]) {
      assert.equal(await codeOf(outlet.send('x', wrong as SendOptions)), 'MQ_OPTION_INVALID')
    }
  })

  it('refuses an option it does not know with the nearest one, and a refusal that nobody awaits ends nothing', async () => {
    const { outlet, refusals } = open()
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    outlet.apply(OPEN)
    void outlet.send('x', { timestamp: 5 } as SendOptions)
    void outlet.send({ amount: 10n })
    void outlet.send('x', { key: 7 } as unknown as SendOptions)
    void outlet.send(new Map([[1, 2]]))
    outlet.refuse(new MqError('MQ_ID_DELETED', 'deleted'))
    void outlet.send('x')
    await new Promise((resolve) => setTimeout(resolve, 10))
    process.off('unhandledRejection', note)
    assert.deepEqual(unhandled, [])
    assert.deepEqual(
      refusals.map(({ code }) => code),
      ['MQ_OPTION_INVALID', 'MQ_MESSAGE_INVALID', 'MQ_MESSAGE_INVALID', 'MQ_MESSAGE_INVALID', 'MQ_ID_DELETED'],
    )
    assert.match(refusals[0]!.message, /no option 'timestamp'; did you mean 'timestampMs'\?/)
    assert.match(refusals[3]!.message, /is a Map/)
  })

  it('goes to a new epoch with what the old one held first, and acknowledges what its log has (T4)', async () => {
    const { outlet, writers } = open()
    outlet.apply(OPEN)
    const stored = new TestHeld(0, [['a', 'stored']], true)
    const unsent = new TestHeld(0, [['a', '0']])
    writers[0]!.held = [stored, unsent]
    outlet.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    const late = outlet.send('1', { key: 'a' })
    assert.deepEqual(writers[0]!.steps, ['hold'])
    outlet.apply(NEXT)
    for (let turns = 0; turns < 9; turns++) await turn()
    assert.deepEqual(writers[0]!.steps, ['hold', 'hold', 'taken', 'looked up'])
    assert.ok(writers[0]!.closed)
    assert.equal((await stored.promise).baseOffset, 7n)
    assert.deepEqual(writers[1]!.sent, [
      ['a', '0', undefined, undefined],
      ['a', '"1"', undefined, undefined],
    ])
    assert.equal(unsent.settled, false)
    writers[1]!.settle()
    await Promise.all([unsent.promise, late])
    void outlet.send('2')
    assert.equal(writers[1]!.sent.length, 3)
  })

  it('waits for answers that are under way before it looks into the log, but only a moment (T6)', async () => {
    for (const isLost of [false, true]) {
      const { outlet, writers, time } = open()
      outlet.apply(OPEN)
      const answer = Promise.withResolvers<void>()
      writers[0]!.lastAnswer = answer.promise
      outlet.apply(NEXT)
      await time.advance(100)
      assert.deepEqual(writers[0]!.steps, ['hold'])
      if (!isLost) answer.resolve()
      await time.advance(isLost ? 450 : 0)
      for (let turns = 0; turns < 9; turns++) await turn()
      assert.deepEqual(writers[0]!.steps, ['hold', 'taken'])
      assert.equal(writers.length, 2)
    }
  })

  it('rejects what it takes over from an epoch after it was closed (T6)', async () => {
    const { outlet, writers } = open()
    outlet.apply(OPEN)
    const answer = Promise.withResolvers<void>()
    writers[0]!.lastAnswer = answer.promise
    const held = new TestHeld(0, [['a', '0']])
    writers[0]!.held = [held]
    outlet.apply(NEXT)
    await outlet.close(1, async () => {})
    answer.resolve()
    await assert.rejects(held.promise, (error: MqError) => error.code === 'MQ_CLOSED')
    assert.equal(writers.length, 1)
  })

  it('has the writer of an epoch that is being prepared, and lets go of it when the epoch is dropped (T7)', async () => {
    const { outlet, writers } = open()
    const preparing = { ...OPEN.epochs[0]!, epoch: 2, topic: 'orders.placed.e2', state: 'preparing' as const }
    outlet.apply(OPEN)
    outlet.apply(bindingOf({ revision: 2, epochs: [OPEN.epochs[0]!, preparing] }))
    assert.deepEqual(writers[1]!.steps, ['warm'])
    outlet.apply(bindingOf({ revision: 3 }))
    assert.ok(writers[1]!.closed)
    outlet.apply(bindingOf({ revision: 4, epochs: [OPEN.epochs[0]!, preparing] }))
    const next = { ...preparing, state: 'open' as const }
    outlet.apply(bindingOf({ revision: 5, epochs: [{ ...OPEN.epochs[0]!, state: 'sealed' }, next] }))
    for (let turns = 0; turns < 9; turns++) await turn()
    assert.deepEqual(writers[2]!.steps, ['warm', 'hurry', 'resume'])
    void outlet.send('1')
    assert.equal(writers.length, 3)
    assert.equal(writers[2]!.sent.length, 1)
  })

  it('asks for the binding while its topic refuses, and tries the topic again when nothing is new (T5)', async () => {
    const { outlet, writers, time, asked } = open()
    outlet.apply(OPEN)
    writers[0]!.isRefused = true
    const followed = outlet.sealed(writers[0] as unknown as EpochWriter)
    await turn()
    assert.equal(asked.length, 1)
    assert.deepEqual(writers[0]!.steps, [])
    await time.advance(5_000)
    await followed
    assert.deepEqual(writers[0]!.steps, ['resume'])
    assert.equal(asked.length, 4)
  })

  it('holds sends while no epoch is open, and writes on when the same one opens again', async () => {
    const { outlet, writers, time } = open()
    outlet.apply(OPEN)
    outlet.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    const expired = codeOf(outlet.send('1'))
    await time.advance(600)
    const held = outlet.send('2')
    const dueMs = time.deps.clock.monotonicMs() + 1_000
    assert.equal(writers[0]!.sent.length, 0)
    await time.advance(400)
    assert.equal(await expired, 'MQ_SEND_TIMEOUT')
    outlet.apply(bindingOf({ revision: 3 }))
    assert.equal(writers.length, 1)
    assert.equal(writers[0]!.sent.length, 1)
    assert.equal((writers[0]!.limits[0] as { deadlineMs: number }).deadlineMs, dueMs)
    writers[0]!.settle()
    await held
  })

  it('refuses sends to a deleted mQ ID, also those that wait, and takes them again when it is declared anew', async () => {
    const { outlet, writers } = open()
    const waiting = codeOf(outlet.send('1'))
    outlet.apply(bindingOf({ revision: 2, deleted: true, epochs: [] }))
    assert.equal(await waiting, 'MQ_ID_DELETED')
    assert.equal(await codeOf(outlet.send('2')), 'MQ_ID_DELETED')
    outlet.apply(bindingOf({ revision: 3 }))
    void outlet.send('3')
    assert.equal(writers[0]!.sent.length, 1)
  })

  it('takes sends again when it is deleted and declared anew while it goes to another epoch', async () => {
    const { outlet, writers } = open()
    outlet.apply(OPEN)
    const answer = Promise.withResolvers<void>()
    writers[0]!.lastAnswer = answer.promise
    outlet.apply(NEXT)
    outlet.apply(bindingOf({ revision: 4, deleted: true, epochs: [] }))
    assert.equal(await codeOf(outlet.send('1')), 'MQ_ID_DELETED')
    const anew = { ...OPEN.epochs[0]!, epoch: 3, topic: 'orders.placed.e3' }
    outlet.apply(bindingOf({ revision: 5, epochs: [anew] }))
    answer.resolve()
    for (let turns = 0; turns < 9; turns++) await turn()
    void outlet.send('2')
    assert.deepEqual(
      writers.map(({ epoch, sent }) => [epoch, sent.length]),
      [
        [1, 0],
        [3, 1],
      ],
    )
  })

  it('says how many sends it could not settle when it is closed', async () => {
    const { outlet, time } = open()
    const waiting = codeOf(outlet.send('1'))
    const closed = outlet.close(100, (limitMs) => time.advance(limitMs))
    assert.equal(await closed, 1)
    assert.equal(await waiting, 'MQ_CLOSED')
    assert.equal(await codeOf(outlet.send('2')), 'MQ_CLOSED')
  })
})
