/** Unit tests of the measuring programs: figures, payloads (P1-P3), readers of Java's output, clocks (J2), processes (X1, X2), trouble that passes (J3). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Binding, routes } from '@mq/contract'
import fc from 'fast-check'
import { attempt } from '../contenders.ts'
import { serveFixedBindings } from '../fixed-bindings.ts'
import { machineFacts } from '../machine.ts'
import { makePayloads, readPayloads, writePayloads } from '../payloads.ts'
import { consumed, steadyState } from '../peers/java.ts'
import { Arrivals, isAnyOf, type Latency, PASSING_TROUBLE, pace, sendBatches } from '../peers/job.ts'
import { ProcessFailure, runProcess } from '../peers/process.ts'
import { Machine } from '../results.ts'
import { median, medianInterval, percentile, round, roundedSpread } from '../statistics.ts'

test('the interval of a median is that of the 40th and the 61st of a hundred, and never outside of what was seen', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => 100 - n)
  assert.deepEqual(medianInterval(hundred), { median: 50.5, low: 40, high: 61 })
  assert.deepEqual(medianInterval([3, 1, 2]), { median: 2, low: 1, high: 3 })
})

test('the median is the middle of an odd list and the mean of the two middles of an even one', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.throws(() => median([]), /no values/)
})

test('half of all values are at or below the median and half at or above', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1e6, max: 1e6 }), { minLength: 1 }), (values) => {
      const middle = median(values)
      assert.ok(values.filter((value) => value <= middle).length * 2 >= values.length)
      assert.ok(values.filter((value) => value >= middle).length * 2 >= values.length)
    }),
  )
})

test('a percentile is the smallest value with that share of the values at or below it', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1)
  assert.deepEqual(
    [0, 1, 50, 99, 99.9, 100].map((percent) => percentile(hundred, percent)),
    [1, 1, 50, 99, 100, 100],
  )
  assert.equal(percentile([7], 99.9), 7)
  assert.throws(() => percentile([], 50), /no values/)
})

test('a spread is rounded but keeps its order', () => {
  assert.deepEqual(roundedSpread([1.239, 1.001, 1.118]), { median: 1.12, min: 1, max: 1.24 })
  assert.equal(round(1234.5678), 1235)
})

test('payloads are JSON of exactly the asked size, the same for the same seed, and hardly ever the same twice (P1-P3)', () => {
  const options = { count: 500, bytes: 200, seed: 7 }
  const payloads = makePayloads(options)
  assert.deepEqual(makePayloads(options), payloads)
  assert.notDeepEqual(makePayloads({ ...options, seed: 8 }), payloads)
  assert.equal(new Set(payloads).size, 500)
  for (const payload of payloads) {
    assert.equal(Buffer.byteLength(payload), 200)
    assert.ok(!payload.includes('\n'))
    assert.match((JSON.parse(payload) as { order: string }).order, /^o-[a-z0-9]{10}$/)
  }
  assert.throws(() => makePayloads({ count: 1, bytes: 50, seed: 1 }), /at least/)
})

test('payloads come back from their file as they were written', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-test-'))
  try {
    const payloads = makePayloads({ count: 20, bytes: 200, seed: 1 })
    writePayloads(join(folder, 'payloads'), payloads)
    assert.deepEqual(readPayloads(join(folder, 'payloads')).map(String), payloads)
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('of the summaries of ProducerPerformance the one without the warm-up is taken', () => {
  const stdout = `5001 records sent, 1000.0 records/sec (0.19 MB/sec), 0.9 ms avg latency, 30.0 ms max latency.
6000 records sent, 999.1 records/sec (0.19 MB/sec), 1.01 ms avg latency, 190.00 ms max latency, 1 ms 50th, 2 ms 95th, 9 ms 99th, 120 ms 99.9th.
5000 records sent, 1000.4 records/sec (0.19 MB/sec), 0.52 ms avg latency, 11.00 ms max latency, 0 ms 50th, 1 ms 95th, 3 ms 99th, 8 ms 99.9th.
`
  assert.deepEqual(steadyState(stdout), { messagesPerSecond: 1000.4, percentiles: { p50: 0, p99: 3, p999: 8 } })
  assert.throws(() => steadyState('WARN no broker'), /no summary: WARN no broker/)
})

test('the rate of ConsumerPerformance leaves out the time to join the group', () => {
  const stdout =
    '2026-11-23 10:00:00:000, 2026-11-23 10:00:02:000, 381.5, 190.7, 2000459, 1000229.5, 813, 1187, 321.4, 1685306.65\n'
  assert.deepEqual(consumed(stdout), { messages: 2_000_459, seconds: 1.187 })
  assert.throws(() => consumed('timed out\n'), /no figures/)
})

test('batches go out once each, never more under way than asked', async () => {
  const seen: number[] = []
  let underWay = 0
  let most = 0
  await sendBatches(9_500, 3, async (batch) => {
    seen.push(batch)
    underWay += 1
    most = Math.max(most, underWay)
    await sleep(1)
    underWay -= 1
  })
  assert.deepEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  assert.equal(most, 3)
})

test('the meter of a consumer ends with the last expected message, not before (J2)', async () => {
  const arrivals = new Arrivals(10)
  const add = (count: number) => {
    for (let n = 0; n < count; n++) arrivals.add(Buffer.alloc(5))
  }
  add(4)
  await sleep(30)
  add(4)
  const early = await Promise.race([arrivals.done, sleep(5).then(() => 'not yet')])
  assert.equal(early, 'not yet')
  add(2)
  assert.equal(arrivals.bytes, 50)
  const run = await arrivals.done
  assert.equal(run.messages, 10)
  assert.ok(run.seconds >= 0.03 && run.seconds < 1, `${run.seconds} s`)
})

test('a steady rate sends exactly what it should, and its percentiles show a slow answer', async () => {
  const job = { messagesPerSecond: 500, seconds: 0.4, warmupSeconds: 0.2 } as Latency
  let sent = 0
  const percentiles = await pace(job, async (n) => {
    sent += 1
    await sleep(n < 100 ? 80 : n === 250 ? 60 : 1)
  })
  assert.equal(sent, 300)
  assert.ok(percentiles.p999 >= 59, `p99.9 ${percentiles.p999} ms`)
  assert.ok(percentiles.p50 < 50, `p50 ${percentiles.p50} ms: the slow warm-up must not count`)
})

test('a failed send ends a latency run with its error', async () => {
  const job = { messagesPerSecond: 500, seconds: 0.1, warmupSeconds: 0.1 } as Latency
  await assert.rejects(
    pace(job, async (n) => {
      if (n === 5) throw new Error('broker is gone')
    }),
    /broker is gone/,
  )
})

test('a process that works for 300 ms is seen to, and one that fails is an error with its last words (X1, X2)', async () => {
  const work =
    'const end = process.cpuUsage().user + 300000; while (process.cpuUsage().user < end); console.log("done")'
  const finished = await runProcess(process.execPath, ['-e', work])
  assert.equal(finished.stdout, 'done\n')
  if (process.platform === 'linux') {
    assert.ok(finished.cpuUs! >= 250_000 && finished.cpuUs! < 3_000_000, `${finished.cpuUs} us`)
    assert.ok(finished.rssMb! > 10 && finished.rssMb! < 500, `${finished.rssMb} MB`)
  }
  await assert.rejects(runProcess(process.execPath, ['-e', 'throw new Error("no luck")']), /ended with 1: .*no luck/s)
  await assert.rejects(runProcess('/no/such/program', []), /ENOENT/)
})

test('machine facts match their schema', () => {
  const facts = machineFacts('4.3.1', '2026-11-23')
  assert.deepEqual(Machine.parse(facts), facts)
})

test('fixed bindings are served as the contract asks, by GET and by push', async () => {
  const server = await serveFixedBindings()
  try {
    const binding = Binding.parse({
      mqId: 'bench.one',
      incarnation: 1,
      revision: 4,
      format: 'bytes',
      ordering: 'none',
      epochs: [{ epoch: 1, state: 'open', cluster: 'c', topic: 't', partitions: 4 }],
      clusters: [{ name: 'c', bootstrap: ['127.0.0.1:9092'] }],
      producer: {
        codec: 'none',
        lingerMs: 5,
        batchBytes: 131_072,
        maxMessageBytes: 1_000_000,
        requestTimeoutMs: 30_000,
      },
      consumer: {
        fetchMinBytes: 1,
        fetchMaxWaitMs: 500,
        readAheadBytes: 1_048_576,
        isolation: 'read_committed',
        sessionTimeoutMs: 45_000,
      },
    })
    server.put(binding)
    const got = await fetch(`${server.url}/v1/bindings/bench.one?app=x`)
    assert.deepEqual(routes.getBinding.response.parse(await got.json()), binding)
    assert.equal((await fetch(`${server.url}/v1/bindings/bench.two`)).status, 404)
    routes.info.response.parse(await (await fetch(`${server.url}/v1/info`)).json())
    const push = await fetch(`${server.url}/v1/bindings?ids=bench.one`)
    const { value } = await push.body!.getReader().read()
    const text = new TextDecoder().decode(value)
    assert.match(text, /^event: binding\nid: 1\.4\ndata: \{.*"bench\.one"/)
  } finally {
    await server.close()
  }
})

test('another client that gives up on what passes gets two more runs, mQ and any other failure get none', async () => {
  const passing = new ProcessFailure('no leader', PASSING_TROUBLE)
  const tries = async (kind: 'node' | 'mq', error: Error, failures: number): Promise<number> => {
    let made = 0
    const once = async (): Promise<string> => {
      made++
      if (made <= failures) throw error
      return 'measured'
    }
    await attempt({ name: 'peer', kind }, once).then(
      (result) => assert.equal(result, 'measured'),
      (thrown: unknown) => assert.equal(thrown, error),
    )
    return made
  }
  assert.equal(await tries('node', passing, 2), 3)
  assert.equal(await tries('node', passing, 9), 3)
  assert.equal(await tries('mq', passing, 1), 1)
  assert.equal(await tries('node', new ProcessFailure('crashed', 1), 1), 1)
  assert.equal(await tries('node', new Error('lost records'), 1), 1)
})

test('trouble that passes is found in what an error was caused by, and nothing else is taken for it', () => {
  const isPassing = (error: unknown): boolean => isAnyOf(error, ({ retriable }) => retriable === true)
  const given = Object.assign(new Error('retries exceeded'), { retriable: false })
  assert.equal(isPassing(given), false)
  assert.equal(isPassing(Object.assign(given, { cause: Object.assign(new Error('x'), { retriable: true }) })), true)
  assert.equal(isPassing(new AggregateError([Object.assign(new Error('x'), { retriable: true })])), true)
  assert.equal(isPassing('text'), false)
})

test('a peer whose client calls its trouble passing ends with the code that says so', async () => {
  const job = { role: 'latency', bootstrap: [], topic: 't', partitions: 1, url: '', mqId: '', cacheDir: '' }
  const program = `
    import { answer, isAnyOf } from ${JSON.stringify(new URL('../peers/job.ts', import.meta.url).href)}
    const failing = () => Promise.reject(Object.assign(new Error('no leader yet'), { retriable: process.argv[1] === 'passing' }))
    process.argv[2] = ${JSON.stringify(JSON.stringify(job))}
    await answer({ produce: failing, consume: failing, latency: failing }, (error) => isAnyOf(error, (one) => one.retriable === true))
  `
  const run = (kind: string) =>
    runProcess(process.execPath, ['--conditions=mq-source', '--input-type=module', '-e', program, kind])
  await assert.rejects(run('passing'), (error: unknown) => {
    assert.ok(error instanceof ProcessFailure)
    assert.equal(error.exitCode, PASSING_TROUBLE)
    assert.match(error.message, /no leader yet/)
    return true
  })
  await assert.rejects(run('final'), { exitCode: 1 })
})
