/** `mq measure against` end to end, small: this clone beside its own last commit. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AgainstResult, againstTable } from '../against/result.ts'
import { measure } from './measuring.ts'

const LIMIT = { timeout: 600_000 }
const root = fileURLToPath(new URL('../../', import.meta.url))
/** Folders of compared commits: others of this clone come and go by themselves. */
const worktrees = (): string[] =>
  execFileSync('git', ['worktree', 'list'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes('mq-against-'))

test('both sides send, start and list in turn, and nothing of the other commit stays', LIMIT, async () => {
  const before = worktrees()
  const flags = ['HEAD', '--only', 'produce,start', '--pairs', '1', '--messages', '2000']
  const result = AgainstResult.parse(await measure('against.ts', flags))
  assert.deepEqual(result.failures, [])
  assert.deepEqual(
    result.results.map(({ kind }) => kind),
    ['produce'],
  )
  assert.deepEqual(
    result.times.map(({ what }) => what),
    ['start of the control plane', 'mq list'],
  )
  for (const { thisMs, otherMs, ratio } of result.times)
    assert.ok(Math.abs(ratio.median - thisMs / otherMs) < 0.01, 'one pair: its ratio is that of its figures')
  const table = againstTable(result)
  for (const row of ['produce, messages/s', 'produce, CPU us/message', 'mq list, ms']) assert.ok(table.includes(row))
  assert.deepEqual(worktrees(), before)
})

test('an unknown name is told with those there are, before anything is started', LIMIT, async () => {
  await assert.rejects(
    measure('against.ts', ['HEAD', '--only', 'produce,speed']),
    /--only speed: there are produce, produce-zstd, consume, propagation, migration, start/,
  )
})
