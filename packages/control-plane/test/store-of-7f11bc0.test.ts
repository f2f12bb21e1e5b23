/**
 * A store that the code of commit 7f11bc0 wrote, with mQ IDs, journal, decisions, a migration, a twin, policies, budgets and costs: it is
 * upgraded, and every answer that the API of then gave is given again.
 *
 * `stores/7f11bc0.sql` is what `sqlite3 .dump` says of that store, `stores/7f11bc0.json` what its API answered before it was closed.
 */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { MARK_FILE, STORE_FILE } from '../src/store/store.ts'
import { movableClock, startHarness, temporaryFolder } from './harness.ts'

interface Recorded {
  readonly atMs: number
  readonly answers: Readonly<Record<string, unknown>>
}

const file = (name: string): string => readFileSync(new URL(`stores/${name}`, import.meta.url), 'utf8')

/** What may read otherwise, each with the reason. */
const OTHERWISE: readonly (readonly [RegExp, string])[] = [
  [/^\/v1\/clusters clusters \d+ checkedAtMs/, 'a cluster is checked when a control plane starts'],
  [/^\/v1\/decisions outlooks/, 'what loops say is in memory, and they did not run yet'],
  [/^\/v1\/costs (?:fromMs|toMs)/, 'a report ends when it is asked for'],
  [/budgets \d+ warning/, 'says now what the sum is of'],
  [/report verdict checks \d+ (?:claim|evidence): "[^"]*\bmove\b/, 'a migration is called so, and not a move any more'],
]

test('a store of 7f11bc0 is upgraded and reads the same', { timeout: 120_000 }, async (t) => {
  const { atMs, answers } = JSON.parse(file('7f11bc0.json')) as Recorded
  const dataDir = temporaryFolder(t)
  const database = new DatabaseSync(join(dataDir, STORE_FILE))
  database.exec(`PRAGMA foreign_keys = OFF; ${file('7f11bc0.sql')}`)
  const fact = (key: string): string =>
    (database.prepare('SELECT value FROM meta WHERE key = ?').get(key) as { value: string }).value
  const mark = { run: fact('run'), revision: Number(fact('revision')), incarnation: Number(fact('incarnation')) }
  database.close()
  writeFileSync(join(dataDir, MARK_FILE), JSON.stringify(mark))
  const plane = await startHarness(t, { dataDir, deps: movableClock(atMs) })
  const changed: string[] = []
  for (const [url, then] of Object.entries(answers)) {
    const { status, body, text } = await plane.call('GET', url)
    assert.equal(status, 200, `${url}: ${text}`)
    changed.push(...lost(then, body, url).filter((path) => !OTHERWISE.some(([known]) => known.test(path))))
  }
  assert.deepEqual(changed, [])
  const decisions = answers['/v1/decisions'] as { decisions: { state: string }[] }
  const states = decisions.decisions.map(({ state }) => state)
  assert.deepEqual(states, ['waiting', 'superseded'], 'the recording holds what it is about')
})

/** The leaves of what was answered then that are not answered so now. */
function lost(then: unknown, now: unknown, path: string): string[] {
  if (typeof then !== 'object' || then === null) {
    return Object.is(then, now) ? [] : [`${path}: ${JSON.stringify(then)} -> ${JSON.stringify(now)}`]
  }
  if (Array.isArray(then) && Array.isArray(now) && then.length !== now.length) {
    return [`${path}: ${then.length} -> ${now.length} items`]
  }
  return Object.entries(then).flatMap(([key, value]) =>
    lost(value, (now as Record<string, unknown> | null | undefined)?.[key], `${path} ${key}`),
  )
}
