/**
 * Repairs of what readers take too long for, tried on readers and judged by their end-to-end p99 (T5, M2, verdict V2).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ReadersFleet } from './readers-fleet.ts'

const TIMEOUT = { timeout: 300_000 }
const GROUPS = { billing: 10, search: 10 }
/** What a saving would have left behind where more time was allowed. */
const PATIENT = { fetchMinBytes: 1_048_576, fetchMaxWaitMs: 500 } as const

test('a p99 that readers miss is repaired by fetching sooner, on a tenth of each group first', TIMEOUT, async (t) => {
  const fleet = new ReadersFleet({ groups: GROUPS })
  await fleet.start(t)
  await fleet.declare(PATIENT, { latencyP99Ms: '450ms' })
  const trying = await fleet.until(300, 'trial')
  assert.equal(trying?.state, 'trial', trying?.status ?? JSON.stringify(fleet.engine.outlooks()))
  assert.match(trying.why, /the end-to-end p99 is \d+ ms .* where 450 ms are allowed/)
  const decision = await fleet.until(300, 'kept', 'undone')
  assert.equal(decision?.state, 'kept', `${decision?.status}`)
  t.diagnostic(`kept after ${fleet.second} s: ${decision.title}; ${decision.status}`)
  assert.deepEqual([...fleet.touched].sort(), ['billing-000', 'search-000'])
  assert.match(decision.trialComparisons[0]!.metric, /end-to-end p99/)
  assert.ok(decision.trialComparisons[0]!.changeShare < -0.05)
  assert.ok(decision.measured!.endToEndP99Ms! < 450, `${decision.measured!.endToEndP99Ms}`)
  assert.ok(decision.change.kind === 'consumer-settings')
  assert.deepEqual(fleet.binding.consumer, decision.change.after)
})

test('one that does not help is undone while a tenth of the readers is all that was touched', TIMEOUT, async (t) => {
  // Handlers take the time: whichever way is fetched changes nothing.
  const fleet: ReadersFleet = new ReadersFleet({
    groups: GROUPS,
    tells: (_reader, _settings, _trial, { records }) => ({
      endToEndLatencyUs: fleet.latency(600 + (fleet.second % 7), records),
    }),
  })
  await fleet.start(t)
  await fleet.declare(PATIENT, { latencyP99Ms: '450ms' })
  const { consumer } = fleet.binding
  const decision = await fleet.until(500, 'kept', 'undone')
  assert.equal(decision?.state, 'undone', decision?.status ?? JSON.stringify(fleet.engine.outlooks()))
  t.diagnostic(decision.status)
  assert.equal(fleet.touched.size, 2)
  assert.deepEqual(fleet.binding.consumer, consumer)
})
