/** Invariants PC1 to PC4 (pace.ts). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { Pace, within, withinCpu } from '../src/index.ts'

test('what stays below its limit passes, and hands out its result', async () => {
  assert.equal(await within(60_000, async () => 7), 7)
  assert.equal(
    withinCpu(60_000, () => 7),
    7,
  )
})

test('what fails, fails with its own error', async () => {
  await assert.rejects(
    within(0, () => Promise.reject(new Error('planted'))),
    /planted/,
  )
})

test('what only waits passes no limit far below its time, however busy the machine is', async () => {
  const pace = new Pace()
  await sleep(300)
  pace.stop()
  assert.throws(() => pace.check(1e9, 100), /took \d+ ms; 100 are allowed on an idle machine, and \d+ on this one/)
  pace.check(99, 100)
})

test('a limit is never less than it says, and grows with what else runs (PC1, PC2)', async () => {
  const pace = new Pace()
  assert.ok(pace.limitMs(1_000) >= 1_000)
  // Four threads that never wait share two cores with this one.
  const busy = Array.from({ length: 4 * navigator.hardwareConcurrency }, () => new Worker('for (;;);', { eval: true }))
  try {
    await Promise.all(busy.map((worker) => once(worker, 'online')))
    await sleep(500)
    assert.ok(pace.limitMs(1_000) >= 1_500, String(pace))
  } finally {
    pace.stop()
    for (const worker of busy) await worker.terminate()
  }
})

test('processor time has a limit of its own, which other processes do not touch', () => {
  const spin = (ms: number): void => {
    const before = process.threadCpuUsage()
    for (let usedMs = 0; usedMs < ms; ) {
      const { user, system } = process.threadCpuUsage(before)
      usedMs = (user + system) / 1_000
    }
  }
  assert.throws(() => withinCpu(10, () => spin(30)), /processor time, at most 10 are allowed/)
})
