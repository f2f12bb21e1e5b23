/** The reference page names every price book and every meter, and no others. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { METERS, priceBooks } from '../src/index.ts'

const page = readFileSync(new URL('../../../docs/reference/economics.md', import.meta.url), 'utf8')

/** Names in the first column of the table under a head. */
function namesUnder(head: string): string[] {
  const table = page.slice(page.indexOf(head))
  const rows = table.slice(table.indexOf('\n| --- |') + 1).split('\n\n')[0]!
  return rows
    .split('\n')
    .slice(1)
    .flatMap((row) => [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map((match) => match[1]!))
}

test('the page names every price book', () => {
  assert.deepEqual(
    namesUnder('| id | what it prices |').toSorted(),
    priceBooks()
      .map(({ id }) => id)
      .toSorted(),
  )
})

test('the page names every meter', () => {
  assert.deepEqual(namesUnder('| meter | unit |').toSorted(), Object.keys(METERS).toSorted())
})
