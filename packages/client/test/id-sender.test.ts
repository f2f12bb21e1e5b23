import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Binding, type Epoch, MqError } from '@mq/contract'
import { encodeHeaders, type HeldBatch, type HeldRecord, MemoryBudget, type Receipt, type Resolution } from '@mq/kafka'
import type { SendOptions } from '../src/api/types.ts'
import type { EpochSwitch } from '../src/epochs/epoch-sender.ts'
import type { EpochWriter } from '../src/epochs/writer.ts'
import { IdSender } from '../src/send/id-sender.ts'
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
  const moves: EpochSwitch[] = []
  const refusals: MqError[] = []
  const asked: number[] = []
  const time = new FakeTime()
  const writers: TestWriter[] = []
  const sender = new IdSender({
    mqId: 'orders.placed',
    budget: new MemoryBudget(1_000_000),
    deps: time.deps,
    deadlineMs: 1_000,
    refetch: async () => void asked.push(writers.length),
    onRefused: (error) => refusals.push(error),
    onSwitched: (move) => moves.push(move),
    writerFor: (_: Binding, epoch: Epoch) => {
      writers.push(new TestWriter(epoch.epoch))
      return writers.at(-1) as unknown as EpochWriter
    },
  })
  return { sender, writers, time, asked, moves, refusals }
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'ok',
    (error: unknown) => (error instanceof MqError ? error.code : String(error)),
  )
}

describe('IdSender', () => {
  it('says how long sends were held between two epochs, and what became of those that were under way', async () => {
    const { sender, writers, time, moves } = open()
    sender.apply(OPEN)
    writers[0]!.held = [
      new TestHeld(0, [
        ['a', '1'],
        ['b', '2'],
      ]),
      new TestHeld(1, [['c', '3']], true),
    ]
    sender.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    await time.advance(80)
    sender.apply(NEXT)
    await time.advance(0)
    assert.deepEqual(moves, [
      { fromEpoch: 1, toEpoch: 2, writePauseMs: 80, handedOver: 2, found: 1, uncertain: 0, failed: 0 },
    ])
  })

  it('says how many sends failed in the pause, and none that failed before it', async () => {
    const { sender, writers, time, moves } = open()
    sender.apply(OPEN)
    writers[0]!.failedRecords = 5
    sender.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    // The producer gave up what it had, and what came later waits longer than a send may.
    writers[0]!.failedRecords = 8
    const late = sender.send({ n: 1 })
    await time.advance(1_100)
    await assert.rejects(late)
    sender.apply(NEXT)
    await time.advance(0)
    assert.equal(moves[0]?.failed, 4)
  })

  it('says nothing of a pause after which the same epoch went on', async () => {
    const { sender, moves, time } = open()
    sender.apply(OPEN)
    sender.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    await time.advance(10)
    sender.apply(bindingOf({ revision: 3 }))
    await time.advance(0)
    assert.deepEqual(moves, [])
  })

  it('lets sends wait for the binding and then leave first, in order (T2)', async () => {
    const { sender, writers } = open()
    const early = [sender.send({ n: 1 }, { key: 'a' }), sender.send({ n: 2 }, { key: 'a' })]
    sender.apply(OPEN)
    const late = sender.send({ n: 3 }, { key: 'a', headers: { h: 'v' }, timestampMs: 5 })
    assert.deepEqual(writers[0]!.sent, [
      ['a', '{"n":1}', undefined, undefined],
      ['a', '{"n":2}', undefined, undefined],
      ['a', '{"n":3}', encodeHeaders({ h: 'v' }), 5],
    ])
    writers[0]!.settle()
    await Promise.all([...early, late])
  })

  it('applies new settings to the writer it has', () => {
    const { sender, writers } = open()
    sender.apply(OPEN)
    const producer = { ...OPEN.producer, lingerMs: 50 }
    sender.apply(bindingOf({ revision: 2, producer }))
    assert.equal(writers.length, 1)
    assert.deepEqual(writers[0]!.updates, [producer])
  })

  it('rejects a wrong message and keeps going (T3)', async () => {
    const { sender, writers } = open()
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
      if (phase === 'open') sender.apply(OPEN)
      for (const [value, options] of wrong) {
        assert.equal(await codeOf(sender.send(value, options as SendOptions)), 'MQ_MESSAGE_INVALID', phase)
      }
    }
    assert.deepEqual(writers[0]!.sent, [])
  })

  it('refuses a message without a key where the latest of every key is kept, before and after the binding is there', async () => {
    const { sender, writers } = open()
    const early = [sender.send('1', { key: 'a' }), sender.send('2'), sender.send('3', { key: 'a' })]
    sender.apply(bindingOf({ keyRequired: true }))
    const late = [sender.send('4'), sender.send('5', { key: 'a' }), sender.send('6', { key: null })]
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
    const { sender, writers, time } = open()
    const controller = new AbortController()
    const { signal } = controller
    const nowMs = time.deps.clock.monotonicMs()
    const early = sender.send('early', { deadlineMs: 5_000, signal })
    await time.advance(100)
    sender.apply(OPEN)
    const late = sender.send('late', { deadlineMs: 300 })
    const stamped = sender.send('stamped', { timestampMs: 5 })
    assert.deepEqual(writers[0]!.limits, [
      { deadlineMs: nowMs + 5_000, signal, isAlone: true },
      { deadlineMs: nowMs + 400, signal: undefined, isAlone: true },
      { deadlineMs: undefined, signal: undefined, isAlone: true },
    ])
    writers[0]!.settle()
    await Promise.all([early, late, stamped])
    controller.abort()
    assert.equal(await codeOf(sender.send('gone', { signal })), 'MQ_SEND_CANCELLED')
    for (const wrong of [{ deadlineMs: 0 }, { deadlineMs: '5s' }, { deadlineMs: Number.NaN }, { signal: {} }]) {
      assert.equal(await codeOf(sender.send('x', wrong as SendOptions)), 'MQ_OPTION_INVALID')
    }
  })

  it('refuses an option it does not know with the nearest one, and a refusal that nobody awaits ends nothing', async () => {
    const { sender, refusals } = open()
    const unhandled: unknown[] = []
    const note = (reason: unknown): void => void unhandled.push(reason)
    process.on('unhandledRejection', note)
    sender.apply(OPEN)
    void sender.send('x', { timestamp: 5 } as SendOptions)
    void sender.send({ amount: 10n })
    void sender.send('x', { key: 7 } as unknown as SendOptions)
    void sender.send(new Map([[1, 2]]))
    sender.refuse(new MqError('MQ_ID_DELETED', 'deleted'))
    void sender.send('x')
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
    const { sender, writers } = open()
    sender.apply(OPEN)
    const stored = new TestHeld(0, [['a', 'stored']], true)
    const unsent = new TestHeld(0, [['a', '0']])
    writers[0]!.held = [stored, unsent]
    sender.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    const late = sender.send('1', { key: 'a' })
    assert.deepEqual(writers[0]!.steps, ['hold'])
    sender.apply(NEXT)
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
    void sender.send('2')
    assert.equal(writers[1]!.sent.length, 3)
  })

  it('waits for answers that are under way before it looks into the log, but only a moment (T6)', async () => {
    for (const isLost of [false, true]) {
      const { sender, writers, time } = open()
      sender.apply(OPEN)
      const answer = Promise.withResolvers<void>()
      writers[0]!.lastAnswer = answer.promise
      sender.apply(NEXT)
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
    const { sender, writers } = open()
    sender.apply(OPEN)
    const answer = Promise.withResolvers<void>()
    writers[0]!.lastAnswer = answer.promise
    const held = new TestHeld(0, [['a', '0']])
    writers[0]!.held = [held]
    sender.apply(NEXT)
    await sender.close(1, async () => {})
    answer.resolve()
    await assert.rejects(held.promise, (error: MqError) => error.code === 'MQ_CLOSED')
    assert.equal(writers.length, 1)
  })

  it('has the writer of an epoch that is being prepared, and lets go of it when the epoch is dropped (T7)', async () => {
    const { sender, writers } = open()
    const preparing = { ...OPEN.epochs[0]!, epoch: 2, topic: 'orders.placed.e2', state: 'preparing' as const }
    sender.apply(OPEN)
    sender.apply(bindingOf({ revision: 2, epochs: [OPEN.epochs[0]!, preparing] }))
    assert.deepEqual(writers[1]!.steps, ['warm'])
    sender.apply(bindingOf({ revision: 3 }))
    assert.ok(writers[1]!.closed)
    sender.apply(bindingOf({ revision: 4, epochs: [OPEN.epochs[0]!, preparing] }))
    const next = { ...preparing, state: 'open' as const }
    sender.apply(bindingOf({ revision: 5, epochs: [{ ...OPEN.epochs[0]!, state: 'sealed' }, next] }))
    for (let turns = 0; turns < 9; turns++) await turn()
    assert.deepEqual(writers[2]!.steps, ['warm', 'hurry', 'resume'])
    void sender.send('1')
    assert.equal(writers.length, 3)
    assert.equal(writers[2]!.sent.length, 1)
  })

  it('asks for the binding while its topic refuses, and tries the topic again when nothing is new (T5)', async () => {
    const { sender, writers, time, asked } = open()
    sender.apply(OPEN)
    writers[0]!.isRefused = true
    const followed = sender.sealed(writers[0] as unknown as EpochWriter)
    await turn()
    assert.equal(asked.length, 1)
    assert.deepEqual(writers[0]!.steps, [])
    await time.advance(5_000)
    await followed
    assert.deepEqual(writers[0]!.steps, ['resume'])
    assert.equal(asked.length, 4)
  })

  it('holds sends while no epoch is open, and writes on when the same one opens again', async () => {
    const { sender, writers, time } = open()
    sender.apply(OPEN)
    sender.apply(bindingOf({ revision: 2, epochs: [{ ...OPEN.epochs[0]!, state: 'sealing' }] }))
    const expired = codeOf(sender.send('1'))
    await time.advance(600)
    const held = sender.send('2')
    const dueMs = time.deps.clock.monotonicMs() + 1_000
    assert.equal(writers[0]!.sent.length, 0)
    await time.advance(400)
    assert.equal(await expired, 'MQ_SEND_TIMEOUT')
    sender.apply(bindingOf({ revision: 3 }))
    assert.equal(writers.length, 1)
    assert.equal(writers[0]!.sent.length, 1)
    assert.equal((writers[0]!.limits[0] as { deadlineMs: number }).deadlineMs, dueMs)
    writers[0]!.settle()
    await held
  })

  it('refuses sends to a deleted mQ ID, also those that wait, and takes them again when it is declared anew', async () => {
    const { sender, writers } = open()
    const waiting = codeOf(sender.send('1'))
    sender.apply(bindingOf({ revision: 2, deleted: true, epochs: [] }))
    assert.equal(await waiting, 'MQ_ID_DELETED')
    assert.equal(await codeOf(sender.send('2')), 'MQ_ID_DELETED')
    sender.apply(bindingOf({ revision: 3 }))
    void sender.send('3')
    assert.equal(writers[0]!.sent.length, 1)
  })

  it('takes sends again when it is deleted and declared anew while it goes to another epoch', async () => {
    const { sender, writers } = open()
    sender.apply(OPEN)
    const answer = Promise.withResolvers<void>()
    writers[0]!.lastAnswer = answer.promise
    sender.apply(NEXT)
    sender.apply(bindingOf({ revision: 4, deleted: true, epochs: [] }))
    assert.equal(await codeOf(sender.send('1')), 'MQ_ID_DELETED')
    const anew = { ...OPEN.epochs[0]!, epoch: 3, topic: 'orders.placed.e3' }
    sender.apply(bindingOf({ revision: 5, epochs: [anew] }))
    answer.resolve()
    for (let turns = 0; turns < 9; turns++) await turn()
    void sender.send('2')
    assert.deepEqual(
      writers.map(({ epoch, sent }) => [epoch, sent.length]),
      [
        [1, 0],
        [3, 1],
      ],
    )
  })

  it('says how many sends it could not settle when it is closed', async () => {
    const { sender, time } = open()
    const waiting = codeOf(sender.send('1'))
    const closed = sender.close(100, (limitMs) => time.advance(limitMs))
    assert.equal(await closed, 1)
    assert.equal(await waiting, 'MQ_CLOSED')
    assert.equal(await codeOf(sender.send('2')), 'MQ_CLOSED')
  })
})
