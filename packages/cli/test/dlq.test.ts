/** `mq dlq` and how dead letters are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DeadLetterView } from '@mq/client'
import { type DeadLetterFacts, sideIdOf } from '@mq/contract'
import picocolors from 'picocolors'
import { keptText } from '../src/describe-view.ts'
import { letterJson, letterText, reasonsOf, summariesText, summaryOf } from '../src/dlq-view.ts'
import { exitCodes } from '../src/exit-codes.ts'
import { run, withPlane } from './harness.ts'

const plain = picocolors.createColors(false)
const kept = sideIdOf({ mqId: 'orders.placed', group: 'billing', role: 'dead-letters' })
const queue = {
  ...{ mqId: 'orders.placed', group: 'billing', deadLetters: kept, kept: null, oldestAtMs: null },
  ...{ redrive: null, retentionMs: 86_400_000, written: 3 },
}

function factsOf(offset: number, name: string, atMs: number, message = 'no'): DeadLetterFacts {
  return {
    ...{ v: 1, id: 'orders.placed', group: 'billing', epoch: 2, topic: 't', partition: 1, offset: String(offset) },
    ...{ timestampMs: 1_000, attempts: 5, firstFailedAtMs: atMs - 50, lastFailedAtMs: atMs, redrives: 0, app: 'a' },
    reason: { kind: 'handler', name, message, stackHash: name },
  }
}

const viewOf = (value: Uint8Array | null, facts = factsOf(7, 'RangeError', 60_000)): DeadLetterView => ({
  letter: '2.1.7.0',
  facts,
  key: Buffer.from('k'),
  valueBytes: value,
  headers: [
    { key: 'a', value: Buffer.from('1') },
    { key: 'b', value: Buffer.from([0xff]) },
    { key: 'c', value: null },
  ],
})

test('reasons are grouped, most frequent first, with ages and how long letters are kept', () => {
  const letters = [factsOf(1, 'TypeError', 10_000), factsOf(2, 'RangeError', 30_000), factsOf(3, 'RangeError', 20_000)]
  assert.deepEqual(
    reasonsOf(letters).map(({ name, letters: count }) => [name, count]),
    [
      ['RangeError', 2],
      ['TypeError', 1],
    ],
  )
  const summary = summaryOf(queue, letters)
  assert.deepEqual([summary.letters, summary.oldestAtMs, summary.newestAtMs], [3, 10_000, 30_000])
  const text = summariesText([summary], plain, 70_000)
  assert.match(text, /orders\.placed +billing +3 +60s ago +40s ago +1d/)
  assert.match(text, /2 {2}RangeError: no\n +1 {2}TypeError: no/)
  const empty = summaryOf(queue, [])
  assert.deepEqual([empty.letters, empty.oldestAtMs, empty.reasons], [0, null, []])
})

test('a letter is shown decoded where that is possible and as bytes otherwise, without what a terminal obeys', () => {
  const json = letterJson(viewOf(Buffer.from('{"n":1}')), 'json')
  assert.deepEqual(
    [json.letter, 'key' in json && json.key, 'value' in json && json.value, json.headers],
    [
      '2.1.7.0',
      'k',
      { n: 1 },
      [
        ['a', '1'],
        ['b', { base64: '/w==' }],
        ['c', null],
      ],
    ],
  )
  for (const [value, format] of [
    [Buffer.from('{'), 'json'],
    [Buffer.from([0xff]), 'text'],
    [Buffer.from('x'), 'bytes'],
  ] as const) {
    const shown = letterJson(viewOf(value), format)
    assert.equal('valueBase64' in shown && shown.valueBase64, value.toString('base64'))
  }
  assert.equal((letterJson(viewOf(null), 'json') as { value: unknown }).value, null)
  const text = letterText(
    viewOf(Buffer.from('{"n":1}'), factsOf(7, 'RangeError', 60_000, 'bad \u001b[31m')),
    'json',
    plain,
    120_000,
  )
  assert.match(text, /2\.1\.7\.0 {2}key k {2}5 attempts {2}60s ago\n {2}RangeError: bad {2}\[31m/)
  assert.match(text, /epoch 2 partition 1 offset 7\n {2}\{"n":1\}/)
})

test('nothing is connected to when nobody has dead letters, and a group has to be named when several have', async () => {
  const other = { ...queue, group: 'audit' }
  let queues: unknown[] = []
  await withPlane(
    () => ({ body: { queues } }),
    async (url, seen) => {
      const none = await run(['dlq', 'list', '--url', url])
      assert.deepEqual([none.code, none.stdout.trim()], [exitCodes.ok, 'No group has dead letters.'])
      queues = [queue, other]
      const which = await run(['dlq', 'redrive', 'orders.placed', '--dry-run', '--url', url])
      assert.match(which.stderr, /Name the group with --group: billing, audit have dead letters/)
      assert.notEqual(which.code, exitCodes.ok)
      assert.equal(seen.at(-1)!.path, '/v1/dead-letters?id=orders.placed')
      for (const words of [
        ['--rate', 'fast'],
        ['--since', '12'],
        ['--limit', '0'],
      ]) {
        const wrong = await run([
          'dlq',
          words[0] === '--rate' ? 'redrive' : 'show',
          'orders.placed',
          ...words,
          '--url',
          url,
        ])
        assert.match(wrong.stderr, /MQ_OPTION_INVALID/, words.join(' '))
      }
    },
  )
})

test('a named group that has no dead letters and does not read the mQ ID is refused: it was taken for one without any', async () => {
  const problem = { code: 'MQ_GROUP_UNKNOWN', message: 'no group bilings', action: 'x', retryable: false }
  await withPlane(
    ({ path }) =>
      path.startsWith('/v1/dead-letters') ? { body: { queues: [queue] } } : { status: 404, body: problem },
    async (url, seen) => {
      for (const words of [['show'], ['redrive', '--dry-run'], ['discard', '--dry-run']]) {
        const [word = '', ...flags] = words
        const misspelt = await run(['dlq', word, 'orders.placed', '--group', 'bilings', ...flags, '--url', url])
        assert.match(misspelt.stderr, /MQ_GROUP_UNKNOWN/, word)
        assert.match(seen.at(-1)!.path, /\/groups?.*group=bilings/, word)
      }
    },
  )
})

test('describe says how many dead letters are kept and how old they are, and never 0 where nobody knows', () => {
  const nowMs = 1_800_000_000_000
  const one = { group: 'billing', id: kept }
  assert.equal(keptText({ ...one, kept: null, oldestAtMs: null }, nowMs), 'not counted yet')
  assert.equal(keptText({ ...one, kept: 0, oldestAtMs: null }, nowMs), 'none kept')
  assert.equal(
    keptText({ ...one, kept: 1_234, oldestAtMs: nowMs - 7_200_000 }, nowMs),
    '1,234 kept, the oldest failed 2h ago',
  )
})
