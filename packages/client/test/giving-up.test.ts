/** Attempts over processes, dead letters before positions, keys that go on (Y6, F1, F2, GU1-GU4, RP1). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MqError } from '@mq/contract'
import type { Message } from '../src/api/types.ts'
import { FOREVER, policyOf, type RetryPolicy } from '../src/consume/retry-policy.ts'
import { type GivingUpParts, givingUp } from '../src/dead-letters/giving-up.ts'
import type { DeadLetter } from '../src/dead-letters/letter.ts'
import { RecordMessage } from '../src/formats/message.ts'
import { open, TestBatch, TOPIC } from './support/reader-rig.ts'
import { FakeTime } from './support/time.ts'

interface Rig {
  readonly letters: string[]
  readonly written: DeadLetter[]
  readonly gaveUp: number[]
  fail: Error | undefined
  policy: RetryPolicy
  parts: GivingUpParts
}

function rig(policy = policyOf(undefined, { deadLetter: true, retry: { attempts: 3 } })): Rig {
  const made: Rig = {
    letters: [],
    written: [],
    gaveUp: [],
    fail: undefined,
    policy,
    parts: {
      group: 'g',
      app: 'test',
      deps: new FakeTime().deps,
      policy: () => made.policy,
      letters: {
        write: async (letter) => {
          if (made.fail !== undefined) throw made.fail
          made.written.push(letter)
          made.letters.push(`${letter.facts.offset}x${letter.facts.attempts}`)
        },
      },
      onLastFailure: () => {},
      onGivenUp: (message) => void made.gaveUp.push(Number(message.offset)),
    },
  }
  return made
}

/** Keys are offset % 3 in the rig. */
const failing =
  (bad: ReadonlySet<number>, seen: string[] = []) =>
  (message: Message): void => {
    seen.push(`${message.offset}#${message.attempt}`)
    if (bad.has(Number(message.offset))) throw new TypeError(`no ${message.offset}`)
  }

describe('giving up', () => {
  it('puts a message aside after its attempts, lets its key go on, and confirms it only then (GU1)', async () => {
    const seen: string[] = []
    const { parts, letters, gaveUp, written } = rig()
    const { kafka, time } = await open(givingUp(failing(new Set([6]), seen), parts))
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6, 7, 8, 9], 10))
    await time.advance(0)
    assert.deepEqual(seen, ['5#1', '6#1', '7#1', '8#1'], '9 has the key of 6 and waits')
    await time.advance(100)
    assert.deepEqual([seen.at(-1), letters], ['6#2', []])
    await time.advance(100)
    assert.deepEqual([seen.slice(-2), letters, gaveUp], [['6#3', '9#1'], ['6x3'], [6]])
    await time.advance(1_000)
    assert.equal(kafka.commits.at(-1), '0@10')
    const { reason, firstFailedAtMs, group, id } = written[0]!.facts
    assert.deepEqual(
      [reason.name, reason.message, reason.kind, group, id],
      ['TypeError', 'no 6', 'handler', 'g', 'orders.placed'],
    )
    assert.ok(firstFailedAtMs > 0)
  })

  it('does not pass a message whose letter cannot be written, and never calls its handler again for that (GU1, GU2)', async () => {
    const seen: string[] = []
    const made = rig()
    made.fail = new MqError('MQ_KAFKA_UNAVAILABLE', 'the cluster is away')
    const { kafka, time } = await open(givingUp(failing(new Set([6]), seen), made.parts))
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6, 7, 8, 9], 10))
    await time.advance(60_000)
    assert.deepEqual(seen, ['5#1', '6#1', '7#1', '8#1', '6#2', '6#3'])
    assert.equal(kafka.commits.at(-1), '0@6')
    assert.equal(kafka.notes.get(0)?.failing?.[0]?.attempts, 2, 'trials of writing are no attempts')
    made.fail = undefined
    await time.advance(2_000)
    assert.deepEqual([made.letters, kafka.commits.at(-1), seen.at(-1)], [['6x3'], '0@10', '9#1'])
  })

  it('counts attempts over processes; what another process used up is tried once more (F1, GU3, Y6)', async () => {
    const first: string[] = []
    const one = await open(givingUp(failing(new Set([6, 7]), first), rig().parts))
    await one.kafka.assign(0)
    one.kafka.deliver(new TestBatch(0, [5, 6, 7, 8], 9))
    await one.time.advance(150)
    await one.reader.close(1_000)
    assert.deepEqual(first, ['5#1', '6#1', '7#1', '8#1', '6#2', '7#2'])
    const { committed, notes } = one.kafka
    assert.deepEqual(
      [committed.get(`${TOPIC}:0`), notes.get(0)?.failing?.map(({ offset, attempts }) => [offset, attempts])],
      [
        6n,
        [
          [6n, 2],
          [7n, 2],
        ],
      ],
    )

    const second: string[] = []
    const next = rig(policyOf(undefined, { deadLetter: true, retry: { attempts: 2 } }))
    const two = await open(givingUp(failing(new Set([6]), second), next.parts))
    two.kafka.committed.set(`${TOPIC}:0`, 6n)
    two.kafka.notes.set(0, notes.get(0)!)
    await two.kafka.assign(0)
    two.kafka.deliver(new TestBatch(0, [6, 7, 8], 9))
    await two.time.advance(1_000)
    assert.deepEqual(second, ['6#3', '7#3'], '8 was finished before')
    assert.deepEqual([next.letters, two.kafka.commits.at(-1)], [['6x3'], '0@9'])
    assert.equal(next.written[0]!.facts.firstFailedAtMs, notes.get(0)!.failing![0]!.firstFailedAtMs)
  })

  it('forgets attempts at records that are others after an unclean election (F1)', async () => {
    const seen: string[] = []
    const { kafka, time } = await open(failing(new Set([6]), seen))
    kafka.committed.set(`${TOPIC}:0`, 6n)
    const failed = [
      { offset: 6n, attempts: 4, firstFailedAtMs: 1 },
      { offset: 8n, attempts: 4, firstFailedAtMs: 1 },
    ]
    kafka.notes.set(0, { finished: [], leaderEpoch: 0, failing: failed })
    kafka.epochEnd = { leaderEpoch: 0, endOffset: 8n }
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [6, 7, 8], 9))
    await time.advance(0)
    assert.deepEqual(seen, ['6#5', '7#1', '8#1'])
  })

  it('gives nothing up without being asked to, however often it fails (RP1)', async () => {
    const seen: string[] = []
    const made = rig(FOREVER)
    const { kafka, time } = await open(givingUp(failing(new Set([5]), seen), made.parts))
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 8], 9))
    await time.advance(50 * 100)
    assert.ok(seen.length > 40)
    assert.deepEqual([made.letters, seen.includes('8#1'), kafka.committed.get(`${TOPIC}:0`)], [[], false, 5n])
    made.policy = policyOf(undefined, { deadLetter: true })
    await time.advance(1_100)
    assert.deepEqual([made.letters.length, seen.at(-1), kafka.committed.get(`${TOPIC}:0`)], [1, '8#1', 9n])
  })

  it('gives up at once what cannot be decoded, where that was asked for (GU4)', async () => {
    for (const [undecodable, attempts] of [
      ['dead-letter', 1],
      ['retry', 3],
    ] as const) {
      const made = rig(policyOf(undefined, { deadLetter: true, undecodable, retry: { attempts: 3 } }))
      const poison = new MqError('MQ_DECODE_FAILED', 'not JSON')
      const handler = givingUp((message) => {
        RecordMessage.setPoison(message, poison)
        throw poison
      }, made.parts)
      const { kafka, time } = await open(handler)
      await kafka.assign(0)
      kafka.deliver(new TestBatch(0, [5], 6))
      await time.advance(1_000)
      const { reason, attempts: told } = made.written[0]!.facts
      assert.deepEqual(
        [made.written.length, told, reason.kind, reason.code],
        [1, attempts, 'undecodable', 'MQ_DECODE_FAILED'],
      )
    }
  })

  it('makes no dead letter of what fails once its partition is somebody else’s, or once it was told to stop (GU5)', async () => {
    for (const end of ['taken away', 'over', 'neither'] as const) {
      const made = rig(policyOf(undefined, { deadLetter: true, retry: { attempts: 1 } }))
      let isOver = false
      made.parts = { ...made.parts, isOver: () => isOver }
      const running = Promise.withResolvers<void>()
      const { kafka, time } = await open(givingUp(() => running.promise, made.parts))
      await kafka.assign(0)
      kafka.deliver(new TestBatch(0, [5], 6))
      await time.advance(0)
      if (end === 'taken away') {
        const revoked = kafka.revoke(0)
        await time.advance(60_000)
        await revoked
      } else isOver = end === 'over'
      running.reject(new Error('stopped'))
      await time.advance(0)
      assert.deepEqual(made.letters, end === 'neither' ? ['5x1'] : [], end)
    }
  })

  it('keeps asynchronous handlers and letters of a slow write apart from other keys', async () => {
    const made = rig(policyOf(undefined, { deadLetter: true, retry: { attempts: 1 } }))
    const slow = Promise.withResolvers<void>()
    const { write } = made.parts.letters
    made.parts = { ...made.parts, letters: { write: (letter) => slow.promise.then(() => write(letter)) } }
    const seen: string[] = []
    const sync = failing(new Set([5]), seen)
    const { kafka, time } = await open(givingUp(async (message) => sync(message), made.parts))
    await kafka.assign(0)
    kafka.deliver(new TestBatch(0, [5, 6, 7, 8], 9))
    await time.advance(1_500)
    assert.deepEqual([seen, kafka.committed.get(`${TOPIC}:0`)], [['5#1', '6#1', '7#1'], 5n])
    slow.resolve()
    await time.advance(1_500)
    assert.deepEqual([seen.at(-1), made.letters, kafka.committed.get(`${TOPIC}:0`)], ['8#1', ['5x1'], 9n])
  })
})
