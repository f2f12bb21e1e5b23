/**
 * Runs test files with Node's test runner, a few at a time from one queue, and reports them as one run.
 *
 * N1. The closing lines (tests, pass, fail ...) are those of all files together and come once, last. The slowest files stand before them.
 * N2. A file that hangs, or does not end after its tests because something was left open, fails after its time and names what is open.
 *     One that blocks its own process fails a little later. Neither holds up the run for good; what the run has no time for fails.
 * N3. Failed means: a file says so, or no test ran at all.
 * N4. Files that are known to take long begin first, so that the lanes end at about the same time.
 * N5. What a file prints and reports stands together, under its name.
 * N6. Each file has a folder for temporary files of its own, in memory where there is room: stores and brokers write to disk at every
 *     step, and wait for it. It goes away after the file, whatever a test left behind, and what a run that was killed left goes with the
 *     next run.
 */
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statfsSync } from 'node:fs'
import { freemem, tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { finished } from 'node:stream/promises'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'

export interface TestGroup {
  readonly files: readonly string[]
  /** Said after the name of each of its files. */
  readonly title?: string
  /** For its test processes, over the environment of this one. */
  readonly env?: Readonly<Record<string, string>>
}

export interface RunOptions {
  /** How many files run at the same time. */
  readonly lanes: number
  /** Files that take long, the longest first. */
  readonly slowest?: readonly string[]
  /** Said just before the closing lines. */
  readonly remarks?: readonly string[]
  readonly limits?: { readonly fileMs: number; readonly runMs: number }
}

/** Only what hangs may reach these: a machine with other work makes every file several times slower than an idle one. */
const LIMITS = { fileMs: 10 * 60_000, runMs: 60 * 60_000 }
/** A process that does not block ends itself by then. */
const BLOCKED_MS = 2_000
const SHOWN_SLOWEST = 15
const IN_MEMORY = '/dev/shm'
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Test files hold some hundreds of MB at a time there, and brokers need memory, too. */
const ROOM_BYTES = { folder: 4 * 1024 ** 3, memory: 8 * 1024 ** 3 }
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
  }
}

interface Job {
  readonly file: string
  readonly title: string
  readonly env: Readonly<Record<string, string>>
}

interface JobResult {
  readonly title: string
  readonly events: readonly RunnerEvent[]
  readonly success: boolean
  readonly counts: Readonly<Record<string, number>>
  readonly tookMs: number
  /** Of the file's process and of those it started; undefined when it did not end in order. */
  readonly cpuMs: number | undefined
}

export async function runTests(root: string, groups: readonly TestGroup[], options: RunOptions): Promise<boolean> {
  const { lanes, slowest = [], remarks = [], limits = LIMITS } = options
  const startedAtMs = performance.now()
  const jobs = groups
    .flatMap(({ files, title, env = {} }) =>
      files.map((file): Job => ({ file, title: title === undefined ? file : `${file}: ${title}`, env })),
    )
    .toSorted((a, b) => rankOf(a.file, slowest) - rankOf(b.file, slowest))
  const reporter = new spec()
  const output = new PassThrough()
  reporter.pipe(output).pipe(process.stdout, { end: false })
  const report = async (event: RunnerEvent): Promise<void> => {
    if (!reporter.write(event)) await new Promise((resolve) => reporter.once('drain', resolve))
  }
  const say = (message: string): Promise<void> => report({ type: 'test:diagnostic', data: { nesting: 0, message } })

  const results: JobResult[] = []
  const scratch = makeScratch(scratchRoot())
  const isEnded = (signal: NodeJS.Signals): void => {
    remove(scratch)
    process.kill(process.pid, signal)
  }
  for (const signal of ENDING) process.once(signal, isEnded)
  let begun = 0
  let told = Promise.resolve()
  const work = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const leftMs = Math.ceil(startedAtMs + limits.runMs - performance.now())
      const place = join(scratch, String(++begun))
      mkdirSync(place)
      const result = await runJob(root, job, place, Math.min(limits.fileMs, Math.max(1, leftMs)))
      remove(place)
      results.push(result)
      // One file after the other (N5).
      told = told.then(async () => {
        await say(`${result.title} (${seconds(result.tookMs)} s)`)
        for (const event of result.events) await report(event)
      })
    }
  }
  await Promise.all(Array.from({ length: lanes }, work))
  await told
  remove(scratch)
  for (const signal of ENDING) process.removeListener(signal, isEnded)

  const tookMs = performance.now() - startedAtMs
  const totals = CLOSING.map(([name, key]) => [name, sum(results.map(({ counts }) => counts[key] ?? 0))] as const)
  for (const line of slowestLines(results, tookMs)) await say(line)
  for (const line of [...remarks, ...totals.map((each) => each.join(' ')), `duration_ms ${tookMs}`]) await say(line)
  reporter.end()
  await finished(output)
  return results.every(({ success }) => success) && new Map(totals).get('tests') !== 0
}

async function runJob(root: string, { file, title, env }: Job, place: string, limitMs: number): Promise<JobResult> {
  const startedAtMs = performance.now()
  const usage = `${place}.json`
  const events: RunnerEvent[] = []
  let success = false
  let counts: Readonly<Record<string, number>> = {}
  const running = run({
    files: [file],
    cwd: root,
    concurrency: 1,
    execArgv: ['--import', GUARD],
    env: { ...process.env, ...env, TMPDIR: place, MQ_TEST_FILE_LIMIT_MS: String(limitMs), MQ_TEST_USAGE: usage },
    signal: AbortSignal.timeout(limitMs + BLOCKED_MS),
  })
  for await (const event of running as AsyncIterable<RunnerEvent>) {
    if (event.type === 'test:summary' && event.data.file === undefined) {
      success = event.data.success === true
      counts = event.data.counts ?? {}
    } else if (!isClosing(event)) {
      events.push(event)
    }
  }
  return { title, events, success, counts, tookMs: performance.now() - startedAtMs, cpuMs: cpuMsOf(usage) }
}

/** Named by this process, so that the next one knows whose it is. */
function makeScratch(root: string): string {
  for (const name of readdirSync(root)) {
    const [, pid] = /^mq-test-(\d+)-/.exec(name) ?? []
    if (pid !== undefined && !isRunning(Number(pid))) remove(join(root, name))
  }
  const made = mkdtempSync(join(root, `mq-test-${process.pid}-`))
  // Tests that run a program as another user give it folders in here: that user has to get through.
  chmodSync(made, 0o755)
  return made
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function scratchRoot(): string {
  try {
    const { bavail, bsize } = statfsSync(IN_MEMORY)
    return bavail * bsize >= ROOM_BYTES.folder && freemem() >= ROOM_BYTES.memory ? IN_MEMORY : tmpdir()
  } catch {
    return tmpdir()
  }
}

function remove(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  } catch {
    // A process that a test left behind still writes there; the folder above goes at the end.
  }
}

function cpuMsOf(usage: string): number | undefined {
  try {
    return (JSON.parse(readFileSync(usage, 'utf8')) as { cpuMs: number }).cpuMs
  } catch {
    return undefined
  }
}

function slowestLines(results: readonly JobResult[], tookMs: number): string[] {
  const cpuMs = sum(results.map((result) => result.cpuMs ?? 0))
  const lines = results
    .toSorted((a, b) => b.tookMs - a.tookMs)
    .slice(0, SHOWN_SLOWEST)
    .map((result) => {
      const cpu = result.cpuMs === undefined ? '?' : seconds(result.cpuMs)
      return `${seconds(result.tookMs).padStart(7)} s ${cpu.padStart(7)} s of processor time  ${result.title}`
    })
  const all = `${results.length} files took ${seconds(tookMs)} s, and ${seconds(cpuMs)} s of processor time with the brokers and programs they started; the slowest:`
  return results.length === 0 ? [] : [all, ...lines]
}

/** Where a file stands in the queue: those that are not known to be slow come last, in their order. */
function rankOf(file: string, slowest: readonly string[]): number {
  const rank = slowest.indexOf(file)
  return rank === -1 ? slowest.length : rank
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0)
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1)
}

/** The closing lines of one file, which the common ones replace. */
function isClosing({ type, data }: RunnerEvent): boolean {
  if (type !== 'test:diagnostic' || data.nesting !== 0 || data.file !== undefined) return false
  return /^(?:tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) [\d.]+$/.test(data.message ?? '')
}
