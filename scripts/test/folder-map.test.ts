/** The map of folders (M1) and the headers of files (M2). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { headerOf, mapProblems } from '../folder-map.ts'

const MAP = '| folder | what is in it |\n| --- | --- |\n| `kafka` | All |\n| `kafka/net` | Sockets |\n'

test('every folder of source has a line, and every line a folder (M1)', () => {
  const files = ['packages/kafka/src/index.ts', 'packages/kafka/src/net/a.ts', 'packages/kafka/src/net/b.ts']
  assert.deepEqual(mapProblems(files, MAP), [])
  assert.deepEqual(mapProblems([...files, 'packages/cli/src/demo/a.ts'], MAP), ['no line for the folder cli/demo'])
  assert.deepEqual(mapProblems(files.slice(0, 1), MAP), ['a line for kafka/net, which holds no source'])
  assert.deepEqual(mapProblems(files, `${MAP}| \`kafka/net\` | Again |\n`), ['two lines for kafka/net'])
})

test('the header of a file is the first sentence of the comment it opens with (M2)', () => {
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

test('a file that opens with code, a line comment or an empty comment has no header (M2)', () => {
  for (const text of ["import { a } from 'a'\n/** Later. */\n", '// One thing.\n', '/** */\n', ''])
    assert.equal(headerOf(text), undefined)
})
