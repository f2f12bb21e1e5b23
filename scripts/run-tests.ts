/**
 * Runs groups of test files one after the other with Node's test runner, and reports them as one run.
 *
 * N1. The closing lines (tests, pass, fail ...) are those of all groups together and come once, last.
 * N2. A file that hangs, or does not end after its tests because something was left open, fails after its time and names what is open.
 *     One that blocks its own process fails with its group. Neither holds up the run for good.
 * N3. Failed means: a group says so, or no test ran at all.
 */
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

export interface TestGroup {
  readonly files: readonly string[]
  /** How many files run at the same time. */
  readonly concurrency: number
  /** Said before its first test. */
  readonly title?: string
  /** For its test processes, over the environment of this one. */
  readonly env?: Readonly<Record<string, string>>
}

/** Only what hangs may reach these: a machine with other work makes every file several times slower than an idle one. */
const FILE_LIMIT_MS = 10 * 60_000
const GROUP_LIMIT_MS = 38 * 60_000
const GUARD = new URL('./test-guard.ts', import.meta.url).href
/** The closing lines in their order, and where `test:summary` counts them. */
const CLOSING = [
  ['tests', 'tests'],
  ['suites', 'suites'],
  ['pass', 'passed'],
  ['fail', 'failed'],
  ['cancelled', 'cancelled'],
  ['skipped', 'skipped'],
  ['todo', 'todo'],
] as const

/** What this file uses of the runner's events. */
interface RunnerEvent {
  readonly type: string
  readonly data: {
    readonly nesting?: number
    readonly file?: string
    readonly message?: string
    readonly success?: boolean
    readonly counts?: Readonly<Record<string, number>>
    readonly duration_ms?: number
  }
}

/** @param remarks said just before the closing lines */
export async function runTests(
  root: string,
  groups: readonly TestGroup[],
  remarks: readonly string[] = [],
  limits: { readonly fileMs: number; readonly groupMs: number } = { fileMs: FILE_LIMIT_MS, groupMs: GROUP_LIMIT_MS },
): Promise<boolean> {
  const totals: Record<string, number> = {}
  let durationMs = 0
  let success = true
  const reporter = new spec()
  const output = new PassThrough()
  reporter.pipe(output).pipe(process.stdout, { end: false })
  const report = async (event: RunnerEvent): Promise<void> => {
    if (!reporter.write(event)) await new Promise((resolve) => reporter.once('drain', resolve))
  }
  for (const { files, concurrency, title, env } of groups) {
    if (files.length === 0) continue
    if (title !== undefined) await report({ type: 'test:diagnostic', data: { nesting: 0, message: title } })
    const events = run({
      files: [...files],
      cwd: root,
      concurrency,
      execArgv: ['--import', GUARD],
      env: { ...process.env, ...env, MQ_TEST_FILE_LIMIT_MS: String(limits.fileMs) },
      signal: AbortSignal.timeout(limits.groupMs),
    })
    for await (const event of events as AsyncIterable<RunnerEvent>) {
      if (event.type === 'test:summary' && event.data.file === undefined) {
        success &&= event.data.success === true
        durationMs += event.data.duration_ms ?? 0
        for (const [, key] of CLOSING) totals[key] = (totals[key] ?? 0) + (event.data.counts?.[key] ?? 0)
      } else if (!isClosing(event)) {
        await report(event)
      }
    }
  }
  const closing = [...CLOSING.map(([name, key]) => `${name} ${totals[key] ?? 0}`), `duration_ms ${durationMs}`]
  for (const message of [...remarks, ...closing])
    await report({ type: 'test:diagnostic', data: { nesting: 0, message } })
  reporter.end()
  await finished(output)
  return success && (totals.tests ?? 0) > 0
}

/** The closing lines of one group, which the common ones replace. */
function isClosing({ type, data }: RunnerEvent): boolean {
  if (type !== 'test:diagnostic' || data.nesting !== 0 || data.file !== undefined) return false
  return /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(data.message ?? '')
}
