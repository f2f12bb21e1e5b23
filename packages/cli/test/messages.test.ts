import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Binding, MqError } from '@mq/contract'
import { compileFormat } from '../src/format-directives.ts'
import { keyAt, parseJsonValue } from '../src/json-value.ts'
import { type KeyChoice, messagesOf, type OutgoingMessage } from '../src/message-source.ts'
import { readEnvelope, type StoredMessage, toJsonLine } from '../src/printed-message.ts'
import { SendWindow } from '../src/send-window.ts'
import { readLines } from '../src/text-lines.ts'

const message: StoredMessage = {
  id: 'orders.placed',
  format: 'json',
  key: Buffer.from('k1'),
  value: Buffer.from('{"total":12}'),
  headers: [
    { key: 'trace', value: Buffer.from('abc') },
    { key: 'raw', value: Buffer.from('x') },
  ],
  timestampMs: 1_700_000_000_000,
  offset: '42',
  partition: 3,
}

const code = (expected: string) => (error: unknown) => error instanceof MqError && error.code === expected

test('T1: every directive and escape prints its part', () => {
  assert.equal(
    Buffer.from(compileFormat('%t %k %v %h %o %p %T %%\\t\\\\\\n')(message)).toString(),
    'orders.placed k1 {"total":12} trace=abc,raw=x 42 3 1700000000000 %\t\\\n',
  )
})

test('T1: anything else after % or a backslash is refused with its place', () => {
  for (const format of ['%x', '%', 'a\\q', 'b\\']) {
    assert.throws(() => compileFormat(format), code('MQ_OPTION_INVALID'), format)
  }
})

test('a missing key and a tombstone print nothing', () => {
  assert.equal(compileFormat('[%k][%v]')({ ...message, key: null, value: null }), '[][]')
})

test('T2: bytes leave as they are', () => {
  const line = compileFormat('%v\\n')({ ...message, value: Buffer.from([0xff, 0x00]) })
  assert.deepEqual(Buffer.from(line), Buffer.from([0xff, 0x00, 0x0a]))
})

const LOSSLESS = [
  '{"id":9007199254740993,"big":23958446825181076828,"price":0.1000000000000000055,"id":1}',
  '[1e400, 1.50]',
  '"lone \\ud800"',
  'null',
]

test('E1: JSON passes through as the text it is, and a line is one line', () => {
  for (const text of LOSSLESS) {
    const line = toJsonLine({ ...message, value: Buffer.from(text) })
    assert.ok(line.includes(`"value":${text},`), line)
    assert.equal(compileFormat('%v')({ ...message, value: Buffer.from(text) }), text)
  }
  const pretty = toJsonLine({ ...message, value: Buffer.from('{\r\n  "a": "x\\n"\n}') })
  assert.equal(pretty.includes('\n'), false)
  assert.deepEqual(JSON.parse(pretty).value, { a: 'x\n' })
})

test('E1: what is no text stands as base64 in a field that says so', () => {
  const binary = Buffer.from([0xff, 0x00])
  for (const format of ['json', 'text', 'bytes'] as const) {
    const line = JSON.parse(toJsonLine({ ...message, format, key: binary, value: binary }))
    assert.deepEqual([line.keyBase64, line.valueBase64, 'key' in line, 'value' in line], ['/wA=', '/wA=', false, false])
  }
  assert.equal(JSON.parse(toJsonLine({ ...message, value: Buffer.from('{"a"') })).valueBase64, 'eyJhIg==')
  assert.equal(JSON.parse(toJsonLine({ ...message, format: 'text', value: Buffer.from('{"a"') })).value, '{"a"')
})

const HEADERS = [
  { key: 'none', value: null },
  { key: 'trace', value: Buffer.from('a') },
  { key: '__proto__', value: Buffer.from('x') },
  { key: 'trace', value: Buffer.from([0xff, 0xfe]) },
  { key: 'empty', value: Buffer.from('') },
]

test('E3: headers are printed whole: repeated, binary, empty, without a value, of any name', () => {
  assert.ok(
    toJsonLine({ ...message, headers: HEADERS }).includes(
      '"headers":{"none":null,"trace":["a",{"base64":"//4="}],"__proto__":"x","empty":""}',
    ),
  )
  assert.equal(
    compileFormat('%h')({ ...message, headers: HEADERS }),
    'none,trace=a,__proto__=x,trace=base64://4=,empty=',
  )
})

test('a printed line is taken back as the message it was', () => {
  const line = toJsonLine({ ...message, key: Buffer.from([0xff]), headers: HEADERS, value: Buffer.from(LOSSLESS[1]!) })
  const { key, value, headers, timestampMs } = readEnvelope(parseJsonValue(line), 'in:1')
  assert.deepEqual(key, Buffer.from([0xff]))
  assert.equal(JSON.stringify(value), '[1e400,1.5]')
  assert.deepEqual(Object.entries(headers), [
    ['none', null],
    ['trace', ['a', Buffer.from([0xff, 0xfe])]],
    ['__proto__', 'x'],
    ['empty', ''],
  ])
  assert.equal(timestampMs, message.timestampMs)
  for (const [wrong, why] of [
    ['{"a":1}', /in:1: there is a field 'a'/],
    ['{"key":"k"}', /in:1: there is no field 'value'/],
    ['{"value":1,"keyBase64":"?"}', /'keyBase64' is not base64/],
    ['{"value":1,"headers":{"h":5}}', /header 'h' is not text/],
    ['[1]', /in:1: the line is no object/],
  ] as const) {
    assert.throws(() => readEnvelope(JSON.parse(wrong), 'in:1'), why)
  }
})

test('V1: numbers keep their digits, however long', () => {
  const same = (text: string) => assert.equal(JSON.stringify(parseJsonValue(text)), text)
  same('{"id":12345678901234567890,"n":[0.1,1.5,-3]}')
  same('[9007199254740993,1e400,1234567890.12345678901]')
  assert.equal(JSON.stringify(parseJsonValue('[1.50, 1e2, 100000000000000000000]')), '[1.5,100,100000000000000000000]')
})

test('V2: keys come from text, whole numbers and booleans at a dot path', () => {
  assert.deepEqual(keyAt({ order: { id: 'o-1' } }, ['order', 'id']), { key: 'o-1' })
  assert.deepEqual(keyAt({ id: 7 }, ['id']), { key: '7' })
  assert.deepEqual(keyAt({ id: true }, ['id']), { key: 'true' })
  assert.deepEqual(keyAt(parseJsonValue('{"id":12345678901234567890}'), ['id']), { key: '12345678901234567890' })
  const problem = (value: unknown, path: string[]) => (keyAt(value, path) as { problem: string }).problem
  assert.match(problem({ order: {} }, ['order', 'id']), /no field 'order\.id'/)
  assert.match(problem({}, ['order', 'id']), /no field 'order'/)
  assert.match(problem({ id: null }, ['id']), /'id' is null/)
  assert.match(problem({ id: 1.5 }, ['id']), /'id' is 1\.5/)
  assert.match(problem({ id: [1] }, ['id']), /'id' is a list/)
  assert.match(problem([], ['toString']), /no field/)
})

async function* chunks(...parts: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield Buffer.from(part)
}

async function linesOf(...parts: (string | Uint8Array)[]): Promise<string[]> {
  const all: string[] = []
  for await (const lines of readLines(chunks(...parts), 'in', 20))
    all.push(...lines.map((line) => `${line.number}:${line.text}`))
  return all
}

test('lines are found across chunks, with CRLF and without an end', async () => {
  assert.deepEqual(await linesOf('a\nb', 'b\r\n\nc'), ['1:a', '2:bb', '3:', '4:c'])
  assert.deepEqual(await linesOf(Buffer.from('é\n').subarray(0, 1), Buffer.from('é\n').subarray(1)), ['1:é'])
})

test('L1, L2: an endless line and a line that is no UTF-8 are errors that name the line', async () => {
  await assert.rejects(linesOf('ok\n', 'x'.repeat(15), 'x'.repeat(15)), /in:2: the line is longer than 20 bytes/)
  await assert.rejects(linesOf('ok\n', Buffer.from([0xff, 0x0a])), /in:2: the line is not UTF-8/)
})

const binding = (format: 'json' | 'text' | 'bytes'): Binding =>
  Binding.parse({
    mqId: 'a.b',
    incarnation: 1,
    revision: 1,
    format,
    ordering: 'key',
    epochs: [{ epoch: 1, state: 'open', cluster: 'c', topic: 'a.b.e1', partitions: 1 }],
    clusters: [{ name: 'c', bootstrap: ['h:1'] }],
    producer: { codec: 'none', lingerMs: 0, batchBytes: 65_536, maxMessageBytes: 1_024, requestTimeoutMs: 30_000 },
    consumer: {
      fetchMinBytes: 1,
      fetchMaxWaitMs: 1,
      readAheadBytes: 65_536,
      isolation: 'read_committed',
      sessionTimeoutMs: 10_000,
    },
  })

test('L3, M2: whatever is wrong with a line, what stands before it goes out and nothing after it', async () => {
  const bad = { json: '{"n":', utf8: Buffer.from([0x22, 0xff, 0x22]), long: 'x'.repeat(5_000), field: '{"m":1}' }
  for (const [what, line] of Object.entries(bad)) {
    const input = Buffer.concat([Buffer.from('{"n":1}\n{"n":2}\n'), Buffer.from(line), Buffer.from('\n{"n":4}\n')])
    const sent: string[] = []
    await assert.rejects(
      async () => {
        for await (const messages of messagesOf(chunks(input), 'in', { keyField: 'n' }, binding('json')))
          sent.push(...messages.map((each) => each.place))
      },
      /in:3: /,
      what,
    )
    assert.deepEqual(sent, ['in:1', 'in:2'], what)
  }
})

test('L4: a byte order mark belongs to the file', async () => {
  const mark = Buffer.from([0xef, 0xbb, 0xbf])
  assert.deepEqual(await linesOf(mark, 'a\r\nb'), ['1:a', '2:b'])
  assert.deepEqual(await linesOf(mark), [])
  assert.deepEqual(await linesOf('a\n\ufeffb'), ['1:a', '2:\ufeffb'])
  await assert.rejects(linesOf(Buffer.from('\ufeffab\n', 'utf16le')), /in:1: the file is UTF-16/)
})

const MARK = Buffer.from([0xef, 0xbb, 0xbf])
const bytesOf = (...parts: (string | Uint8Array | number[])[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Uint8Array.from(part))))
/** What stands in a file, the messages that come of it as JSON text, and what ends it. */
const FILES: Readonly<Record<string, readonly ['json' | 'text' | 'bytes', Buffer, readonly string[], RegExp?]>> = {
  'a byte order mark before JSON': ['json', bytesOf(MARK, '{"n":1}\r\n{"n":2}\r\n'), ['{"n":1}', '{"n":2}']],
  'a byte order mark before text': ['text', bytesOf(MARK, 'first\r\nsecond\r\n'), ['"first"', '"second"']],
  'CRLF, an empty line and no end of line': ['json', bytesOf('{"n":1}\r\n\r\n{"n":2}'), ['{"n":1}', '{"n":2}']],
  'a wrong byte in line 3': [
    'json',
    bytesOf('{"n":1}\n{"n":2}\n', [0x22, 0xff, 0x22, 0x0a], '{"n":4}\n'),
    ['{"n":1}', '{"n":2}'],
    /^in:3: the line is not UTF-8/,
  ],
  'wrong JSON in line 3': [
    'json',
    bytesOf('{"n":1}\n{"n":2}\n{"n":\n{"n":4}\n'),
    ['{"n":1}', '{"n":2}'],
    /^in:3: not JSON/,
  ],
  'UTF-16': ['json', bytesOf([0xff, 0xfe], Buffer.from('{"n":1}\r\n', 'utf16le')), [], /^in:1: the file is UTF-16/],
  'nothing, for JSON': ['json', bytesOf(), []],
  'nothing, for bytes': ['bytes', bytesOf(), ['""']],
  'any bytes': ['bytes', bytesOf([0, 255, 10, 13, 10, 0]), ['"AP8KDQoA"']],
  'a zero byte and an empty line in text': ['text', bytesOf('a\u0000b\n\nc\n'), ['"a\\u0000b"', '""', '"c"']],
  'JSON over several lines': ['json', bytesOf('{\n  "n": 1\n}\n'), [], /^in:1: not JSON/],
  'half a surrogate pair': ['json', bytesOf('{"s":"\\ud800 x"}\n'), ['{"s":"\\ud800 x"}']],
  'a name twice, and __proto__': [
    'json',
    bytesOf('{"__proto__":{"a":1},"n":1,"n":2}\n'),
    ['{"__proto__":{"a":1},"n":2}'],
  ],
  'other line separators': ['text', bytesOf('a\u2028b\u0085c\n'), ['"a\u2028b\u0085c"']],
}

for (const [what, [format, content, expected, problem]] of Object.entries(FILES)) {
  test(`L1-L4, M1, M2: a file with ${what}`, async () => {
    const sent: string[] = []
    const send = async (): Promise<void> => {
      for await (const messages of messagesOf(chunks(content), 'in', {}, binding(format))) {
        for (const { value } of messages)
          sent.push(JSON.stringify(Buffer.isBuffer(value) ? value.toString('base64') : value))
      }
    }
    if (problem === undefined) await send()
    else
      await assert.rejects(
        send,
        (error: unknown) => code('MQ_MESSAGE_INVALID')(error) && problem.test(String((error as Error).message)),
      )
    assert.deepEqual(sent, expected)
  })
}

async function outgoing(
  format: 'json' | 'text' | 'bytes',
  text: string,
  choice: KeyChoice = {},
): Promise<OutgoingMessage[]> {
  const all: OutgoingMessage[] = []
  for await (const messages of messagesOf(chunks(text), 'in', choice, binding(format))) all.push(...messages)
  return all
}

test('M1: json is one value a line, text one message a line, bytes one message in all', async () => {
  assert.deepEqual(await outgoing('json', '{"a":1}\n\n"x"\n'), [
    { place: 'in:1', key: undefined, value: { a: 1 } },
    { place: 'in:3', key: undefined, value: 'x' },
  ])
  assert.deepEqual(await outgoing('text', 'one\n\n', { key: 'k' }), [
    { place: 'in:1', key: 'k', value: 'one' },
    { place: 'in:2', key: 'k', value: '' },
  ])
  assert.deepEqual(await outgoing('bytes', 'a\nb'), [{ place: 'in', key: undefined, value: Buffer.from('a\nb') }])
})

test('M2: what is wrong with a line is told with input and line, and the lines before it still go out', async () => {
  const sent: string[] = []
  const consume = async (text: string, choice: KeyChoice = {}) => {
    for await (const messages of messagesOf(chunks(text), 'in', choice, binding('json')))
      sent.push(...messages.map((each) => each.place))
  }
  await assert.rejects(consume('1\n2\n{"a"\n4\n'), (error: unknown) => {
    return code('MQ_MESSAGE_INVALID')(error) && /^in:3: not JSON: /.test((error as Error).message)
  })
  assert.deepEqual(sent, ['in:1', 'in:2'])
  await assert.rejects(consume('{"id":"a"}\n{"ID":"b"}\n', { keyField: 'id' }), /in:2: there is no field 'id'/)
})

test('--key-optional sends a message without a key only where the field is missing', async () => {
  const sent = await outgoing('json', '{"id":"a"}\n{}\n', { keyField: 'id', keyOptional: true })
  assert.deepEqual(
    sent.map((each) => each.key),
    ['a', undefined],
  )
  await assert.rejects(outgoing('json', '{"id":{}}\n', { keyField: 'id', keyOptional: true }), /in:1: the field 'id'/)
})

test('W1, W2: sends in flight are bounded, and the first failure is kept with its place', async () => {
  const window = new SendWindow(2)
  const first = Promise.withResolvers<void>()
  window.add('in:1', first.promise)
  window.add('in:2', new Promise(() => {}))
  let free = false
  const room = window.room().then(() => {
    free = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(free, false)
  first.resolve()
  await room
  assert.equal(window.acknowledged, 1)
  window.add('in:3', Promise.reject(new Error('three')))
  window.add('in:4', Promise.reject(new Error('four')))
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(window.failure?.place, 'in:3')
})
