/** Invariants D1 to D11 (boundaries.ts) and U1, U2 (source-text.ts): each planted violation is found, and what is allowed passes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkBoundaries, mayImport, readSources } from '../boundaries.ts'
import { codeOnly, importsOf } from '../source-text.ts'

const everything = () =>
  new Set(['zod', '@platformatic/kafka', 'kafkajs', 'fastify', ...packages.map((name) => `@mq/${name}`)])
const packages = [
  'contract',
  'api-client',
  'kafka',
  'client',
  'economics',
  'autopilot',
  'control-plane',
  'cli',
  'console',
  'local',
  'testkit',
]

function found(file: string, text: string, declared: () => ReadonlySet<string> = everything): string[] {
  return checkBoundaries([{ file, text }], declared).map((problem) => `${problem.line}: ${problem.what}`)
}

test('every arrow that the table does not name is found, and every one it names passes', () => {
  for (const [owner, allowed] of Object.entries(mayImport)) {
    const folder = owner.replace('*', 'shop')
    const file = folder.startsWith('packages/') ? `${folder}/src/a.ts` : `${folder}/a.ts`
    for (const name of packages) {
      if (owner === `packages/${name}`) continue
      const problems = found(file, `import { x } from '@mq/${name}'\n`)
      assert.equal(problems.length, allowed.includes(name) ? 0 : 1, `${owner} -> ${name}: ${problems.join('; ')}`)
    }
  }
})

test('a type-only import, a re-export and a dynamic import are arrows as well', () => {
  const file = 'packages/kafka/src/a.ts'
  assert.deepEqual(found(file, "import type { X } from '@mq/client'\n"), ['1: imports @mq/client'])
  assert.deepEqual(found(file, "export { x } from '@mq/client'\n"), ['1: imports @mq/client'])
  assert.deepEqual(found(file, "const x = await import('@mq/client')\n"), ['1: imports @mq/client'])
  assert.deepEqual(found(file, "import {\n  x,\n} from '@mq/client'\n"), ['3: imports @mq/client'])
  assert.deepEqual(found(file, "import '@mq/client'\n"), ['1: imports @mq/client'])
})

test('a Kafka library outside packages/kafka is found, in tests too; bench may compare with it', () => {
  const text = "import { Connection } from '@platformatic/kafka'\n"
  assert.equal(found('packages/kafka/src/a.ts', text).length, 0)
  assert.equal(found('bench/peers/a.ts', text).length, 0)
  for (const file of [
    'packages/client/src/a.ts',
    'packages/client/test/a.test.ts',
    'packages/testkit/src/a.ts',
    'scripts/a.ts',
  ]) {
    assert.match(found(file, text)[0] ?? '', /Kafka library @platformatic\/kafka/, file)
  }
  assert.match(found('packages/local/src/a.ts', "import { x } from 'kafkajs'\n")[0] ?? '', /Kafka library/)
})

test('the contract imports zod and nothing else', () => {
  assert.deepEqual(found('packages/contract/src/a.ts', "import { z } from 'zod'\n"), [])
  assert.deepEqual(found('packages/contract/src/a.ts', "import f from 'fastify'\n"), ['1: imports fastify'])
})

test('what runs in browsers uses nothing of Node (D8); its tests may', () => {
  const file = 'packages/api-client/src/a.ts'
  assert.deepEqual(found(file, "import { randomUUID } from 'node:crypto'\n"), ['1: imports node:crypto'])
  assert.match(found(file, 'const size = Buffer.byteLength(text)\n')[0] ?? '', /uses Buffer/)
  assert.match(found('packages/contract/src/a.ts', 'const url = process.env.MQ_URL\n')[0] ?? '', /uses process/)
  assert.deepEqual(found(file, 'const one = { process: 1 }.process\n'), [])
  assert.deepEqual(found('packages/api-client/test/a.test.ts', "import { createServer } from 'node:http'\n"), [])
  assert.deepEqual(found('packages/client/src/a.ts', "import { randomUUID } from 'node:crypto'\n"), [])
})

test('a path into another package is found, by name and by relative path', () => {
  assert.match(
    found('packages/client/src/a.ts', "import { x } from '@mq/kafka/src/producer.ts'\n")[0] ?? '',
    /reaches into @mq\/kafka/,
  )
  assert.match(
    found('packages/client/test/a.test.ts', "import { x } from '../../kafka/src/a.ts'\n")[0] ?? '',
    /outside packages\/client/,
  )
  assert.deepEqual(found('packages/client/test/a.test.ts', "import { x } from '../src/a.ts'\n"), [])
  assert.deepEqual(found('bench/a.ts', "import { x } from '../packages/kafka/src/a.ts'\n"), [])
})

test('an import that package.json does not list is found; built-in modules need no listing', () => {
  const nothing = () => new Set<string>()
  assert.match(found('packages/client/src/a.ts', "import x from 'left-pad'\n", nothing)[0] ?? '', /does not list/)
  assert.deepEqual(found('packages/client/src/a.ts', "import { x } from 'node:fs'\n", nothing), [])
})

test('clock, chance and timers of the globals are found in the core, not elsewhere, in deps files or behind deps', () => {
  const text =
    'const a = Date.now()\nconst b = Math.random()\nsetTimeout(f, 1)\nsetInterval(f, 1)\nconst c = new Date()\n'
  assert.deepEqual(found('packages/kafka/src/a.ts', text).toSorted(), [
    '1: uses Date.now',
    '2: uses Math.random',
    '3: uses a global timer',
    '4: uses a global timer',
    '5: uses new Date()',
  ])
  for (const file of ['packages/kafka/src/deps.ts', 'packages/local/src/a.ts', 'packages/kafka/test/a.test.ts']) {
    assert.deepEqual(found(file, text), [], file)
  }
  assert.deepEqual(
    found('packages/kafka/src/a.ts', 'deps.timers.setTimeout(f, 1)\nnew Date(atMs)\nclearTimeout(t)\n'),
    [],
  )
})

test('words in comments, texts and regular expressions are not code', () => {
  const text = [
    "// import { x } from '@mq/client'; Date.now()",
    '/* Math.random() */',
    'const a = "Date.now()"',
    'const b = \'from "@mq/client"\'',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source that is looked at
    'const c = `Date.now() ${d} Math.random()`',
    'const e = /Date.now()/',
    "const f = a / b; const g = '/'",
  ].join('\n')
  assert.deepEqual(found('packages/kafka/src/a.ts', text), [])
})

test('what stands in a placeholder of a template is code, also nested, and line numbers stay right', () => {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source that is looked at
  const text = 'const a = `\n${b({ c: `${Date.now()}` })}\n` + Math.random()\n'
  assert.deepEqual(found('packages/kafka/src/a.ts', text), ['2: uses Date.now', '3: uses Math.random'])
})

test('what is blanked keeps every line and every other character in place', () => {
  for (const { file, text } of readSources(fileURLToPath(new URL('../..', import.meta.url)))) {
    const code = codeOnly(text)
    assert.equal(code.length, text.length, file)
    assert.equal(code.split('\n').length, text.split('\n').length, file)
    for (let index = 0; index < code.length; index++) {
      if (code[index] !== ' ' && code[index] !== text[index]) assert.fail(`${file} differs at ${index}`)
    }
    const plain = [...text.matchAll(/^import [^'"]*from '([^']+)'$/gm)].map((match) => match[1])
    const seen = new Set(importsOf(text, code).map(({ specifier }) => specifier))
    if (!file.startsWith('scripts/test/')) {
      for (const specifier of plain) assert.ok(seen.has(specifier ?? ''), `${file}: ${specifier} was not seen`)
    }
  }
})

test('a file of 501 lines, a star export and a default export are found', () => {
  assert.match(found('packages/cli/src/a.ts', 'x\n'.repeat(501))[0] ?? '', /501 lines/)
  assert.deepEqual(found('packages/cli/src/a.ts', 'x\n'.repeat(500)), [])
  assert.deepEqual(found('packages/cli/src/index.ts', "export * from './a.ts'\n"), ["1: 'export *'"])
  assert.deepEqual(found('packages/cli/src/index.ts', "export type * from './a.ts'\n"), ["1: 'export type *'"])
  assert.deepEqual(found('packages/cli/src/a.ts', 'export default 1\n'), ["1: 'export default'"])
})

test('a package that the table does not know is a problem as soon as it imports anything', () => {
  assert.match(found('packages/novel/src/a.ts', "import { z } from 'zod'\n")[0] ?? '', /no row/)
})

test('what works on epochs and bytes imports nothing of formats and the public API, types neither; the way back is open', () => {
  const format = "import type { Format } from '../formats/codecs.ts'\n"
  for (const room of ['base', 'bindings', 'telemetry', 'epochs']) {
    assert.deepEqual(found(`packages/client/src/${room}/a.ts`, format), [
      '1: imports packages/client/src/formats/codecs.ts',
    ])
    assert.equal(found(`packages/client/src/${room}/a.ts`, "import { connect } from '../index.ts'\n").length, 1)
    assert.deepEqual(found(`packages/client/src/${room}/a.ts`, "import { sleep } from '../base/pause.ts'\n"), [])
    assert.deepEqual(found('packages/client/src/api/a.ts', `import { x } from '../${room}/a.ts'\n`), [])
  }
  assert.deepEqual(found('packages/client/test/a.test.ts', "import { x } from '../src/formats/codecs.ts'\n"), [])
})

test('only store/ of the control plane queries (D11)', () => {
  const queries = (file: string, text: string): string[] =>
    found(file, text).filter((what) => /database library|behind a port|queries/.test(what))
  const outside = 'packages/control-plane/src/cost/a.ts'
  for (const text of [
    "import type { Transaction } from 'kysely'\n",
    "import { Migrator } from 'kysely/migration'\n",
    "import { DatabaseSync } from 'node:sqlite'\n",
    "import type { Tables } from '../store/sql/tables.ts'\n",
    "import { openSqlite } from '../store/sqlite/database.ts'\n",
    "await tx\n  .selectFrom('twins')\n",
    "await tx.deleteFrom('twins').execute()\n",
    'store.sqlite.exec(text)\n',
  ]) {
    assert.equal(queries(outside, text).length, 1, text)
    assert.deepEqual(
      queries('packages/control-plane/src/store/sql/a.ts', text.replaceAll('../store/', '../')),
      [],
      text,
    )
    assert.deepEqual(
      queries('packages/control-plane/test/a.test.ts', text.replaceAll('../store/', '../src/store/')),
      [],
    )
  }
  for (const text of [
    "import type { Store } from '../store/store.ts'\n",
    "import type { WriteTransaction } from '../store/ports/repositories.ts'\n",
    "// selectFrom('twins') is what store/ does\nawait tx.twins.save(record)\n",
  ]) {
    assert.deepEqual(queries(outside, text), [], text)
  }
})

describe('cycles', () => {
  const cyclesOf = (files: Record<string, string>): string[] =>
    checkBoundaries(
      Object.entries(files).map(([name, text]) => ({ file: `packages/kafka/src/${name}`, text })),
      everything,
    ).map(({ file, line, what }) => `${file}:${line}: ${what}`)

  test('files that import one another are named in their order, types and exports included (D10)', () => {
    const found = cyclesOf({
      'a.ts': "import { x } from 'zod'\nimport { b } from './room/b.ts'\n",
      'room/b.ts': "export { c } from './c.ts'\n",
      'room/c.ts': "import type { A } from '../a.ts'\n",
      'd.ts': "import { a } from './a.ts'\n",
    })
    assert.deepEqual(found, [
      'packages/kafka/src/a.ts:2: imports itself: packages/kafka/src/a.ts -> packages/kafka/src/room/b.ts -> packages/kafka/src/room/c.ts -> packages/kafka/src/a.ts',
    ])
  })

  test('a file that imports itself, two cycles apart, and a dynamic import are found; a diamond is none (D10)', () => {
    assert.equal(cyclesOf({ 'a.ts': "import { x } from './a.ts'\n" }).length, 1)
    const two = {
      'a.ts': "import './b.ts'\n",
      'b.ts': "await import('./a.ts')\n",
      'c.ts': "import './d.ts'\nimport './a.ts'\n",
      'd.ts': "import './c.ts'\n",
    }
    assert.equal(cyclesOf(two).length, 2)
    const diamond = {
      'a.ts': "import './b.ts'\nimport './c.ts'\n",
      'b.ts': "import './d.ts'\n",
      'c.ts': "import './d.ts'\n",
      'd.ts': '',
    }
    assert.deepEqual(cyclesOf(diamond), [])
  })
})
