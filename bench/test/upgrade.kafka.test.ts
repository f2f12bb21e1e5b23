/** A rolling upgrade from 3.9 to the newest Kafka, under load: nobody loses anything, and new clients come in all the time (figures of `mq measure upgrade`, small). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UpgradeResult } from '../results.ts'
import { measured } from './measuring.ts'

test('three brokers are replaced one by one, and no send fails, nothing is lost, doubled or out of order', {
  timeout: 400_000,
}, async () => {
  const load = ['--rate', '200', '--keys', '50', '--pause-ms', '500']
  const stdout = await measured('upgrade.ts', ['--versions', '3.9.2,4.4.0', ...load])
  const result = UpgradeResult.parse(JSON.parse(stdout))
  assert.deepEqual(
    result.steps.map(({ broker, from, to }) => `${broker}: ${from} to ${to}`),
    [1, 2, 3].map((broker) => `${broker}: 3.9.2 to 4.4.0`),
  )
  const { failedSends, lost, duplicated, reordered, newClients } = result
  assert.deepEqual(
    { failedSends, lost, duplicated, reordered, failedClients: newClients.failed },
    { failedSends: 0, lost: 0, duplicated: 0, reordered: 0, failedClients: 0 },
  )
  assert.deepEqual(new Set(Object.values(result.otherViolations)), new Set([0]))
  assert.equal(result.handledByGroup.live, result.messages)
  // Clients came while brokers of both versions stood side by side.
  assert.ok(newClients.started >= result.steps.length, `${newClients.started} new clients`)
})
