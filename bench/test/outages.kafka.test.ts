/** The control plane and the source cluster killed in the middle of migrations (figures of `mq measure outages`, three of the states). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OutagesResult } from '../results.ts'
import { measured } from './measuring.ts'

const FLAGS = ['--away-seconds', '8', '--states', 'prepared,refusing', '--source-away-seconds', '5']

test('no send fails, nothing is lost or reordered, when the control plane or every broker of the source dies in a migration', {
  timeout: 900_000,
}, async () => {
  const result = OutagesResult.parse(JSON.parse(await measured('outages.ts', [...FLAGS, '--source-states', 'sealed'])))
  const { failedSends, lost, reordered, controlPlane, source } = result
  assert.deepEqual({ failedSends, lost, reordered }, { failedSends: 0, lost: 0, reordered: 0 })
  assert.deepEqual(
    [...controlPlane, ...source].map(({ state, otherViolations }) => [state, otherViolations]),
    [
      ['prepared', 0],
      ['refusing', 0],
      ['sealed', 0],
    ],
  )
  for (const { state, acknowledgedMeanwhile } of controlPlane)
    assert.ok(acknowledgedMeanwhile > 0, `${state}: applications go on without the control plane`)
  assert.ok(controlPlane[1]!.newEpochMeanwhile > 0, 'they opened the new epoch by themselves')
  assert.ok(source[0]!.acknowledgedMeanwhile > 0, 'the new epoch needs nothing of the source')
})
