import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHistory, type HistoryEvent, parseHistory } from '@mq/testkit'
import fc from 'fast-check'

/** A sound run: one producer, keys a and b, epoch 1 with two partitions sealed at 2, then epoch 2. */
function soundRun(): HistoryEvent[] {
  let tUs = 0
  const events: HistoryEvent[] = []
  const messages = Array.from({ length: 8 }, (_, n) => {
    const key = n % 2 === 0 ? 'a' : 'b'
    const epoch = n < 4 ? 1 : 2
    return { producer: 'p', n, key, epoch, partition: n % 2, offset: Math.floor((n % 4) / 2) }
  })
  for (const { producer, n, key } of messages) {
    events.push({ type: 'send', tUs: tUs++, producer, n, key }, { type: 'ack', tUs: tUs++, producer, n })
  }
  for (const partition of [0, 1]) events.push({ type: 'seal', tUs: tUs++, epoch: 1, partition, offset: 2 })
  for (const message of messages) {
    events.push({ type: 'handle', tUs: tUs++, group: 'g', member: 'm', ...message })
    const { epoch, partition, offset } = message
    events.push({ type: 'commit', tUs: tUs++, group: 'g', epoch, partition, offset: offset + 1 })
  }
  for (const { key: _key, ...message } of messages) events.push({ type: 'log', tUs: tUs++, ...message })
  return events
}

type Of<T extends HistoryEvent['type']> = Extract<HistoryEvent, { type: T }>
const is = <T extends HistoryEvent['type']>(event: HistoryEvent, type: T, n?: number): event is Of<T> =>
  event.type === type && (n === undefined || ('n' in event && event.n === n))

test('a sound run has no violation', () => {
  const verdict = checkHistory(soundRun(), ['g'])
  assert.deepEqual(verdict.violations, [])
  assert.deepEqual([verdict.ok, verdict.sent, verdict.acked, verdict.failedSends], [true, 8, 8, 0])
})

test('a group that handled nothing has lost everything, when it was named', () => {
  assert.equal(checkHistory(soundRun(), ['g', 'away']).counts.lost, 8)
})

test('each damage done to a sound run is caught under its own rule', () => {
  const damages: [keyof ReturnType<typeof checkHistory>['counts'], (events: HistoryEvent[]) => HistoryEvent[]][] = [
    ['lost', (events) => events.filter((event) => !is(event, 'handle', 3))],
    ['acked-not-stored', (events) => events.filter((event) => !is(event, 'log', 3))],
    ['ghost', (events) => events.filter((event) => !is(event, 'send', 3) && !is(event, 'ack', 3))],
    [
      'ghost',
      (events) =>
        events.map((event) =>
          is(event, 'ack', 3)
            ? { type: 'nack', tUs: event.tUs, producer: 'p', n: 3, code: 'MQ_X', ambiguous: false }
            : event,
        ),
    ],
    ['duplicated', (events) => [...events, { ...events.find((event) => is(event, 'handle', 7))!, tUs: 9_000 }]],
    [
      'duplicated',
      (events) => [...events, { type: 'log', tUs: 9_000, producer: 'p', n: 7, epoch: 2, partition: 1, offset: 9 }],
    ],
    ['reordered', (events) => events.map((event) => (is(event, 'handle', 0) ? { ...event, tUs: 9_000 } : event))],
    [
      'inconsistent-offset',
      (events) => events.map((event) => (is(event, 'handle', 5) ? { ...event, partition: 0 } : event)),
    ],
    [
      'seal',
      (events) => [
        ...events,
        { type: 'send', tUs: 0, producer: 'p', n: 8, key: 'a' },
        { type: 'log', tUs: 9_000, producer: 'p', n: 8, epoch: 1, partition: 0, offset: 2 },
      ],
    ],
    ['gate', (events) => events.map((event) => (is(event, 'handle', 2) ? { ...event, tUs: 8_000 } : event))],
    [
      'early-commit',
      (events) => events.map((event) => (event.type === 'commit' && event.epoch === 2 ? { ...event, tUs: 1 } : event)),
    ],
  ]
  for (const [rule, damage] of damages) {
    const verdict = checkHistory(damage(soundRun()), ['g'])
    assert.ok(verdict.counts[rule] > 0, `${rule}: ${JSON.stringify(verdict.counts)}`)
    assert.equal(verdict.ok, false)
  }
})

test('an ambiguous send may be handled or not, and is counted as failed either way', () => {
  const ambiguous = soundRun().map(
    (event): HistoryEvent =>
      is(event, 'ack', 7)
        ? { type: 'nack', tUs: event.tUs, producer: 'p', n: 7, code: 'MQ_SEND_TIMEOUT', ambiguous: true }
        : event,
  )
  assert.deepEqual([checkHistory(ambiguous).ok, checkHistory(ambiguous).failedSends], [true, 1])
  const absent = ambiguous.filter((event) => !is(event, 'handle', 7) && !is(event, 'log', 7))
  assert.equal(checkHistory(absent).counts.lost, 0)
})

test('the order in which histories of several processes are joined does not change the verdict', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray(soundRun(), { minLength: soundRun().length }), (events) => {
      assert.equal(checkHistory(events, ['g']).ok, true)
    }),
  )
})

test('losing any single handling is always noticed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 7 }), (n) => {
      assert.equal(
        checkHistory(
          soundRun().filter((event) => !is(event, 'handle', n)),
          ['g'],
        ).counts.lost,
        1,
      )
    }),
  )
})

test('a history survives its text, and a damaged line is an error with its number', () => {
  const text = soundRun()
    .map((event) => JSON.stringify(event))
    .join('\n')
  assert.deepEqual(parseHistory(text), soundRun())
  assert.throws(() => parseHistory(`${text}\n{"type":"handle"}`), /line 43|line \d+ is not an event/)
})
