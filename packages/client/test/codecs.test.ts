import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Format, MqError } from '@mq/contract'
import type { FetchedRecord } from '@mq/kafka'
import fc from 'fast-check'
import { decodeValue, encodeValue } from '../src/formats/codecs.ts'
import { RecordMessage } from '../src/formats/message.ts'

const ID = 'orders.placed'

/** A stored record with this value. */
function recordOf(value: Buffer | null): FetchedRecord {
  const record = {
    partition: 3,
    offset: 42n,
    timestampMs: 1_700_000_000_000,
    value,
    valueString: () => value?.toString('utf8') ?? null,
    keyString: () => 'k',
    key: Buffer.from('k'),
    headers: [
      { key: 'trace', value: Buffer.from('old') },
      { key: 'trace', value: Buffer.from('new') },
      { key: '__proto__', value: null },
    ],
  }
  return record as unknown as FetchedRecord
}

function roundTrip(format: Format, value: unknown): unknown {
  const encoded = encodeValue(ID, format, value)
  return decodeValue(ID, format, recordOf(encoded === null ? null : Buffer.from(encoded as string)))
}

function hasCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof MqError && error.code === code
}

describe('values by format', () => {
  it('brings every JSON value back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), (value) => {
        assert.deepEqual(roundTrip('json', value), JSON.parse(JSON.stringify(value)))
      }),
    )
  })

  it('brings text and bytes back as they were', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.uint8Array(), (text, bytes) => {
        assert.equal(roundTrip('text', text), text)
        assert.deepEqual(new Uint8Array(roundTrip('bytes', bytes) as Buffer), bytes)
      }),
    )
    assert.equal(roundTrip('text', 'a replacement \uFFFD character'), 'a replacement \uFFFD character')
  })

  it('stores null as a tombstone in every format (F1)', () => {
    for (const format of ['json', 'text', 'bytes'] as const) {
      assert.equal(encodeValue(ID, format, null), null)
      assert.equal(decodeValue(ID, format, recordOf(null)), null)
    }
  })

  it('refuses what the format cannot say, naming the type and no part of the value (F2, F3)', () => {
    const circular: { secret: string; self?: unknown } = { secret: 'hunter2' }
    circular.self = circular
    const wrong: [Format, unknown][] = [
      ['json', undefined],
      ['json', () => 1],
      ['json', Symbol('s')],
      ['json', 10n],
      ['json', { deep: [10n] }],
      ['json', circular],
      ['json', new Uint8Array(4)],
      [
        'json',
        {
          toJSON() {
            throw new Error('hunter2')
          },
        },
      ],
      ['text', 7],
      ['text', { a: 1 }],
      ['text', Buffer.from('x')],
      ['text', undefined],
      ['bytes', 'text'],
      ['bytes', [1, 2]],
      ['bytes', new ArrayBuffer(4)],
    ]
    for (const [format, value] of wrong) {
      assert.throws(
        () => encodeValue(ID, format, value),
        (error) => hasCode('MQ_MESSAGE_INVALID')(error) && !String(error).includes('hunter2'),
        `${format} ${typeof value}`,
      )
    }
  })

  it('says where a value is that cannot be read, and nothing of it (F2, F3)', () => {
    const broken: [Format, Buffer][] = [
      ['json', Buffer.from('hunter2{')],
      ['json', Buffer.alloc(0)],
      ['json', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
      ['text', Buffer.from([0x61, 0xc3])],
    ]
    for (const [format, bytes] of broken) {
      assert.throws(
        () => decodeValue(ID, format, recordOf(bytes)),
        (error) =>
          hasCode('MQ_DECODE_FAILED')(error) &&
          /orders\.placed partition 3 offset 42/.test(String(error)) &&
          !JSON.stringify(error).includes('hunter2') &&
          (error as MqError).cause === undefined,
      )
    }
  })
})

describe('RecordMessage', () => {
  const origin = { id: ID, epoch: 2, format: 'json' } as const

  it('shows the record and decodes it once (G1)', () => {
    const message = new RecordMessage(origin, recordOf(Buffer.from('{"n":1}')), 3)
    assert.equal(message.value, message.value)
    assert.deepEqual(JSON.parse(JSON.stringify(message)), {
      id: ID,
      epoch: 2,
      partition: 3,
      offset: '42',
      timestampMs: 1_700_000_000_000,
      key: 'k',
      headers: { trace: 'new', ['__proto__']: '' },
      attempt: 3,
      value: { n: 1 },
    })
    assert.equal(Object.getPrototypeOf(message.headers), Object.prototype)
  })

  it('throws each time its value is read when it cannot be decoded, and knows why (G2)', () => {
    const message = new RecordMessage(origin, recordOf(Buffer.from('{')), 1)
    assert.equal(RecordMessage.poisonOf(message), undefined)
    assert.throws(() => message.value, hasCode('MQ_DECODE_FAILED'))
    assert.throws(() => message.value, hasCode('MQ_DECODE_FAILED'))
    assert.equal(RecordMessage.poisonOf(message)?.code, 'MQ_DECODE_FAILED')
    assert.equal(message.key, 'k')
  })
})
