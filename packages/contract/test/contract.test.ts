import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Binding,
  bindingVersion,
  catalogue,
  compareBindings,
  Declaration,
  describeIssues,
  formatDurationMs,
  Intent,
  isMqErrorCode,
  MqError,
  MqId,
  mqIdProblem,
  openEpoch,
  parseDurationMs,
  routes,
} from '@mq/contract'
import fc from 'fast-check'

const word = fc.stringMatching(/^[a-z0-9]([a-z0-9_-]{0,10}[a-z0-9])?$/)

test('words joined by dots are mQ IDs, and whatever is accepted is a legal Kafka topic name (N1, N3)', () => {
  fc.assert(
    fc.property(fc.array(word, { minLength: 2, maxLength: 5 }), (words) => {
      fc.pre(words[0] !== 'mq')
      const id = words.join('.')
      assert.equal(mqIdProblem(id), undefined)
      assert.match(id, /^[a-zA-Z0-9._-]{1,249}$/)
    }),
  )
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (mqIdProblem(text) === undefined) assert.match(text, /^[a-z0-9][a-z0-9._-]*[a-z0-9]$/)
    }),
  )
})

test('a malformed mQ ID is refused in words that name the fault (N1, N2)', () => {
  for (const [text, fault] of [
    ['', /at least 2/],
    ['Orders.placed', /lower case/],
    ['orders..placed', /empty word/],
    ['.orders', /empty word/],
    ['orders.', /empty word/],
    ['orders placed', /'orders placed'/],
    ['orders/placed', /may hold only/],
    ['-orders', /starts and ends/],
    ['mq.internal', /belong to mQ/],
    ['a'.repeat(121), /121 characters/],
    [42, /not number/],
    [null, /not null/],
  ] as const) {
    assert.match(mqIdProblem(text) ?? 'accepted', fault, String(text))
    assert.equal(MqId.safeParse(text).success, false)
  }
})

test('durations survive a round trip through their shortest text', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e12 }), (durationMs) => {
      assert.equal(parseDurationMs(formatDurationMs(durationMs)), durationMs)
    }),
  )
  assert.equal(formatDurationMs(604_800_000), '7d')
  assert.equal(formatDurationMs(90_000), '90s')
  assert.equal(parseDurationMs('1.5h'), 5_400_000)
  for (const text of ['', '7', '7 days', '-1s', '1e3s', 's']) assert.equal(parseDurationMs(text), undefined, text)
})

test('an empty intent is filled with defaults that keep data for a week, ordered and durable (I3)', () => {
  const intent = Intent.parse({})
  assert.deepEqual(intent.retention, { policy: 'time', durationMs: 604_800_000 })
  assert.equal(intent.ordering, 'key')
  assert.equal(intent.durability, 'standard')
  assert.equal(intent.latencyP99Ms, 250)
})

test('a parsed intent parses to itself, so that what is stored can be read again', () => {
  for (const retention of ['3d', 'forever', 'latest-per-key', 7_200_000]) {
    const once = Intent.parse({ retention, latencyP99Ms: '50ms', owner: { team: 'checkout' } })
    assert.deepEqual(Intent.parse(once), once)
    assert.deepEqual(Intent.parse(JSON.parse(JSON.stringify(once))), once)
  }
})

test('an intent with an impossible combination is refused and both requirements are named (I2)', () => {
  for (const [input, path, message] of [
    [{ retention: 'latest-per-key', ordering: 'none' }, 'ordering', /latest-per-key.*ordering 'key'/],
    [{ durability: 'dual', latencyP99Ms: 5 }, 'latencyP99Ms', /two clusters.*5 ms/],
    [{ expectedMessageBytes: 5_000, maxMessageBytes: 4_000 }, 'expectedMessageBytes', /5000 bytes.*4000/],
  ] as const) {
    const result = Intent.safeParse(input)
    assert.equal(result.success, false)
    assert.match(describeIssues(result.error!).join('\n'), message)
    assert.deepEqual(result.error!.issues[0]!.path, [path])
  }
})

test('an unknown or mistyped field of an intent is named, never ignored', () => {
  for (const [input, message] of [
    [{ partitions: 12 }, /partitions/],
    [{ latencyP99Ms: 0 }, /latencyP99Ms/],
    [{ retention: '5m' }, /retention.*1h/],
    [{ retention: 'a while' }, /retention.*duration/],
    [{ priority: 'urgent' }, /priority/],
    [{ peaks: [{ startsAt: 'tomorrow', durationMs: '1h', multiple: 5 }] }, /peaks\.0\.startsAt/],
  ] as const) {
    const result = Intent.safeParse(input)
    assert.equal(result.success, false, JSON.stringify(input))
    assert.match(describeIssues(result.error!).join('\n'), message)
  }
})

const binding = (change: Record<string, unknown> = {}): unknown => ({
  mqId: 'orders.placed',
  incarnation: 1,
  revision: 1,
  format: 'json',
  ordering: 'key',
  epochs: [{ epoch: 1, state: 'open', cluster: 'a', topic: 'orders.placed', partitions: 2 }],
  clusters: [{ name: 'a', bootstrap: ['127.0.0.1:9092'] }],
  producer: {
    codec: 'zstd',
    codecLevel: 1,
    lingerMs: 5,
    batchBytes: 131_072,
    maxMessageBytes: 1_048_576,
    requestTimeoutMs: 30_000,
  },
  consumer: {
    fetchMinBytes: 1,
    fetchMaxWaitMs: 500,
    readAheadBytes: 8_388_608,
    isolation: 'read_committed',
    sessionTimeoutMs: 45_000,
  },
  ...change,
})

test('bindings are ordered by incarnation, then revision (B1)', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      (i, r, j, s) => {
        const order = compareBindings({ incarnation: i, revision: r }, { incarnation: j, revision: s })
        assert.equal(Math.sign(order), i === j ? Math.sign(r - s) : Math.sign(i - j))
      },
    ),
  )
  assert.equal(bindingVersion({ incarnation: 3, revision: 14 }), '3.14')
})

test('a binding that breaks B2 or B3, or names an unknown cluster, is refused', () => {
  const parsed = Binding.parse(binding())
  assert.equal(openEpoch(parsed)?.topic, 'orders.placed')
  const epoch = (number: number, state: string, extra = {}): unknown => ({
    epoch: number,
    state,
    cluster: 'a',
    topic: `t${number}`,
    partitions: 2,
    ...extra,
  })
  for (const [change, message] of [
    [{ epochs: [] }, /at least one epoch/],
    [{ epochs: [epoch(1, 'open'), epoch(2, 'open')] }, /at most one epoch is open/],
    [{ epochs: [epoch(2, 'sealed'), epoch(1, 'open')] }, /rising order/],
    [{ epochs: [epoch(1, 'open', { cluster: 'b' })] }, /unknown cluster 'b'/],
    [{ epochs: [epoch(1, 'sealed', { endOffsets: ['1'] })] }, /2 partitions and 1 end offsets/],
    [{ clusters: [{ name: 'a', bootstrap: ['nonsense'] }] }, /host:port/],
  ] as const) {
    const result = Binding.safeParse(binding(change))
    assert.equal(result.success, false, JSON.stringify(change))
    assert.match(describeIssues(result.error!).join('\n'), message)
  }
})

test('every error of the catalogue says what to do and has a fitting HTTP status (E1, E2)', () => {
  for (const [code, entry] of Object.entries(catalogue)) {
    assert.match(code, /^MQ_[A-Z]+(_[A-Z]+)*$/)
    assert.ok(entry.title.length > 10 && !entry.title.endsWith('.'), `${code} title`)
    assert.ok(entry.action.length > 10 && !entry.action.endsWith('.'), `${code} action`)
    assert.ok(entry.httpStatus >= 400 && entry.httpStatus < 600, `${code} status`)
    assert.ok(isMqErrorCode(code))
  }
  assert.equal(isMqErrorCode('toString'), false)
})

test('an MqError is recognised across copies of the package and shows its cause, action and class', () => {
  const cause = new Error('socket')
  const error = new MqError('MQ_SEND_TIMEOUT', '3 records waited 120000 ms', { cause, details: { records: 3 } })
  assert.ok(error instanceof MqError && error instanceof Error)
  assert.ok(!(new Error('x') instanceof MqError))
  assert.equal(error.retryable, true)
  assert.equal(error.cause, cause)
  assert.deepEqual(JSON.parse(JSON.stringify(error)), {
    code: 'MQ_SEND_TIMEOUT',
    message: '3 records waited 120000 ms',
    action: catalogue.MQ_SEND_TIMEOUT.action,
    retryable: true,
    details: { records: 3 },
  })
})

test('every route is under /v1, has a summary, and its path parameters are in its params schema', () => {
  for (const [name, route] of Object.entries(routes)) {
    assert.match(route.path, /^\/v1\//, name)
    assert.ok(route.summary.length > 5, name)
    const inPath = [...route.path.matchAll(/:(\w+)/g)].map((match) => match[1])
    const declared = 'params' in route ? Object.keys(route.params.shape) : []
    assert.deepEqual(declared, inPath, name)
  }
})

test('a declaration without an intent takes the defaults', () => {
  assert.deepEqual(Declaration.parse({ id: 'orders.placed' }).intent, Intent.parse({}))
})
