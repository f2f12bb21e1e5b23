/** Backups of a control plane restored under running applications (figures of `mq measure restore`, one seed). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RestoreResult } from '../results.ts'
import { measured } from './measuring.ts'

test('a backup from before migrations, deletions and declarations is restored: no send fails, nothing is lost, every mQ ID is as it was', {
  timeout: 900_000,
}, async () => {
  const result = RestoreResult.parse(
    JSON.parse(await measured('restore.ts', ['--seeds', '1', '--steps', '4', '--seed', '3'])),
  )
  const { failedSends, lost, reordered, duplicated, otherViolations, wrong, runs } = result
  assert.deepEqual(
    { failedSends, lost, reordered, duplicated, otherViolations, wrong },
    { failedSends: 0, lost: 0, reordered: 0, duplicated: 0, otherViolations: 0, wrong: 0 },
  )
  assert.equal(runs.length, 1)
  assert.ok((runs[0]?.changes.migrate ?? 0) > 0, 'something was migrated around the backup')
  assert.ok(result.messages > 400)
})
