/** Backups of a control plane restored under running applications (figures of `mq measure restore`, two seeds: the second has to find what the first left). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestoreResult } from '../results.ts'
import { measured } from './measuring.ts'

test('a backup from before migrations, deletions and declarations is restored: no send fails, nothing is lost, every mQ ID is as it was', {
  timeout: 900_000,
}, async () => {
  const result = RestoreResult.parse(
    JSON.parse(await measured('restore.ts', ['--seeds', '2', '--steps', '3', '--seed', '3'])),
  )
  const { failedSends, lost, reordered, duplicated, otherViolations, wrong, runs } = result
  assert.deepEqual(
    { failedSends, lost, reordered, duplicated, otherViolations, wrong },
    { failedSends: 0, lost: 0, reordered: 0, duplicated: 0, otherViolations: 0, wrong: 0 },
  )
  assert.equal(runs.length, 2)
  assert.ok(
    runs.some(({ changes }) => (changes.migrate ?? 0) > 0),
    'something was migrated around a backup',
  )
  assert.ok(result.messages > 800)
})
