import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerOf } from '../file-map.ts'

test('the header of a file is the first sentence of the comment it opens with', () => {
  assert.equal(
    headerOf('/**\n * One thing: its name.\n *\n * A1. A rule.\n */\nexport const x = 1\n'),
    'One thing: its name.',
  )
  assert.equal(headerOf('/** Numbers as people read them. And more. */\n'), 'Numbers as people read them.')
  assert.equal(headerOf('#!/usr/bin/env node\n/**\n * The entry.\n */\n'), 'The entry.')
  assert.equal(
    headerOf('/**\n * A sentence that\n * goes on, version 1.2 of it.\n */\n'),
    'A sentence that goes on, version 1.2 of it.',
  )
})

test('a file that opens with code, a line comment or an empty comment has no header', () => {
  for (const text of ["import { a } from 'a'\n/** Later. */\n", '// One thing.\n', '/** */\n', ''])
    assert.equal(headerOf(text), undefined)
})
