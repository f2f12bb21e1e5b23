import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { manifestAt, published } from '../published.ts'
import { versionProblems } from '../version.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('all packages have the version of the root, name each other with it, and the changelog knows it (V1, V2)', () => {
  assert.deepEqual(versionProblems(root), [])
})

test('what a published package needs of mQ is published before it (P1)', () => {
  const packages = published(root)
  assert.ok(packages.length >= 8)
  for (const [at, { manifest }] of packages.entries()) {
    const before = packages.slice(0, at).map((each) => each.manifest.name)
    for (const name of Object.keys(manifest.dependencies ?? {})) {
      if (name.startsWith('@mq/')) assert.ok(before.includes(name), `${manifest.name} needs ${name}`)
    }
  }
})

test('every published package says its licence and its Node, and is built before npm packs it', () => {
  const { engines } = manifestAt(root)
  for (const { manifest } of published(root)) {
    assert.equal(manifest.license, 'Apache-2.0')
    assert.deepEqual(manifest.engines, engines)
    assert.equal(manifest.scripts?.prepack, 'sh ../../mq pack --build')
  }
})
