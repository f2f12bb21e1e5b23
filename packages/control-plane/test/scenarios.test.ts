/**
 * The table of scenarios in the documentation names tests that exist.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const root = new URL('../../../', import.meta.url)
const FILES: Readonly<Record<string, string>> = {
  '`migration-clients`': 'packages/control-plane/test/migration-clients.kafka.test.ts',
  '`migration-brokers`': 'packages/control-plane/test/migration-brokers.kafka.test.ts',
  '`migration-lost`': 'packages/control-plane/test/migration-lost.kafka.test.ts',
  '`migration` (client)': 'packages/client/test/migration.kafka.test.ts',
  '`migration` (control plane)': 'packages/control-plane/test/migration.kafka.test.ts',
  '`migration.test`': 'packages/control-plane/test/migration.test.ts',
  '`migration-alone` (client)': 'packages/client/test/migration-alone.kafka.test.ts',
  '`migration-alone` (control plane)': 'packages/control-plane/test/migration-alone.kafka.test.ts',
  '`succession-model`': 'packages/control-plane/test/succession-model.test.ts',
  '`dead-letters`': 'packages/client/test/dead-letters.kafka.test.ts',
  '`migration-mutations`': 'packages/client/test/migration-mutations.kafka.test.ts',
}

test('every scenario of migrations that the documentation names has its test', () => {
  const page = readFileSync(new URL('docs/reference/migration.md', root), 'utf8')
  // In small letters: codes of errors stand before a colon, too.
  const named = [...page.matchAll(/\| (`[a-z.-]+`(?: \([\w ]+\))?): (.+) \|$/gm)]
  assert.ok(named.length >= 25, `${named.length} tests are named`)
  for (const [, file, name] of named) {
    const path = FILES[file!]
    assert.ok(path !== undefined, `${file} is no file of tests`)
    const text = readFileSync(new URL(path, root), 'utf8')
    assert.ok(text.includes(`'${name}`), `${path} has no test '${name}'`)
  }
})
