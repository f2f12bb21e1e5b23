/** The store of telemetry is as small as it is said to be (rollups Y2, Y3), measured by the program that measures it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TelemetryStoreResult } from '../results.ts'

test('10,000 busy mQ IDs, with every roll-up for all of its time, take at most 1 GB', { timeout: 300_000 }, () => {
  const program = fileURLToPath(new URL('../telemetry-store.ts', import.meta.url))
  const out = execFileSync(process.execPath, ['--conditions=mq-source', program, '--ids', '4', '--json'])
  const result = TelemetryStoreResult.parse(JSON.parse(out.toString().trim().split('\n').at(-1)!))
  assert.ok(result.storeGb <= 1, `${result.storeGb} GB`)
  for (const { resolutionMs, keepMs, windowsPerId } of result.kept) {
    assert.equal(windowsPerId, keepMs / resolutionMs, `every window of ${resolutionMs} ms is there`)
  }
})
