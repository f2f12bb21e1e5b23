/**
 * The committed OpenAPI document.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { routes } from '@mq/contract'
import { openApiDocument } from '../src/http/openapi.ts'
import { startHarness } from './harness.ts'

interface Document {
  paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown> }>>
}

test('docs/openapi.json is current', async () => {
  const committed: unknown = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8'))
  assert.deepEqual(committed, JSON.parse(JSON.stringify(await openApiDocument())), 'run node scripts/openapi.ts')
})

test('a running control plane serves the same document, and every route of the contract is in it', async (t) => {
  const plane = await startHarness(t)
  const served = (await plane.call('GET', '/openapi.json')).body as Document
  assert.deepEqual(served, JSON.parse(JSON.stringify(await openApiDocument())))
  for (const [name, { method, path }] of Object.entries(routes)) {
    const operation = served.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]
    assert.equal(operation?.operationId, name, `${method} ${path}`)
    assert.ok(operation.responses.default, `${name} says how it fails`)
  }
})
