/** The gate between a thread that measures and one that exits. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { StepGate } from '../src/timing/step-gate.ts'

test('whoever shuts the gate waits for the step under way, and no step begins after it (G1)', {
  timeout: 300_000,
}, async () => {
  const gate = new StepGate()
  const script = `
    const { workerData, parentPort } = require('node:worker_threads')
    const flags = new Int32Array(workerData)
    Atomics.store(flags, 1, 1)
    parentPort.postMessage('busy')
    const until = performance.now() + 300
    while (performance.now() < until);
    Atomics.store(flags, 1, 0)
    Atomics.notify(flags, 1)`
  const worker = new Worker(script, { eval: true, workerData: gate.memory })
  await new Promise((resolve) => worker.once('message', resolve))
  const startedAt = performance.now()
  gate.shut(10_000)
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs > 50 && tookMs < 5_000, `${tookMs} ms`)
  assert.equal(gate.enter(), false)
  await new Promise((resolve) => worker.once('exit', resolve))
})

test('a step that never ends holds nobody up for longer than the limit', () => {
  const gate = new StepGate()
  assert.equal(gate.enter(), true)
  const startedAt = performance.now()
  new StepGate(gate.memory).shut(20)
  assert.ok(performance.now() - startedAt >= 19)
  gate.leave()
  assert.equal(gate.enter(), false)
})
