import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { MqError } from '@mq/contract'
import { withinCpu } from '@mq/testkit'
import fc from 'fast-check'
import { readContent, readDeclarations } from '../src/declarations-file.ts'
import type { FileProblem } from '../src/failures.ts'

function problemsOf(...texts: string[]): string[] {
  try {
    readDeclarations(texts.map((text, index) => ({ name: texts.length === 1 ? 'mq.yaml' : `${index + 1}.yaml`, text })))
  } catch (error) {
    assert.ok(error instanceof MqError)
    assert.equal(error.code, 'MQ_FILE_INVALID')
    return (error.details.problems as FileProblem[]).map(
      ({ file, line, column, message }) => `${file}:${line}:${column} ${message}`,
    )
  }
  return []
}

const read = (text: string) => readDeclarations([{ name: 'mq.yaml', text }])

test('a map of mQ IDs and a list of entries declare the same', () => {
  const map = read('ids:\n  orders.placed: { latencyP99Ms: 50ms }\n  shop.views:\n')
  const list = read('ids:\n  - id: orders.placed\n    intent: { latencyP99Ms: 50ms }\n  - id: shop.views\n')
  assert.deepEqual(map, [
    { id: 'orders.placed', intent: { latencyP99Ms: '50ms' } },
    { id: 'shop.views', intent: {} },
  ])
  assert.deepEqual(list, map)
})

test('D2: what is sent on is what was written, without defaults', () => {
  assert.deepEqual(read('ids: { a.b: { retention: 30d } }'), [{ id: 'a.b', intent: { retention: '30d' } }])
})

test('the files of the examples are valid', () => {
  for (const example of ['flights', 'shop']) {
    const name = `../../../examples/${example}/mq.yaml`
    assert.ok(readDeclarations([{ name, text: readFileSync(new URL(name, import.meta.url), 'utf8') }]).length > 0)
  }
})

test('D1: an unknown field is told at its own name, with the field that was probably meant', () => {
  assert.deepEqual(problemsOf('ids:\n  a.b:\n    latencyP99: 5ms\n'), [
    "mq.yaml:3:5 unknown field 'latencyP99'; did you mean 'latencyP99Ms'?",
  ])
})

test('D1: a contradiction is told at the field it is about', () => {
  const [problem, ...more] = problemsOf('ids:\n  a.b:\n    retention: latest-per-key\n    ordering: none\n')
  assert.match(problem!, /^mq\.yaml:4:15 ordering: retention 'latest-per-key' needs ordering 'key'/)
  assert.deepEqual(more, [])
})

test('D1: a contradiction about a field that is not written is told at the intent', () => {
  const [problem] = problemsOf('ids:\n  a.b: { expectedMessageBytes: 2000000 }\n')
  assert.match(problem!, /^mq\.yaml:2:32 expectedMessageBytes: .*2000000.*1048576/)
})

test('D1: problems deep inside name the very word', () => {
  assert.match(
    problemsOf('ids:\n  a.b:\n    peaks:\n      - { startsAt: soon, durationMs: 2h, multiple: 3 }\n')[0]!,
    /^mq\.yaml:4:21 peaks\.0\.startsAt: /,
  )
  assert.match(
    problemsOf('ids:\n  a.b:\n    owner: { team: x, boss: y }\n')[0]!,
    /^mq\.yaml:3:23 owner: unknown field 'boss'/,
  )
})

test('D1: all problems of all files are told at once, in the order of the lines', () => {
  const problems = problemsOf('ids:\n  a.b: { foo: 1 }\n  A.B: {}\n', 'ids:\n  c.d: { retention: 5 }\n')
  assert.deepEqual(
    problems.map((line) => line.split(' ')[0]),
    ['1.yaml:2:10', '1.yaml:3:3', '2.yaml:2:21'],
  )
})

test('YAML errors name line and column', () => {
  assert.match(problemsOf('ids:\n  a.b: { x: 1\n')[0]!, /^mq\.yaml:3:1 not YAML: /)
  assert.match(problemsOf('ids:\n\ta.b: {}\n')[0]!, /^mq\.yaml:2:1 a tab is used to indent/)
  assert.match(problemsOf('ids:\n  a.b: {}\n  a.b: {}\n')[0]!, /^mq\.yaml:3:3 this key stands twice/)
  assert.match(problemsOf('ids: {}\n---\nids: {}\n')[0]!, /several documents/)
})

test('D3: an mQ ID declared twice is told with its first place, in one file or over two', () => {
  assert.deepEqual(problemsOf('ids:\n  - id: a.b\n  - id: a.b\n'), [
    'mq.yaml:3:9 a.b is declared twice, first at mq.yaml:2:9',
  ])
  assert.deepEqual(problemsOf('ids: { a.b: }\n', 'ids: { a.b: }\n'), [
    '2.yaml:1:8 a.b is declared twice, first at 1.yaml:1:8',
  ])
})

test('D3: a small file that anchors blow up is refused', () => {
  const levels = ['a: &a { x: 1 }']
  for (let level = 1; level <= 9; level++) {
    const before = String.fromCharCode(96 + level)
    const name = String.fromCharCode(97 + level)
    levels.push(`${name}: &${name} [${Array(10).fill(`*${before}`).join(', ')}]`)
  }
  const problems = withinCpu(2_000, () => problemsOf(`ids:\n  ${levels.join('\n  ')}\n`))
  assert.ok(problems.length > 0)
})

test('an anchor may be used to share an intent', () => {
  const [first, second] = read('ids:\n  a.one: &fast { latencyP99Ms: 20 }\n  a.two: *fast\n')
  assert.deepEqual(second?.intent, first?.intent)
})

test('files without mQ IDs say what is missing', () => {
  assert.match(problemsOf('')[0]!, /^mq\.yaml:1:1 the file is empty/)
  assert.match(problemsOf('- a\n')[0]!, /the file holds no fields/)
  assert.match(problemsOf('id: {}\n')[0]!, /unknown field 'id'; did you mean 'ids'\?/)
  assert.match(problemsOf('ids: hello\n')[0]!, /^mq\.yaml:1:6 'ids' is a map/)
  assert.match(problemsOf('ids:\n  - intent: {}\n')[0]!, /^mq\.yaml:2:5 the entry has no 'id'/)
  assert.match(problemsOf('ids:\n  a.b: 5\n')[0]!, /^mq\.yaml:2:8 the intent of a\.b is a map/)
  assert.deepEqual(read('ids:\n'), [])
})

test('whatever the text is, the answer is declarations or MQ_FILE_INVALID with a place inside the text', () => {
  const pieces = fc.array(
    fc.constantFrom(
      'ids:',
      '\n',
      '  ',
      'a.b',
      ': ',
      '{',
      '}',
      '[',
      ']',
      '- ',
      'id',
      'intent',
      '*x',
      '&x ',
      '"',
      "'",
      '#',
      '\t',
      '|',
      '5ms',
      ',',
      '!!',
      '?',
      'é',
    ),
    { maxLength: 40 },
  )
  fc.assert(
    fc.property(pieces, (parts) => {
      const text = parts.join('')
      try {
        readDeclarations([{ name: 'f', text }])
      } catch (error) {
        assert.ok(error instanceof MqError, String(error))
        const lines = text.split('\n').length
        for (const { line, column } of error.details.problems as FileProblem[]) {
          assert.ok(line >= 1 && line <= lines + 1 && column >= 1)
        }
      }
    }),
    { numRuns: 2_000 },
  )
})

test('rules of owners stand beside mQ IDs or alone, and their problems are told where they are', () => {
  const content = (text: string) => readContent([{ name: 'mq.yaml', text }])
  const { declarations, owners } = content("owners:\n  - { topics: 'checkout.*', team: checkout }\n")
  assert.deepEqual([declarations, owners], [[], [{ topics: 'checkout.*', team: 'checkout' }]])
  assert.equal(content('ids:\n  a.b:\n').owners, null)
  assert.throws(
    () => content('owners:\n  - { topic: a, team: b }\n'),
    (error: { details?: { problems?: { line: number }[] } }) => error.details?.problems?.[0]?.line === 2,
  )
})
