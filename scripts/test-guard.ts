/**
 * Loaded into every test process.
 *
 * U1. Ends one that is still there after its time, and says what kept it.
 * U2. Tells at the end how much processor time the process and everything that it started took (`MQ_TEST_USAGE`, a file).
 */
import { readFileSync, writeFileSync } from 'node:fs'

const { MQ_TEST_FILE_LIMIT_MS, MQ_TEST_USAGE } = process.env
const limitMs = Number(MQ_TEST_FILE_LIMIT_MS)
/** Linux counts processor time in hundredths of a second in /proc, whatever the kernel's own clock is. */
const TICK_MS = 10

if (limitMs > 0) {
  const guard = setTimeout(() => {
    const kept = Object.entries(Object.groupBy(process.getActiveResourcesInfo(), (name) => name))
    const list = kept.map(([name, each]) => `${each?.length} ${name}`).join(', ')
    console.error(`${process.argv[1]} was still running after ${limitMs / 1000} s; open: ${list}`)
    process.exit(86)
  }, limitMs)
  // A file that ends by itself must not wait for its guard.
  guard.unref()
}

if (MQ_TEST_USAGE !== undefined && MQ_TEST_USAGE !== '') {
  // Programs that a test starts are no test files.
  delete process.env.MQ_TEST_USAGE
  process.once('exit', () => {
    try {
      writeFileSync(MQ_TEST_USAGE, JSON.stringify({ cpuMs: cpuMs() }))
    } catch {
      // The summary does without.
    }
  })
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  const own = (user + system) / 1_000
  if (process.platform !== 'linux') return own
  // After the name, which may hold anything: fields 16 and 17 are those of children that ended, and of theirs.
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1)!.split(' ')
  return own + (Number(fields[13]) + Number(fields[14])) * TICK_MS
}
