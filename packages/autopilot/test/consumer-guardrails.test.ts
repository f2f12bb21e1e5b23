/**
 * Guardrails of readers where groups are small, quiet, slow by themselves, or have odd clocks (guardrails R5, reader-guardrails R4, R6,
 * clocks K1, K2).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Sample } from '@mq/autopilot'
import {
  chooseReaders,
  devTimes,
  guardrails,
  oddClocks,
  type ReaderGuardrailInput,
  readerGuardrails,
} from '@mq/autopilot'
import { sample, T0 } from './judged.ts'

/** One window a second of one reader. */
function read(group: string, instance: string, seconds: number, change: Partial<Sample> = {}): Sample[] {
  return Array.from({ length: seconds }, (_, second) =>
    sample({ instance, group, atMs: T0 + second * 1_000, records: 100, p99Ms: 20, lagRecords: 5, ...change }),
  )
}

const BUSY = { records: 1_000 }
const QUIET = { records: 10 }
const input = (change: Partial<ReaderGuardrailInput> = {}): ReaderGuardrailInput => {
  const onTrial = [...read('a', 'i', 10, BUSY), ...read('b', 'k', 10, QUIET)]
  return {
    onTrial,
    rest: [...read('a', 'j', 10, BUSY), ...read('b', 'l', 10, QUIET)],
    before: onTrial,
    endToEndLimitMs: () => 100,
    reports: onTrial,
    instances: ['i', 'k'],
    beganAtMs: T0,
    nowMs: T0 + 11_000,
    times: devTimes,
    ...change,
  }
}
const broken = (change: Partial<ReaderGuardrailInput> = {}): string[] =>
  readerGuardrails(input(change)).flatMap(({ name, held }) => (held ? [] : [name]))

describe('each group by itself (R4)', () => {
  test('what a quiet group does not read any more is noticed beside a busy one', () => {
    assert.deepEqual(broken(), [])
    const stopped = read('b', 'k', 10, { records: 0, p99Ms: null })
    assert.deepEqual(broken({ onTrial: [...read('a', 'i', 10, BUSY), ...stopped] }), ['throughput'])
  })

  test('a busy group that is wholly on trial is not held to the rate of a quiet one', () => {
    const slow = [...read('a', 'i', 10, { records: 100 }), ...read('b', 'k', 10, QUIET)]
    assert.deepEqual(broken({ onTrial: slow, rest: read('b', 'l', 10, QUIET) }), ['throughput'])
  })

  test('a few records more or less of a group that has hardly any prove nothing', () => {
    const few = (records: number) => [...read('a', 'i', 10, BUSY), ...read('b', 'k', 10, { records })]
    assert.deepEqual(broken({ onTrial: few(0), before: few(1), rest: [] }), [])
  })

  test('how far a busy group may be behind is no excuse for a quiet one', () => {
    const behind = read('b', 'k', 10, { ...QUIET, lagRecords: 5_000 })
    assert.deepEqual(broken({ onTrial: [...read('a', 'i', 10, BUSY), ...behind] }), ['lag on trial'])
    const one = read('a', 'i', 10, { ...BUSY, lagRecords: 5_000 })
    assert.deepEqual(broken({ onTrial: [...one, ...read('b', 'k', 10, QUIET)] }), [])
  })

  test('a process that goes on in one group and is silent in another is silent', () => {
    const both = [...read('a', 'i', 10), ...read('b', 'i', 10)]
    const nowMs = T0 + 10_000 + devTimes.silentMs + 2_000
    const late = read('a', 'i', Math.ceil((nowMs - T0) / 1_000))
    const seen = { instances: ['i'], rest: [], before: both, nowMs }
    assert.deepEqual(broken({ ...seen, onTrial: late, reports: late }), ['silence'])
    // It had left that group before.
    const left = [...read('a', 'i', 10), ...read('b', 'i', 10, { atMs: T0 - 60_000 })]
    assert.deepEqual(broken({ ...seen, onTrial: late, reports: late, before: left }), [])
  })

  test('each group has a limit of its own', () => {
    const slow = { onTrial: [...read('a', 'i', 10, { p99Ms: 150 }), ...read('b', 'k', 10, { p99Ms: 480 })] }
    const before = [...read('a', 'i', 10), ...read('b', 'k', 10, { p99Ms: 450 })]
    const endToEndLimitMs = (group: string): number => (group === 'b' ? 540 : 100)
    assert.deepEqual(broken({ ...slow, before, rest: [], endToEndLimitMs }), ['latency'])
    assert.deepEqual(broken({ ...slow, before, rest: [], endToEndLimitMs: () => 540 }), [])
  })
})

describe('who handles little (R5)', () => {
  const few = (p99Ms: number) => ({ records: 1, p99Ms })

  test('small windows are joined until they say something, for readers', () => {
    const only = { instances: ['k'], rest: [], before: read('b', 'k', 30, few(20)) }
    const judged = (seconds: number, p99Ms: number): string[] =>
      broken({
        ...only,
        onTrial: read('b', 'k', seconds, few(p99Ms)),
        nowMs: T0 + (seconds + 1) * 1_000,
        reports: read('b', 'k', seconds),
      })
    assert.deepEqual(judged(30, 30), [])
    assert.deepEqual(judged(19, 5_000), [], 'nineteen records')
    assert.deepEqual(judged(20, 5_000), ['latency'])
    assert.deepEqual(judged(39, 150), [], 'one slow window is chance')
    assert.deepEqual(judged(40, 150), ['latency'])
  })

  test('and for those that send, instance by instance', () => {
    const sent = (instances: readonly string[], seconds: number, p99Ms: number): Sample[] =>
      instances.flatMap((instance) =>
        Array.from({ length: seconds }, (_, second) =>
          sample({ instance, atMs: T0 + second * 1_000, records: 1, p99Ms }),
        ),
      )
    const judged = (instances: readonly string[], seconds: number): string[] =>
      guardrails({
        onTrial: sent(instances, seconds, 5_000),
        rest: [],
        before: sent(instances, seconds, 20),
        sendP99LimitMs: 100,
        lagBefore: 0,
        lagNow: 0,
        recordsPerSecond: 1,
        reports: [],
        instances: [],
        beganAtMs: T0,
        nowMs: T0 + seconds * 1_000,
        times: devTimes,
      }).flatMap(({ name, held }) => (held ? [] : [name]))
    assert.deepEqual(judged(['a'], 20), ['latency'])
    assert.deepEqual(judged(['a', 'b'], 10), [], 'ten records each')
  })
})

describe('clocks', () => {
  test('a reader whose clock is ahead is held against what it said before (R6)', () => {
    const ahead = (p99Ms: number) => ({ ...BUSY, p99Ms: 5_000 + p99Ms })
    const of = (p99Ms: number) => [...read('a', 'i', 10, ahead(p99Ms)), ...read('b', 'k', 10, QUIET)]
    assert.deepEqual(broken({ onTrial: of(25), before: of(20) }), [])
    assert.deepEqual(broken({ onTrial: of(800), before: of(20) }), ['latency'])
    assert.deepEqual(broken({ onTrial: of(25), before: read('a', 'i', 10) }), ['latency'])
  })

  test('who reads in no time, or takes many times what its group does, does not try (K1, K2)', () => {
    const group = (...p99s: number[]): Sample[] => p99s.flatMap((p99Ms, nth) => read('a', `i${nth}`, 3, { p99Ms }))
    assert.deepEqual([...oddClocks(group(30, 35, 0, 28, 5_030))].sort(), ['i2', 'i4'])
    assert.deepEqual([...oddClocks(group(30, 0))], ['i1'])
    assert.deepEqual([...oddClocks(group(30, 5_000))], ['i1'])
    assert.deepEqual([...oddClocks(group(1, 2, 0.5, 12))], [], 'where all are fast, little is far')
    assert.deepEqual([...oddClocks(group(100, 180, 60))], [])
    assert.deepEqual([...oddClocks([...group(20, 25), ...read('slow', 'k', 3, { p99Ms: 900 })])], [], 'another group')
    const recent = group(0, 30, 31, 5_000)
    const canary = chooseReaders(recent, oddClocks(recent))
    assert.deepEqual(canary?.instances, ['i1'])
  })
})
