/** What an application may give as headers, and what becomes of it (record-headers H1-H3). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { ByteCursor } from '../src/protocol/varint.ts'
import { BatchEncoder } from '../src/records/batch-encoder.ts'
import { readRecords } from '../src/records/batch-parts.ts'
import { PADDING_HEADER } from '../src/records/padding-header.ts'
import { encodeHeaders, type Headers, MAX_HEADERS_BYTES } from '../src/records/record-headers.ts'
import { code } from './produce-stage.ts'

function decoded(bytes: Uint8Array | undefined): (readonly [string, string | null])[] {
  if (bytes === undefined) return []
  const cursor = new ByteCursor(bytes)
  const field = (): string | null => {
    const length = cursor.readVarint()
    if (length < 0) return null
    cursor.position += length
    return Buffer.from(bytes.subarray(cursor.position - length, cursor.position)).toString()
  }
  const list = Array.from({ length: cursor.readVarint() }, () => [field() ?? '', field()] as const)
  assert.equal(cursor.position, bytes.length)
  return list
}

test('objects, maps and pairs are taken, with null and repeated values, in order (H1)', () => {
  const expected = [
    ['trace', 'a'],
    ['none', null],
    ['trace', 'b'],
    ['trace', 'c'],
    ['__proto__', 'ü'],
  ]
  const pairs = [
    ['trace', 'a'],
    ['none', null],
    ['trace', [Buffer.from('b'), 'c']],
    ['__proto__', 'ü'],
  ] as const
  assert.deepEqual(decoded(encodeHeaders(pairs)), expected)
  const generator = (function* () {
    yield* pairs
  })()
  assert.deepEqual(decoded(encodeHeaders(generator)), expected)
  assert.deepEqual(decoded(encodeHeaders(new Map([['a', 'b']]))), [['a', 'b']])
  assert.deepEqual(decoded(encodeHeaders({ a: ['1', null, new Uint8Array([0x32])], b: '' })), [
    ['a', '1'],
    ['a', null],
    ['a', '2'],
    ['b', ''],
  ])
  assert.deepEqual(decoded(encodeHeaders(Object.assign(Object.create(null), { a: 'b' }))), [['a', 'b']])
  assert.deepEqual(decoded(encodeHeaders(runInNewContext('({ a: "b" })') as Headers)), [['a', 'b']])
  assert.deepEqual(decoded(encodeHeaders(new globalThis.Headers({ a: 'b' }))), [['a', 'b']])
  for (const none of [{}, new Map<string, string>(), [], { a: [] }]) assert.equal(encodeHeaders(none), undefined)
})

test('anything else is refused by name, and nothing is dropped (H1)', () => {
  class Trace {
    readonly id = 'x'
  }
  for (const [given, text] of [
    [{ trace: 5 }, /'trace' is a number/],
    [{ trace: undefined }, /'trace' is undefined/],
    [{ trace: { a: 1 } }, /'trace' is an Object/],
    [{ trace: ['a', 5] }, /'trace' is a number/],
    [new Map([[1, 'a']]), /name of a header is a number/],
    [new Trace(), /headers are a Trace/],
    [new Date(), /headers are a Date/],
    ['x', /headers are a string/],
    [['x'], /other than \[name, value\]/],
    [new Set(['ab']), /other than \[name, value\]/],
    [null, /headers are null/],
    [new Uint8Array(3), /headers are an? Uint8Array/],
    [{ [PADDING_HEADER]: 'x' }, /mQ's own/],
  ] as const) {
    assert.throws(
      () => encodeHeaders(given as unknown as Headers),
      (error: Error) => code('MQ_MESSAGE_INVALID')(error) && text.test(error.message),
      String(given),
    )
  }
})

test('headers are copied, and up to exactly their limit they are taken (H2, H3)', () => {
  const bytes = Buffer.from('old')
  const encoded = encodeHeaders({ h: bytes })
  bytes.fill('z')
  assert.deepEqual(decoded(encoded), [['h', 'old']])
  // One byte each for the count, the length of the name and the name, three for the length of the value.
  const most = MAX_HEADERS_BYTES - 6
  assert.equal(encodeHeaders({ h: 'x'.repeat(most) })?.length, MAX_HEADERS_BYTES)
  assert.throws(() => encodeHeaders({ h: 'x'.repeat(most + 1) }), code('MQ_MESSAGE_TOO_LARGE'))
})

test('headers survive being taken out of a batch, without the padding', () => {
  for (const headers of [{ a: '' }, { a: ['b', null] }] as const) {
    const encoder = new BatchEncoder(Buffer.allocUnsafeSlow(4_160))
    const encoded = encodeHeaders(headers)
    encoder.tryAppend(null, null, encoded, 1, 4_096)
    encoder.seal()
    assert.ok(encoder.length > 78)
    const [record] = readRecords(encoder.records(), encoder)
    assert.deepEqual(Buffer.from(record!.headers!), encoded)
  }
})
