/** Records that Kafka refuses, and their neighbours (partition-sender P10, send-promise S3, produce-outcome O4). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MqError } from '@mq/contract'
import type { ProduceAttempt, ProduceFault } from '@mq/testkit'
import fc from 'fast-check'
import { code, numbered, onStage, TIMEOUT, values } from './produce-stage.ts'

const INVALID_TIMESTAMP = 32
const INVALID_RECORD = 87
const isBad = (value: Buffer | null): boolean => value?.toString().startsWith('bad') === true

/** Refuses batches with a bad record, as a leader does that validates records. */
function validate({ records }: ProduceAttempt, isNaming = true, codeOf = INVALID_RECORD): ProduceFault | undefined {
  const recordErrors = records.flatMap(({ value }, index) =>
    isBad(value) ? [{ index, message: `not wanted in t-0` }] : [],
  )
  if (recordErrors.length === 0) return undefined
  return {
    kind: 'answer',
    code: codeOf,
    ...(isNaming ? { recordErrors } : {}),
    message: 'One or more records were rejected',
  }
}

const withBad = (count: number, ...bad: readonly number[]): string[] =>
  numbered(count).map((value, n) => (bad.includes(n) ? `bad ${value}` : value))

/** Which of them were rejected, and with what. */
async function rejected(sends: readonly Promise<unknown>[]): Promise<Map<number, MqError>> {
  const results = await Promise.allSettled(sends)
  return new Map(results.flatMap((result, n) => (result.status === 'rejected' ? [[n, result.reason as MqError]] : [])))
}

for (const isNaming of [true, false]) {
  const how = isNaming ? 'named' : 'not named'
  test(`a record that is refused and ${how} fails alone, and its neighbours are stored in order (P10)`, TIMEOUT, () =>
    onStage(
      { onProduce: (attempt) => validate(attempt, isNaming) },
      { label: 'orders.placed', settings: { lingerMs: 20 } },
      async ({ broker, producer, budget, failures }) => {
        const topic = producer.topic('t', 1)
        const sent = withBad(7, 2, 5)
        const failed = await rejected(sent.map((value) => producer.send(topic, 'k', value)))
        assert.deepEqual([...failed.keys()], [2, 5])
        for (const error of failed.values()) {
          assert.ok(code('MQ_MESSAGE_REFUSED')(error))
          assert.equal(error.retryable, false)
          assert.equal(error.details.maybeStored, false)
          assert.match(
            error.message,
            isNaming ? /orders\.placed: not wanted in orders\.placed, partition 0/ : /rejected/,
          )
          assert.doesNotMatch(error.message, /\bt-0\b/)
        }
        assert.deepEqual(
          values(broker),
          sent.filter((value) => !value.startsWith('bad')),
        )
        assert.equal(
          failures.reduce((sum, { records }) => sum + records, 0),
          2,
        )
        // It was certain that nothing was appended: no new epoch, no gap.
        await producer.send(topic, 'k', 'last')
        assert.ok(broker.log('t', 0).batches.every(({ producerEpoch }) => producerEpoch === 0))
        assert.equal(budget.usedBytes, 0)
      },
    ),
  )
}

test('a batch of which every record is refused leaves nothing behind (P10)', TIMEOUT, () =>
  onStage(
    { onProduce: (attempt) => validate(attempt) },
    { settings: { lingerMs: 20 } },
    async ({ broker, producer, budget }) => {
      const topic = producer.topic('t', 1)
      const failed = await rejected(withBad(4, 0, 1, 2, 3).map((value) => producer.send(topic, 'k', value)))
      assert.equal(failed.size, 4)
      await producer.send(topic, 'k', 'm')
      assert.deepEqual(values(broker), ['m'])
      assert.equal(broker.log('t', 0).batches[0]!.baseSequence, 0)
      assert.equal(budget.usedBytes, 0)
    },
  ),
)

test('partitions of one request are refused each by itself', TIMEOUT, () =>
  onStage(
    { onProduce: (attempt) => validate(attempt) },
    { settings: { lingerMs: 20 } },
    async ({ broker, producer }) => {
      const topic = producer.topic('wide', 3)
      const sent = withBad(60, 7, 31)
      const failed = await rejected(
        sent.map((value, n) => producer.send(topic, `key ${n}`, value, undefined, undefined, { isAlone: true })),
      )
      assert.deepEqual([...failed.keys()], [7, 31])
      const stored = [0, 1, 2].flatMap((partition) => values(broker, partition, 'wide'))
      assert.deepEqual(stored.sort(), sent.filter((value) => !value.startsWith('bad')).sort())
    },
  ),
)

test(
  'records that share a promise with a refused one are stored, all of them are uncertain, and from then on each fails alone (S3)',
  TIMEOUT,
  () =>
    onStage(
      { onProduce: (attempt) => validate(attempt) },
      { settings: { lingerMs: 20 } },
      async ({ broker, producer }) => {
        const topic = producer.topic('t', 1)
        const sendAll = (from: number): Promise<Map<number, MqError>> =>
          rejected(numbered(30, from).map((value, n) => producer.send(topic, 'k', n === 20 ? `bad ${value}` : value)))
        const first = await sendAll(0)
        // The first eight have promises of their own.
        assert.deepEqual(
          [...first.keys()],
          numbered(22, 8).map((_, n) => n + 8),
        )
        for (const error of first.values()) {
          assert.ok(code('MQ_SEND_UNCERTAIN')(error))
          assert.deepEqual(
            [error.details.refused, error.details.othersStored, error.details.maybeStored],
            [1, true, true],
          )
          assert.match(error.message, /refused 1 message .* others that were sent in the same moment are stored/)
        }
        assert.deepEqual([...(await sendAll(30)).keys()], [20])
        assert.equal(values(broker).length, 58)
      },
    ),
)

test(
  'a refusal after an attempt that nobody answered says nothing of that attempt: all of it is uncertain (P10)',
  TIMEOUT,
  () => {
    const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined =>
      attempt.index === 0 ? { kind: 'cut', append: true } : validate(attempt, true, INVALID_TIMESTAMP)
    return onStage({ onProduce }, { settings: { lingerMs: 20 } }, async ({ broker, producer, budget }) => {
      const topic = producer.topic('t', 1)
      const sent = withBad(3, 1)
      const failed = await rejected(sent.map((value) => producer.send(topic, 'k', value)))
      assert.deepEqual(
        [...failed.values()].map((error) => [error.code, error.details.maybeStored]),
        Array(3).fill(['MQ_SEND_UNCERTAIN', true]),
      )
      await producer.send(topic, 'k', 'next')
      assert.deepEqual(values(broker), [...sent, 'next'])
      assert.equal(broker.log('t', 0).batches.at(-1)!.producerEpoch, 1)
      assert.equal(budget.usedBytes, 0)
    })
  },
)

test('what is left of a batch that was refused on hold goes to the owner in order (P9, P10)', TIMEOUT, () => {
  let hold = (): void => {}
  const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined => {
    hold()
    return validate(attempt)
  }
  return onStage({ onProduce }, { settings: { lingerMs: 20 } }, async ({ producer, budget }) => {
    const topic = producer.topic('t', 1)
    hold = () => producer.hold(topic)
    const sends = withBad(5, 3).map((value) => producer.send(topic, 'k', value))
    await assert.rejects(sends[3]!, code('MQ_MESSAGE_REFUSED'))
    await producer.answered()
    const held = producer.takeOver(topic)
    assert.deepEqual(
      held.flatMap((batch) => batch.records().map(({ value }) => value?.toString())),
      ['m0', 'm1', 'm2', 'm4'],
    )
    assert.deepEqual(
      held.map(({ question }) => question),
      [undefined],
    )
    for (const batch of held) {
      batch.resolve({ topic: 'next', partition: 0, baseOffset: 0n })
      batch.letGo()
    }
    assert.equal((await rejected(sends)).size, 1)
    assert.equal(budget.usedBytes, 0)
  })
})

test('whatever is refused, lost and sent again: every record is stored once and in order, or its sender knows (P10, R2)', {
  timeout: 300_000,
}, async () => {
  const faults = fc.constantFrom('none', 'none', 'none', 'cut', 'stored', 'again')
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.boolean(), { minLength: 1, maxLength: 60 }),
      fc.array(faults, { maxLength: 6 }),
      fc.boolean(),
      fc.constantFrom('none', 'zstd'),
      async (bad, plan, isNaming, codec) => {
        let at = 0
        const onProduce = (attempt: ProduceAttempt): ProduceFault | undefined => {
          const fault = plan[at++] ?? 'none'
          const refused = validate(attempt, isNaming)
          if (fault === 'cut') return { kind: 'cut' }
          if (fault === 'stored' && refused === undefined) return { kind: 'cut', append: true }
          if (fault === 'again') return { kind: 'answer', code: 19 }
          return refused
        }
        await onStage(
          { onProduce },
          { settings: { lingerMs: 5, codec: codec as 'none' } },
          async ({ broker, producer, budget }) => {
            const topic = producer.topic('t', 1)
            const sent = bad.map((one, n) => (one ? `bad ${n}` : `${n}`))
            const alone = { isAlone: true }
            const failed = await rejected(
              sent.map((value) => producer.send(topic, 'k', value, undefined, undefined, alone)),
            )
            const log = values(broker)
            for (const [n, value] of sent.entries()) {
              const error = failed.get(n)
              const copies = log.filter((one) => one === value).length
              if (error === undefined) assert.equal(copies, 1, value)
              else if (error.code === 'MQ_MESSAGE_REFUSED') assert.ok(copies === 0 && bad[n], value)
              else assert.ok(error.code === 'MQ_SEND_UNCERTAIN' && copies <= 1, `${value}: ${error.code}`)
            }
            const order = log.map((value) => sent.indexOf(value))
            assert.deepEqual(
              order,
              [...order].sort((a, b) => a - b),
            )
            assert.equal(budget.usedBytes, 0)
          },
        )
      },
    ),
    { numRuns: 40 },
  )
})
