/**
 * Holds the arrows between the packages: who may import whom, and what only one place may do.
 *
 * D1. A package's source imports only the packages its row names; arrows point one way.
 * D2. Only packages/kafka imports a Kafka library; the measuring programs do too, to have something to compare with.
 * D3. Another package is imported by its name, or by one of the few entries that `ENTRIES` lists: no other path into it, no relative path out
 *     of the own package. Only the measuring programs reach inside, because they measure parts.
 * D4. What the source of a package imports stands in its package.json.
 * D5. The core takes clock, timers and chance from its deps and never from the globals.
 * D6. Exports are named one by one: no `export *`, no default export (but a `.d.ts` describes code of others).
 * D7. No source file is longer than 500 lines.
 * D8. A package for browsers imports no module of Node and names no global of it.
 * D9. What works on epochs and bytes knows neither value formats nor the public API: rooms of a package that `LOWER_ROOMS` names import
 *     only each other.
 * D10. No file imports itself by way of others. Types count: who reads one of the files has to read them all. The problem names the files
 *     of a cycle in the order they import one another.
 * D11. Only packages/control-plane/src/store queries: nobody else there imports a database library or what stands behind the store's ports,
 *     takes the connection, or builds a query.
 *
 * Tests may import every package by its name: they start clusters and fakes that the code under test must not know.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { codeOnly, importsOf, lineAt } from './source-text.ts'

/** Which packages of mQ each package's source may import. A folder that is not named here is a problem itself. */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  'packages/contract': [],
  'packages/kafka': ['contract'],
  'packages/api-client': ['contract'],
  'packages/client': ['contract', 'api-client', 'kafka'],
  'packages/economics': ['contract'],
  'packages/autopilot': ['contract', 'economics'],
  'packages/control-plane': ['contract', 'kafka', 'economics', 'autopilot'],
  'packages/cli': ['contract', 'api-client', 'client', 'local', 'control-plane'],
  'packages/console': ['contract'],
  'packages/local': ['contract', 'kafka'],
  'packages/testkit': ['contract', 'kafka'],
  'packages/testing': ['contract', 'kafka', 'client'],
  'examples/*': ['client'],
}

/** Entries of a package beside its name, and who may use them (D3). */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  '@mq/contract/timing': [
    'bench',
    ...['kafka', 'api-client', 'client', 'control-plane', 'cli', 'local', 'testkit', 'testing'].map(
      (name) => `packages/${name}`,
    ),
  ],
  '@mq/kafka/protocol': ['packages/testkit'],
  '@mq/kafka/types': ['packages/client', 'packages/testing'],
  '@mq/client/parts': ['packages/testing'],
}

const ONLY_EXTERNAL: Readonly<Record<string, readonly string[]>> = { 'packages/contract': ['zod'] }
const KAFKA_LIBRARIES =
  /^(?:@platformatic\/kafka|kafkajs|node-rdkafka|@confluentinc\/kafka-javascript|kafka-crab-js)(?:\/|$)/
const CORE = new Set(
  ['contract', 'api-client', 'kafka', 'client', 'control-plane', 'economics', 'autopilot', 'testing'].map(
    (name) => `packages/${name}`,
  ),
)
const FOR_BROWSERS: ReadonlySet<string> = new Set(['packages/contract', 'packages/api-client'])
const NODE_GLOBALS = /(?<![.\w$])(?:process|Buffer|setImmediate|__dirname)\b(?!\s*:)/g
const DEPS_FILE = /(?:^|[/-])deps\.ts$/
const INJECTED: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b/g, 'Date.now'],
  [/\bnew Date\(\s*\)/g, 'new Date()'],
  [/\bMath\.random\b/g, 'Math.random'],
  [/(?<![.\w$])(?:globalThis\.)?set(?:Timeout|Interval)(?=\s*[(<])/g, 'a global timer'],
]
const LONGEST_FILE_LINES = 500
/** Folders of a package's source that import nothing of its other folders, types neither (D9). */
const LOWER_ROOMS: Readonly<Record<string, readonly string[]>> = {
  'packages/client': ['base', 'bindings', 'telemetry', 'epochs'],
}

/** D11 */
const STORE = 'packages/control-plane/src/store'
const DATABASE_LIBRARIES = /^(?:kysely|node:sqlite|better-sqlite3|pg|postgres)(?:\/|$)/
const QUERIES = /\.(?:selectFrom|insertInto|updateTable|deleteFrom|mergeInto|executeQuery)\s*\(|\.sqlite\b/g

export interface Problem {
  readonly file: string
  readonly line: number
  readonly what: string
  readonly mend: string
}

export interface Source {
  /** From the root, with slashes. */
  readonly file: string
  readonly text: string
}

/** @param declared names in dependencies of a package folder's package.json */
export function checkBoundaries(
  sources: readonly Source[],
  declared: (folder: string) => ReadonlySet<string>,
): Problem[] {
  return [...sources.flatMap((source) => checkSource(source, declared)), ...checkCycles(sources)]
}

/** D10. Every file of a cycle stands in one of those that are named. */
function checkCycles(sources: readonly Source[]): Problem[] {
  const known = new Map(sources.map((source) => [source.file, source]))
  const imports = new Map(
    sources.map(({ file, text }) => [
      file,
      importsOf(text).flatMap(({ specifier, line }) => {
        const target = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : ''
        return known.has(target) ? [{ target, line }] : []
      }),
    ]),
  )
  const problems: Problem[] = []
  const told = new Set<string>()
  for (const file of imports.keys()) {
    const cycle = told.has(file) ? undefined : shortestCycle(file, imports)
    if (cycle === undefined) continue
    for (const each of cycle) told.add(each)
    problems.push({
      file,
      line: imports.get(file)!.find(({ target }) => target === (cycle[1] ?? file))!.line,
      what: `imports itself: ${[...cycle, file].join(' -> ')}`,
      mend: 'move what both sides need into a file of its own, or hand it in',
    })
  }
  return problems
}

/** The files from `start` on, each importing the next and the last one `start`; undefined when no way leads back. */
function shortestCycle(
  start: string,
  imports: ReadonlyMap<string, readonly { readonly target: string }[]>,
): string[] | undefined {
  const cameFrom = new Map<string, string>()
  const queue = [start]
  for (const file of queue) {
    for (const { target } of imports.get(file) ?? []) {
      if (target === start) {
        const way = [file]
        while (way[0] !== start) way.unshift(cameFrom.get(way[0]!)!)
        return way
      }
      if (cameFrom.has(target)) continue
      cameFrom.set(target, file)
      queue.push(target)
    }
  }
  return undefined
}

function checkSource({ file, text }: Source, declared: (folder: string) => ReadonlySet<string>): Problem[] {
  const problems: Problem[] = []
  const report = (line: number, what: string, mend: string) => problems.push({ file, line, what, mend })
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  if (lines > LONGEST_FILE_LINES) {
    report(lines, `${lines} lines, at most ${LONGEST_FILE_LINES} are allowed`, 'split it: one noun per file')
  }
  const code = codeOnly(text)
  for (const match of file.endsWith('.d.ts') ? [] : code.matchAll(/\bexport\s+(?:type\s+)?\*|\bexport\s+default\b/g)) {
    report(lineAt(text, match.index), `'${match[0]}'`, 'name every export')
  }
  const owner = ownerOf(file)
  if (owner === undefined) return problems
  const isTest = file.startsWith(`${owner}/test/`)
  if (FOR_BROWSERS.has(owner) && !isTest) {
    for (const match of code.matchAll(NODE_GLOBALS)) {
      report(lineAt(text, match.index), `uses ${match[0]}, which browsers do not have`, 'use what both have')
    }
  }
  for (const { specifier, line } of importsOf(text, code)) {
    checkImport({ file, owner, isTest, specifier, declared, report: (what, mend) => report(line, what, mend) })
  }
  if (owner === 'packages/control-plane' && !isTest && !file.startsWith(`${STORE}/`))
    checkQueries(file, text, code, report)
  if (CORE.has(owner) && !isTest && !DEPS_FILE.test(file)) {
    for (const [pattern, name] of INJECTED) {
      for (const match of code.matchAll(pattern)) {
        report(lineAt(text, match.index), `uses ${name}`, 'take it from the injected Deps')
      }
    }
  }
  return problems
}

/** D11 */
function checkQueries(
  file: string,
  text: string,
  code: string,
  report: (line: number, what: string, mend: string) => void,
): void {
  const mend = `give the repository in ${STORE}/ports a method, and query in ${STORE}`
  for (const { specifier, line } of importsOf(text, code)) {
    const target = specifier.startsWith('.') ? posix.join(posix.dirname(file), specifier) : ''
    if (DATABASE_LIBRARIES.test(specifier)) report(line, `imports the database library ${specifier}`, mend)
    else if (/^(?:sql|sqlite)\//.test(target.slice(STORE.length + 1)) && target.startsWith(`${STORE}/`)) {
      report(line, `imports ${target}, which stands behind a port`, 'import the port, or take the store')
    }
  }
  for (const match of code.matchAll(QUERIES)) report(lineAt(text, match.index), `queries: '${match[0].trim()}'`, mend)
}

interface ImportContext {
  readonly file: string
  readonly owner: string
  readonly isTest: boolean
  readonly specifier: string
  readonly declared: (folder: string) => ReadonlySet<string>
  readonly report: (what: string, mend: string) => void
}

function checkImport({ file, owner, isTest, specifier, declared, report }: ImportContext): void {
  if (isBuiltin(specifier)) {
    if (FOR_BROWSERS.has(owner) && !isTest) report(`imports ${specifier}`, 'this package runs in browsers, too')
    return
  }
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier)
    if (!target.startsWith(`${owner}/`) && owner !== 'bench') {
      report(`imports ${target}, outside ${owner}`, 'import the other package by its name')
    }
    checkRoom({ file, owner, target, report })
    return
  }
  const name = packageOf(specifier)
  const sibling = /^@mq\/(.+)$/.exec(name)?.[1]
  if (sibling !== undefined && specifier !== name && ENTRIES[specifier]?.includes(owner) !== true) {
    report(`reaches into ${name} by '${specifier}'`, `export what is needed from ${name}`)
  }
  if (KAFKA_LIBRARIES.test(specifier) && owner !== 'packages/kafka' && owner !== 'bench') {
    report(`imports the Kafka library ${name}`, 'only packages/kafka may; use @mq/kafka')
    return
  }
  if (isTest || owner === 'bench' || owner === 'scripts') return
  const allowed = mayImport[owner.startsWith('examples/') ? 'examples/*' : owner]
  if (allowed === undefined) {
    report(`${owner} has no row in the import table`, 'add it to mayImport in scripts/boundaries.ts')
    return
  }
  if (sibling !== undefined && !allowed.includes(sibling)) {
    report(`imports ${name}`, `${owner} may import ${allowed.length === 0 ? 'no package of mQ' : allowed.join(', ')}`)
    return
  }
  const external = ONLY_EXTERNAL[owner]
  if (sibling === undefined && external !== undefined && !external.includes(name)) {
    report(`imports ${name}`, `${owner} may import ${external.join(', ')} only`)
    return
  }
  if (!declared(owner).has(name)) {
    report(
      `imports ${name}, which ${owner}/package.json does not list`,
      'add it to its dependencies, with an exact version',
    )
  }
}

/** D9 */
function checkRoom({
  file,
  owner,
  target,
  report,
}: Pick<ImportContext, 'file' | 'owner' | 'report'> & { target: string }) {
  const lower = LOWER_ROOMS[owner]
  const roomOf = (path: string): string => posix.relative(`${owner}/src`, path).split('/')[0]!
  if (lower === undefined || !lower.includes(roomOf(file)) || lower.includes(roomOf(target))) return
  report(`imports ${target}`, `${roomOf(file)}/ may import ${lower.map((room) => `${room}/`).join(', ')} only`)
}

function ownerOf(file: string): string | undefined {
  return /^(?:packages|examples)\/[^/]+|^(?:bench|scripts)(?=\/)/.exec(file)?.[0]
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

export function readSources(root: string): Source[] {
  return globSync(['packages/*/{src,test}/**/*.ts', 'bench/**/*.ts', 'examples/**/*.ts', 'scripts/**/*.ts'], {
    cwd: root,
    exclude: (name) => name === 'node_modules' || name === 'dist',
  })
    .filter((file) => !/(?:^|[/\\])(?:node_modules|dist)[/\\]/.test(file))
    .sort()
    .map((file) => ({ file: file.replaceAll('\\', '/'), text: readFileSync(join(root, file), 'utf8') }))
}

export function declaredIn(root: string): (folder: string) => ReadonlySet<string> {
  const known = new Map<string, ReadonlySet<string>>()
  return (folder) => {
    const cached = known.get(folder)
    if (cached !== undefined) return cached
    const path = join(root, folder, 'package.json')
    const content = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, object>) : {}
    const kinds = folder.startsWith('examples/')
      ? ['dependencies', 'devDependencies']
      : ['dependencies', 'peerDependencies', 'optionalDependencies']
    const names = new Set(kinds.flatMap((kind) => Object.keys(content[kind] ?? {})))
    known.set(folder, names)
    return names
  }
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const sources = readSources(root)
  const problems = checkBoundaries(sources, declaredIn(root))
  for (const { file, line, what, mend } of problems) console.log(`${file}:${line}: ${what}; ${mend}`)
  console.log(`${sources.length} files, ${problems.length} problem(s)`)
  if (problems.length > 0) process.exitCode = 1
}
