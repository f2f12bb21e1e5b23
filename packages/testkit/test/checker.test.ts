import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Checker, checkHistory, type HistoryEvent, PackedWriter, parseHistory, readPacked } from '@mq/testkit'
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

test('K9: the checker refuses events out of order, because it keeps none of them', () => {
  const checker = new Checker()
  checker.add({ type: 'send', tUs: 5, producer: 'p', n: 0, key: null })
  assert.throws(() => checker.add({ type: 'ack', tUs: 4, producer: 'p', n: 0 }), /came after/)
})

test('places far apart are told apart: high offsets, high numbers, many producers and partitions', () => {
  const events: HistoryEvent[] = []
  let tUs = 0
  const messages = Array.from({ length: 200 }, (_, index) => ({
    producer: `p${index % 40}`,
    n: index * 1_000_003,
    epoch: 1 + (index % 60),
    partition: index % 7,
    offset: index * 100_000_007,
  }))
  for (const { producer, n } of messages) {
    events.push({ type: 'send', tUs: tUs++, producer, n, key: 'k' }, { type: 'ack', tUs: tUs++, producer, n })
  }
  for (const message of messages) events.push({ type: 'log', tUs: tUs++, ...message })
  const unkeyed = messages.map((message): HistoryEvent => {
    return { type: 'handle', tUs: tUs++, group: 'g', member: 'm', key: null, ...message }
  })
  assert.deepEqual(checkHistory([...events, ...unkeyed]).violations, [])
  for (const at of [0, 99, 199]) {
    const { counts } = checkHistory([...events, ...unkeyed.toSpliced(at, 1)])
    assert.deepEqual([counts.lost, counts.duplicated], [1, 0])
    const again = { ...unkeyed[at]!, tUs: tUs + 5 }
    assert.equal(checkHistory([...events, ...unkeyed, again]).counts.duplicated, 1)
  }
})

test('a packed history of several processes reads as it was written, in order of time, and damage is an error', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-history-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const events: HistoryEvent[] = [
    ...soundRun(),
    { type: 'nack', tUs: 1_000, producer: 'p', n: 8, code: 'MQ_SEND_TIMEOUT', ambiguous: true },
    { type: 'send', tUs: 1_001, producer: 'ü'.repeat(50), n: 4_000_000_000, key: null },
    { type: 'send', tUs: 1_002, producer: 'p', n: 9, key: '' },
    { type: 'commit', tUs: 1_003, group: 'g', epoch: 70_000, partition: 9_999, offset: 2 ** 36 - 1 },
  ]
  for (const files of [1, 2, 3]) {
    const paths = Array.from({ length: files }, (_, index) => join(folder, `${files}-${index}`))
    const writers = paths.map((path) => new PackedWriter(path))
    for (const [index, event] of events.entries()) writers[index % files]!.add(event)
    for (const writer of writers) writer.close()
    assert.deepEqual([...readPacked(paths)], events)
  }
  const whole = readFileSync(join(folder, '1-0'))
  writeFileSync(join(folder, 'cut'), whole.subarray(0, whole.length - 1))
  assert.throws(() => [...readPacked([join(folder, 'cut')])], /ends in the middle/)
  writeFileSync(join(folder, 'headless'), whole.subarray(80))
  assert.throws(() => [...readPacked([join(folder, 'headless')])], /never said/)
})

test('a packed history longer than one chunk gives the same verdict, and notices one lost message in it', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'mq-history-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const judge = (name: string, skip: number) => {
    const path = join(folder, name)
    const writer = new PackedWriter(path)
    for (let n = 0; n < 20_000; n++) {
      const key = `k${n % 300}`
      writer.add({ type: 'send', tUs: n * 3, producer: 'p', n, key })
      writer.add({ type: 'ack', tUs: n * 3 + 1, producer: 'p', n })
      const place = { epoch: 1, partition: n % 300, offset: Math.floor(n / 300) }
      if (n !== skip)
        writer.add({ type: 'handle', tUs: n * 3 + 2, group: 'g', member: 'm', producer: 'p', n, key, ...place })
    }
    writer.close()
    const checker = new Checker(['g'])
    for (const event of readPacked([path])) checker.add(event)
    return checker.verdict()
  }
  const sound = judge('sound', -1)
  assert.deepEqual([sound.ok, sound.sent, sound.acked, sound.handledByGroup.g], [true, 20_000, 20_000, 20_000])
  assert.deepEqual(judge('holed', 12_345).violations, [{ rule: 'lost', detail: 'g never handled p#12345' }])
})
