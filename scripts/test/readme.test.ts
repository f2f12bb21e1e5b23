import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { commandDocs } from '@mq/cli'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = globSync(['*.md', 'docs/**/*.md', 'examples/*/*.md', 'bench/*.md'], { cwd: root })
const read = (page: string): string => readFileSync(join(root, page), 'utf8')

test('every page of the docs links only to files that exist', () => {
  assert.ok(pages.length > 10)
  for (const page of pages) {
    for (const [, target] of read(page).matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)) {
      assert.ok(existsSync(join(root, dirname(page), target!)), `${page} links to ${target}`)
    }
  }
})

test('every test the README names exists', () => {
  const files = globSync('packages/*/test/*.test.ts', { cwd: root }).map((file) => basename(file))
  const named = [...read('README.md').matchAll(/\.\/mq test --only (\w+)/g)].map((match) => match[1]!)
  assert.ok(named.length > 5)
  for (const name of named)
    assert.ok(
      files.some((file) => file.includes(name)),
      `no test file has '${name}' in its name`,
    )
})

test('every mq command that a page tells people to type is one', () => {
  const known = new Set([...commandDocs().matchAll(/^### mq (\w+)/gm)].map((match) => match[1]!))
  assert.ok(known.has('apply'))
  for (const page of pages) {
    for (const [, command] of read(page).matchAll(/\.\/mq (\w[\w-]*)/g)) {
      assert.ok(known.has(command!), `${page} names './mq ${command}'`)
    }
  }
})

test('every program and file that the examples tell people to run is there', () => {
  for (const page of pages) {
    for (const [, file] of read(page).matchAll(/((?:examples|bench)\/[\w./-]+\.(?:ts|yaml))/g)) {
      assert.ok(existsSync(join(root, file!)), `${page} names ${file}`)
    }
  }
})
