/**
 * The whole check of mQ: `./mq test`.
 *
 * Q1. What can be known without running anything (format, lint, types, boundaries, docs) comes first; a failure there ends the run.
 * Q2. The tests on real Kafka are never left out in silence: without Java or Maven the run fails, unless MQ_TEST_WITHOUT_KAFKA=1,
 *     which is said loudly before and after.
 * Q3. All tests count in one summary, whose closing lines are the last that are printed. Three files run at a time, the slowest first
 *     (slow-tests.ts): those with Kafka partly wait, for elections, sessions and retries, and two of them leave two cores idle.
 * Q4. A run that found no test fails.
 * Q5. What passes on the newest Kafka passes on those that people have: a whole run goes through the core (core-tests.ts) once more on an
 *     older version, and `--kafka` runs the core alone on any.
 *
 * `--only TEXT`: only the checks and test files whose name contains it, on the newest version.
 * `--kafka VERSION`: only the core, on this version (`3.9.2`, `3.9.2-zk`).
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CORE_TESTS, OLDER_KAFKA } from './core-tests.ts'
import { runTests, type TestGroup } from './run-tests.ts'
import { SLOW_TESTS } from './slow-tests.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, kafka: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
})
const { only, kafka } = flags
const LANES = 3

// Hundreds of processes load the same TypeScript, and start brokers that live for seconds: compiled once, half of the processor time.
process.env.NODE_COMPILE_CACHE ??= join(root, '.mq', 'compile-cache')
process.env.MQ_KAFKA_JVM_FLAGS ??= '-XX:TieredStopAtLevel=1'

interface Check {
  readonly name: string
  readonly command: readonly string[]
  readonly mend: string
}

const node = [process.execPath, '--conditions=mq-source']
const checks: readonly Check[] = [
  { name: 'format and lint', command: tool('biome', 'check', '--colors=off'), mend: 'npx biome check --write' },
  {
    name: 'lint with types',
    command: tool('oxlint', '--type-aware'),
    mend: 'await or handle the promise that is named; `void` in front of it says it is meant',
  },
  {
    name: 'types',
    command: tool('tsc', '-p', 'tsconfig.json', '--pretty', 'false'),
    mend: 'npx tsc -p tsconfig.json shows them again',
  },
  {
    name: 'package boundaries',
    command: [...node, 'scripts/boundaries.ts'],
    mend: 'each line says how; the rules stand in scripts/boundaries.ts',
  },
  {
    name: 'docs made from code',
    command: [...node, 'scripts/generated-docs.ts', '--check'],
    mend: 'node --conditions=mq-source scripts/generated-docs.ts',
  },
  {
    name: 'OpenAPI document',
    command: [...node, 'scripts/openapi.ts', '--check'],
    mend: 'node --conditions=mq-source scripts/openapi.ts',
  },
  {
    name: 'lock file',
    command: [...node, 'scripts/lock-platforms.ts', '--check'],
    mend: 'node scripts/lock-platforms.ts',
  },
]

function tool(name: string, ...flags: string[]): string[] {
  return [join(root, 'node_modules', '.bin', name), ...flags]
}

interface Outcome {
  readonly failed: boolean
  readonly output: string
  readonly tookMs: number
}

async function runCheck(check: Check): Promise<Outcome> {
  const [program = '', ...args] = check.command
  const started = performance.now()
  return await new Promise((resolve) => {
    // The tools are Node programs that look for `node` on the PATH; an older one there must not run them.
    const PATH = `${join(process.execPath, '..')}${delimiter}${process.env.PATH ?? ''}`
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, PATH } })
    let output = ''
    const add = (chunk: Buffer) => {
      output += chunk.toString()
    }
    child.stdout.on('data', add)
    child.stderr.on('data', add)
    const end = (failed: boolean) => resolve({ failed, output: output.trim(), tookMs: performance.now() - started })
    child.once('error', (error) => {
      output += String(error)
      end(true)
    })
    child.once('close', (code) => end(code !== 0))
  })
}

/** @returns how many failed */
async function runChecks(selected: readonly Check[]): Promise<number> {
  // Two at a time for two cores; told in their order.
  const outcomes: Promise<Outcome>[] = []
  const waiting = [...selected.entries()]
  const settle: ((outcome: Outcome) => void)[] = []
  for (const _ of selected) outcomes.push(new Promise((resolve) => settle.push(resolve)))
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      settle[next[0]]?.(await runCheck(next[1]))
  }
  const working = Promise.all([worker(), worker()])
  let failures = 0
  for (const [index, check] of selected.entries()) {
    const outcome = await outcomes[index]
    if (outcome === undefined) continue
    line(outcome.failed ? 'FAILED' : 'ok', check.name, outcome.tookMs)
    if (!outcome.failed) continue
    failures++
    console.log(outcome.output.slice(-20_000).replaceAll(/^/gm, '    '))
    console.log(`  how to mend it: ${check.mend}`)
  }
  await working
  return failures
}

function line(state: string, name: string, tookMs: number): void {
  console.log(`${state.padEnd(6)} ${name} (${(tookMs / 1000).toFixed(1)} s)`)
}

/** Java, Maven and the jars of this Kafka are there afterwards, or the reason why not is returned. */
async function prepareKafka(
  version: string | undefined,
): Promise<{ readonly code: string; readonly message: string; readonly action: string } | undefined> {
  // Loaded late: a defect in it must not hide what the checks before have to say.
  const { parseKafkaChoice, startCluster } = await import('@mq/local')
  const { MqError } = await import('@mq/contract')
  const started = performance.now()
  try {
    const choice = parseKafkaChoice(version)
    const onProgress = (message: string) => console.log(`       ${message}`)
    // A whole start, so that fetching and preparing count here and not against the first test.
    await (await startCluster({ name: 'warm-up', ...choice, onProgress })).stop()
    line('ok', `Java, Maven and Apache Kafka ${choice.version} (${choice.mode})`, performance.now() - started)
    return undefined
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    line('FAILED', 'Java, Maven and Apache Kafka', performance.now() - started)
    return { code: error.code, message: error.message, action: error.action }
  }
}

function shout(...lines: string[]): void {
  const bar = '!'.repeat(100)
  console.log([bar, ...lines.map((text) => `!! ${text}`), bar].join('\n'))
}

async function main(): Promise<number> {
  if (flags.help === true) {
    console.log(
      [
        'mq test [--only TEXT] [--kafka VERSION]',
        '',
        '--only TEXT      only the checks and test files whose name contains TEXT',
        '--kafka VERSION  only the core of the tests on real Kafka, on this version, such as 3.9.2 or 3.9.2-zk (with ZooKeeper)',
        '',
        'MQ_TEST_WITHOUT_KAFKA=1 leaves out the tests on real Kafka.',
      ].join('\n'),
    )
    return 0
  }
  if (kafka !== undefined) return await testOn(kafka)
  const failures = await runChecks(checks.filter((check) => only === undefined || check.name.includes(only)))
  if (failures > 0) {
    console.log(`\n${failures} check(s) failed; the tests were not run.`)
    return 1
  }
  const files = globSync(
    [
      'packages/*/test/**/*.test.ts',
      'bench/test/**/*.test.ts',
      'examples/*/test/**/*.test.ts',
      'scripts/test/**/*.test.ts',
    ],
    { cwd: root },
  )
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => only === undefined || file.includes(only))
    .sort()
  const withKafka = files.filter((file) => file.endsWith('.kafka.test.ts'))
  const core = only === undefined ? withKafka.filter((file) => CORE_TESTS.includes(file)) : []
  const groups: TestGroup[] = [{ files: files.filter((file) => !withKafka.includes(file)) }]
  const remarks: string[] = []
  if (withKafka.length > 0) {
    if (process.env.MQ_TEST_WITHOUT_KAFKA === '1') {
      remarks.push(
        `WITHOUT KAFKA: ${withKafka.length} files of tests on real Kafka were left out (MQ_TEST_WITHOUT_KAFKA=1)`,
      )
      shout(...remarks, 'What they hold is not tested by this run.')
    } else {
      for (const version of core.length > 0 ? [undefined, OLDER_KAFKA] : [undefined]) {
        const problem = await prepareKafka(version)
        if (problem === undefined) continue
        console.log(`    ${problem.code}: ${problem.message}\n    ${problem.action}`)
        console.log('  or leave out the tests on real Kafka, knowingly: MQ_TEST_WITHOUT_KAFKA=1 ./mq test')
        return 1
      }
      groups.push({ files: withKafka }, coreGroup(core, OLDER_KAFKA))
    }
  }
  if (files.length === 0) {
    if (only !== undefined && checks.some((check) => check.name.includes(only))) return 0
    console.log(`No test file${only === undefined ? '' : ` whose name contains '${only}'`} was found.`)
    return 1
  }
  return (await runTests(root, groups, { lanes: LANES, slowest: SLOW_TESTS, remarks })) ? 0 : 1
}

function coreGroup(files: readonly string[], version: string): TestGroup {
  return { files, title: `the core on Kafka ${version}`, env: { MQ_KAFKA_VERSION: version } }
}

/** The core alone, on one version. */
async function testOn(version: string): Promise<number> {
  const files = CORE_TESTS.filter((file) => only === undefined || file.includes(only))
  if (files.length === 0) {
    console.log(`No file of the core has '${only}' in its name.`)
    return 1
  }
  const problem = await prepareKafka(version)
  if (problem !== undefined) {
    console.log(`    ${problem.code}: ${problem.message}\n    ${problem.action}`)
    return 1
  }
  return (await runTests(root, [coreGroup(files, version)], { lanes: LANES, slowest: SLOW_TESTS })) ? 0 : 1
}

process.exitCode = await main()
