import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Migration, MqError } from '@mq/contract'
import { z } from 'zod'
import { AppProcess } from '../src/demo/app-process.ts'
import { none, sameCount, sameSums } from '../src/demo/checks.ts'
import { judgeMigration } from '../src/demo/migration.ts'
import type { FlightsFollowed, FlightsProduced } from '../src/demo/results.ts'
import { freshFolder } from './harness.ts'

const LIMIT = { timeout: 300_000 }

function app(source: string, signal = new AbortController().signal): AppProcess {
  const cwd = freshFolder()
  const file = join(cwd, 'app.ts')
  writeFileSync(file, source)
  return new AppProcess({ name: 'the app', file, flags: [], cwd, env: process.env, signal })
}

const Result = z.object({ sent: z.number() })

test('P1: the last JSON line is the result, and progress lines before it are not', LIMIT, async () => {
  const one = app(`console.log('hello'); console.log('{"progress":5}'); console.log('{"sent":7}')`)
  assert.deepEqual(await one.result(Result), { sent: 7 })
  assert.equal(one.progress, 5)
})

test(
  'an application that fails, prints nothing or prints another shape is a failed check that says so',
  LIMIT,
  async () => {
    const failing = (pattern: RegExp) => (error: unknown) =>
      error instanceof MqError && error.code === 'MQ_CHECK_FAILED' && pattern.test(error.message)
    await assert.rejects(
      app(`console.log('{"sent":7}'); console.error('boom'); process.exit(3)`).result(Result),
      failing(/exit code 3: boom/),
    )
    await assert.rejects(app(`console.log('{"progress":1}')`).result(Result), failing(/ended without a result/))
    await assert.rejects(app(`console.log('{"send":7}')`).result(Result), failing(/another shape: \{"send":7\}/))
  },
)

test('P2: at the signal the application is asked to end, and killed when it does not listen', LIMIT, async () => {
  const stop = new AbortController()
  const polite = app(
    `process.on('SIGTERM', () => { console.log('{"sent":1}'); process.exit(0) }); console.log('{"progress":1}'); setInterval(() => {}, 1000)`,
    stop.signal,
  )
  const deaf = app(
    `process.on('SIGTERM', () => {}); console.log('{"progress":1}'); setInterval(() => {}, 1000)`,
    stop.signal,
  )
  while (polite.progress + deaf.progress < 2) await new Promise((resolve) => setTimeout(resolve, 20))
  stop.abort()
  assert.deepEqual(await polite.result(Result), { sent: 1 })
  await assert.rejects(deaf.result(Result), /SIGKILL/)
})

test('D1: checks hold only for what is equal, in both directions, and say what differs', () => {
  assert.equal(sameCount('n', 5, 5).ok, true)
  assert.deepEqual(sameCount('n', 4, 5), { name: 'n', ok: false, detail: '4 instead of 5' })
  assert.equal(none('n', 0, 'x').ok, true)
  assert.equal(none('n', 1, 'x').ok, false)
  const expected = { a: [1, 2], b: [3, 4] }
  assert.equal(sameSums('s', { b: [3, 4], a: [1, 2] }, expected).ok, true)
  for (const found of [
    { a: [1, 2] },
    { a: [1, 2], b: [3, 5] },
    { a: [1, 2], b: [3] },
    { ...expected, c: [0, 0] },
    {},
  ]) {
    assert.equal(sameSums('s', found as never, expected).ok, false, JSON.stringify(found))
  }
  assert.equal(sameSums('s', {}, {}).ok, false)
})

test('V1: the verdict on a migration counts what any group missed, saw twice or saw overtaken, and each fails its check', () => {
  const place = { epoch: 1, topic: 't', replication: 1 }
  const migration = {
    from: { ...place, cluster: 'a', partitions: 4 },
    to: { ...place, cluster: 'b', partitions: 8 },
    report: { recordsSealed: '40', closedMs: 12 },
  } as unknown as Migration
  const produced = [60, 40].map((sent): FlightsProduced => {
    return { role: 'producer', sent, recordBytes: 1, durationMs: 1, longestWaitMs: sent }
  })
  const followed = (changes: Partial<FlightsFollowed>): FlightsFollowed[] =>
    [{}, changes].map((change) => ({
      group: 'g',
      received: 100,
      duplicates: 0,
      orderViolations: 0,
      durationMs: 1,
      longestGapMs: 7,
      endToEndMs: { p50: 1, p99: 1, max: 1 },
      sums: {},
      ...change,
    }))
  const sound = judgeMigration(migration, 100, produced, followed({}))
  assert.deepEqual(sound.written, { before: 40, after: 60 })
  assert.deepEqual([sound.longestWriteWaitMs, sound.longestConsumerGapMs], [60, 7])
  assert.ok(sound.checks.every(({ ok }) => ok))
  for (const [change, at] of [
    [{ received: 99 }, 0],
    [{ duplicates: 2 }, 1],
    [{ orderViolations: 3 }, 2],
  ] as const) {
    const { checks } = judgeMigration(migration, 100, produced, followed(change))
    assert.deepEqual(
      checks.map(({ ok }) => ok),
      [0, 1, 2].map((index) => index !== at),
    )
  }
})
