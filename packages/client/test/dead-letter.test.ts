/** Dead letters as they are written and read back (D1, D2), rules of retrying (RP1, RP2, Q2), the watch over stalls (SW1). */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  DEAD_LETTER_HEADER,
  DEAD_LETTER_HEADER_BYTES,
  isSideId,
  MqError,
  mqIdProblem,
  REDRIVEN_HEADER,
  sideIdOf,
} from '@mq/contract'
import type { FetchedRecord, RecordHeader } from '@mq/kafka'
import fc from 'fast-check'
import type { ReceivedMessage } from '../src/api/types.ts'
import { checkRule, FOREVER, policyOf, ruleOf } from '../src/consume/retry-policy.ts'
import { StallWatch } from '../src/consume/stall-watch.ts'
import { headersWith, letterFrom, letterOfRecord, reasonOf } from '../src/dead-letters/letter.ts'
import { asRedriven } from '../src/dead-letters/redrive-lane.ts'
import { DeadLetterWriter } from '../src/dead-letters/writer.ts'
import { type MessageRecord, RecordMessage } from '../src/formats/message.ts'
import { RecordingLogger } from './support/logs.ts'
import { FakeTime } from './support/time.ts'

const text = (value: string): Buffer => Buffer.from(value)
const asRecord = (parts: Partial<MessageRecord>): MessageRecord => ({
  ...{ topic: 'orders.placed.e2', partition: 3, offset: 41n, timestampMs: 1_700_000_000_123 },
  ...{ key: text('k'), value: text('{"n":1}'), headers: [] },
  keyString: () => 'k',
  valueString: () => '{"n":1}',
  ...parts,
})
const letterOf = (record: MessageRecord, error: unknown = new TypeError('no')) =>
  letterFrom({
    ...{ id: 'orders.placed', group: 'g', app: 'a', epoch: 2, record, error, isUndecodable: false },
    ...{ attempts: 3, firstFailedAtMs: 5, lastFailedAtMs: 9 },
  })
const stored = (headers: [string, Uint8Array | string | null][]): RecordHeader[] =>
  headers.map(([key, value]) => ({ key, value: value === null ? null : Buffer.from(value as string) }))

it('takes out secrets under the names that services give them (D2)', () => {
  const texts = [
    'POST /token: client_secret=hunter2&access_token=hunter2',
    'DB_PASSWORD=hunter2 AWS_SECRET_ACCESS_KEY: hunter2',
    '{"accessToken":"hunter2","x-api-key": "hunter2"}',
    'refused eyJhbGciOiJI.hunter2.hunter2',
  ]
  for (const text of texts) {
    const { message } = reasonOf(new Error(text), false)
    assert.ok(!message.includes('hunter2'), message)
  }
  assert.equal(
    reasonOf(new Error('3 of 4 checks passed; key o-17 is taken'), false).message,
    '3 of 4 checks passed; key o-17 is taken',
  )
})

describe('a dead letter', () => {
  it('is read back with key, value and headers byte for byte, whatever they are (D1)', () => {
    const bytes = fc.option(
      fc.uint8Array().map((array) => Buffer.from(array)),
      { nil: null },
    )
    const headers = fc.array(fc.record({ key: fc.oneof(fc.string(), fc.constant(DEAD_LETTER_HEADER)), value: bytes }))
    fc.assert(
      fc.property(bytes, bytes, headers, (key, value, own) => {
        const plain = own.map((header) => ({ ...header }))
        const letter = letterOf(asRecord({ key, value, headers: plain }))
        const back = letterOfRecord({
          key,
          value,
          headers: stored(headersWith(letter.headers, DEAD_LETTER_HEADER, letter.facts)),
        })
        assert.deepEqual(back, { ...letter, key, value, headers: plain })
      }),
    )
    assert.equal(letterOfRecord(asRecord({ headers: [{ key: DEAD_LETTER_HEADER, value: text('{}') }] })), undefined)
  })

  it('says where its message stood and why it failed, bounded, and nothing that looks like a secret (D2)', () => {
    const { facts } = letterOf(asRecord({}))
    assert.deepEqual(
      [facts.topic, facts.partition, facts.offset, facts.timestampMs, facts.redrives],
      ['orders.placed.e2', 3, '41', 1_700_000_000_123, 0],
    )
    const secrets =
      'http://me:hunter2@db/x password=hunter2 token: "hunter2" Authorization: Bearer hunter2hunter2 {"apiKey":"hunter2"}'
    const { message } = reasonOf(new Error(secrets), false)
    assert.ok(!message.includes('hunter2'), message)
    const worst = new Error('é'.repeat(100_000))
    worst.name = 'N'.repeat(5_000)
    const longest = letterOf(asRecord({ topic: 't'.repeat(249) }), worst).facts
    assert.ok(Buffer.byteLength(JSON.stringify(longest)) + 100 < DEAD_LETTER_HEADER_BYTES)
    assert.equal(reasonOf('just text', false).message, 'just text')
    assert.equal(
      reasonOf(
        {
          toString: () => {
            throw new Error('x')
          },
        },
        true,
      ).kind,
      'undecodable',
    )
    const thrown = (what: string): Error => new RangeError(what)
    assert.equal(reasonOf(thrown('one'), false).stackHash, reasonOf(thrown('two'), false).stackHash)
  })

  it('goes to an mQ ID that only mQ can make, one for each mQ ID and group (SI1, SI2)', () => {
    const names = new Set<string>()
    const groups = ['billing', 'Billing', 'b.illing', 'b-illing', `${'x'.repeat(199)}1`, `${'x'.repeat(199)}2`, '9']
    for (const group of groups) {
      for (const mqId of ['orders.placed', 'orders-placed', 'a'.repeat(120)]) {
        for (const role of ['dead-letters', 'redrive'] as const) {
          const id = sideIdOf({ mqId, group, role })
          assert.ok(isSideId(id) && mqIdProblem(id) !== undefined && /^[a-z0-9._-]{1,200}$/.test(id), id)
          names.add(id)
        }
      }
    }
    assert.equal(names.size, groups.length * 6)
    for (const id of ['mq.dlq', 'mq.dlq.', 'mq.other.x-1234567890123', 'orders.placed', 'mq.dlq.a b-1234567890123']) {
      assert.equal(isSideId(id), false, id)
    }
  })

  it('is written once its place is known, and asks the control plane only until then (DW1)', async () => {
    const asked: string[] = []
    let isBound = false
    let failure: MqError | undefined = new MqError('MQ_CONTROL_PLANE_AWAY', 'away')
    const sent: unknown[] = []
    const writer = new DeadLetterWriter({
      mqId: 'orders.placed',
      group: 'g',
      ensure: async () => {
        asked.push('ensure')
        if (failure !== undefined) throw failure
      },
      isBound: () => isBound,
      resolve: async () => {},
      send: async (id, value, { headers }) => void sent.push([id, value, (headers as unknown[]).length]),
    })
    const letter = letterOf(asRecord({ headers: [{ key: 'a', value: null }] }))
    await writer.write(letter)
    assert.deepEqual(sent, [[writer.id, letter.value, 2]], 'the cache may know the place')
    failure = new MqError('MQ_ID_UNKNOWN', 'not declared')
    await assert.rejects(writer.write(letter), { code: 'MQ_ID_UNKNOWN' })
    isBound = true
    await writer.write(letter)
    assert.deepEqual([asked.length, sent.length], [2, 2])
  })

  it('comes back to its handler as it was, one record for all attempts; what is no letter is passed over (RL2)', () => {
    const own = [{ key: 'trace', value: text('1') }]
    const { facts } = letterOf(asRecord({ headers: own }))
    const headers = stored(headersWith(own, REDRIVEN_HEADER, { ...facts, redrives: 2 }))
    const lane = asRecord({ topic: 'lane', partition: 0, offset: 7n, timestampMs: 9, headers })
    const handed: ReceivedMessage[] = []
    const foreign: MessageRecord[] = []
    const handler = asRedriven(
      { id: 'orders.placed', format: 'json' },
      (message) => void handed.push(message),
      (record) => foreign.push(record),
    )
    const origin = { id: 'mq.redrive', epoch: 1, format: 'bytes' as const }
    handler(new RecordMessage(origin, lane, 1))
    handler(new RecordMessage(origin, lane, 2))
    const [first, second] = handed as [ReceivedMessage, ReceivedMessage]
    assert.deepEqual(
      [first.id, first.epoch, first.partition, first.offset, first.timestampMs, first.key, first.value, first.headers],
      ['orders.placed', 2, 3, '41', 1_700_000_000_123, 'k', { n: 1 }, { trace: '1' }],
    )
    assert.deepEqual([first.attempt, second.attempt], [1, 2])
    assert.equal(RecordMessage.recordOf(first), RecordMessage.recordOf(second))
    assert.equal(RecordMessage.recordOf(first).redrives, 2)
    handler(new RecordMessage(origin, asRecord({}), 1))
    assert.deepEqual([handed.length, foreign.length], [2, 1])
  })
})

describe('rules of retrying', () => {
  it('of the application stand above those of the intent, field by field (RP2)', () => {
    const intent = { deadLetter: true, retry: { attempts: 9, backoff: { baseMs: 50, maxMs: 60 } } }
    assert.deepEqual(policyOf(intent, ruleOf({ backoff: { maxMs: 70 } }, undefined, undefined)), {
      attempts: 9,
      backoff: { baseMs: 50, maxMs: 70 },
      givesUpUndecodable: false,
    })
    assert.equal(policyOf(intent, ruleOf(undefined, false, undefined)).attempts, Number.POSITIVE_INFINITY)
    assert.deepEqual(
      [policyOf(undefined, { deadLetter: true }).attempts, FOREVER.attempts],
      [5, Number.POSITIVE_INFINITY],
    )
  })

  it('that would lose a message or mean nothing are refused (Q2)', () => {
    const refused: [unknown, unknown, unknown, RegExp][] = [
      [{ attempts: 3 }, undefined, undefined, /retry\.attempts needs deadLetter/],
      [undefined, undefined, 'dead-letter', /onPoison 'dead-letter' needs deadLetter/],
      [undefined, undefined, 'drop', /onPoison is drop/],
      [{ attempts: 0 }, true, undefined, /retry\.attempts is 0/],
      [{ attemps: 3 }, true, undefined, /no option 'attemps', did you mean|no option 'attemps'/],
      [{ backoff: { baseMs: 2_000, maxMs: 1_000 } }, true, undefined, /longer than/],
      [{ backoff: { base: 1 } }, true, undefined, /no option 'base'/],
      [undefined, 'yes', undefined, /deadLetter is yes/],
      [3, true, undefined, /options of retry are of type number/],
    ]
    for (const [retry, deadLetter, onPoison, pattern] of refused) {
      const check = (): void => checkRule(undefined, ruleOf(retry as never, deadLetter, onPoison))
      assert.throws(
        check,
        (error: MqError) => error.code === 'MQ_OPTION_INVALID' && pattern.test(error.message),
        String(pattern),
      )
    }
    checkRule({ deadLetter: true }, ruleOf({ attempts: 3 }, undefined, 'dead-letter'))
  })
})

describe('StallWatch', () => {
  it('says when nothing but waiting messages fits, again every 30 s, and not while work goes on (SW1)', async () => {
    const time = new FakeTime()
    const logger = new RecordingLogger()
    const state = { running: 0, parked: 40, unfinished: 900, isBehind: true }
    const watch = new StallWatch({
      ...{ mqId: 'orders.placed', group: 'g', deps: time.deps, logger },
      running: () => state.running,
      parked: () => state.parked,
      unfinished: () => state.unfinished,
      isBehind: () => state.isBehind,
    })
    await time.advance(5_000)
    assert.equal(logger.lines.length, 0, 'once seen is not yet standing')
    await time.advance(60_000)
    assert.equal(logger.lines.length, 2)
    assert.match(logger.lines[0]!.message, /40 messages wait for a retry or behind one/)
    state.isBehind = false
    await time.advance(60_000)
    state.isBehind = true
    state.running = 1
    await time.advance(60_000)
    assert.equal(logger.lines.length, 2)
    watch.close()
    assert.equal(time.timers, 0)
  })
})

// The type of a fetched record is what a message needs and more.
export const fits = (record: FetchedRecord): MessageRecord => record
