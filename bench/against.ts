/**
 * `mq measure against REV`: this clone beside another commit, in one run: sending and reading, how long a change takes to its clients, how long
 * migrations hold up, how long a control plane and a command take to start.
 *
 * V1. Both run the same program (peers/mq.ts of this clone), each against its own sources, in processes of their own, on one broker. Times are
 *     those of each side's own measuring programs (against/programs.ts). Pairs are interleaved, and who goes first takes turns: what the
 *     machine does meanwhile hits both alike.
 * V2. A figure is the median of the ratios within pairs; the interval is that of order statistics, 95 %, from six pairs on, and before that
 *     the lowest and the highest.
 * V3. The other commit is checked out into a folder of its own, which is removed afterwards. It runs with the libraries that are installed
 *     here; where its package-lock.json names others, that is said.
 * V4. A run that sends counts only when the broker holds exactly what was sent.
 * V5. A measurement that fails is named with its reason, and the exit code is 1; the others are made and kept all the same.
 */
import { parseArgs } from 'node:util'
import { figuresOf, LOADS, type Load, measureLoad } from './against/loads.ts'
import { measureTime, TIMES, type Time, type Times } from './against/programs.ts'
import { AgainstResult, againstTable } from './against/result.ts'
import { checkOut, git, ROOT, type Roots, type Side } from './against/sides.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import type { Run } from './results.ts'
import { Stage } from './stage.ts'
import { median, medianInterval, round } from './statistics.ts'

const KINDS: readonly (Load | Time)[] = [...LOADS, ...TIMES]
const USAGE = `mq measure against REV [options]
  --pairs N           runs of each side, of each kind that sends or reads, and starts (10)
  --messages N        in each run that sends; twice as many are read (1000000)
  --only NAME,...     of ${KINDS.join(', ')}; all when left out
  --partitions N      (4)
  --payload-bytes N   (200)
  --changes N         in each of --propagation-pairs N runs of propagation (30, 5)
  --migrations N      in each of --migration-pairs N runs of migration (4, 3)
  --bootstrap LIST    a Kafka that runs already, for sending and reading
  --json              one JSON object on the last line
  --save              keep it under bench/results`

const SEED = 1
/** From so many on order statistics have ranks inside (V2). */
const ENOUGH_PAIRS = 6

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '10' },
    messages: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    partitions: { type: 'string', default: '4' },
    'payload-bytes': { type: 'string', default: '200' },
    changes: { type: 'string', default: '30' },
    'propagation-pairs': { type: 'string', default: '5' },
    migrations: { type: 'string', default: '4' },
    'migration-pairs': { type: 'string', default: '3' },
    bootstrap: { type: 'string' },
    date: { type: 'string', default: new Date().toISOString().slice(0, 10) },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [rev] = positionals
const wanted = flags.only?.split(',') ?? KINDS
const unknown = wanted.filter((name) => !KINDS.some((kind) => kind === name))
if (unknown.length > 0) console.error(`--only ${unknown.join(',')}: there are ${KINDS.join(', ')}`)
if (flags.help || rev === undefined || unknown.length > 0) {
  console.log(USAGE)
  process.exit(flags.help ? 0 : 2)
}
const isWanted = (kind: Load | Time): boolean => wanted.includes(kind)

function ratioOf<T>(pairs: readonly Readonly<Record<Side, T>>[], of: (run: T) => number) {
  const ratios = pairs.map((pair) => of(pair.this) / of(pair.other))
  const known = ratios.length >= ENOUGH_PAIRS ? medianInterval(ratios) : undefined
  const [low, high] = known === undefined ? [Math.min(...ratios), Math.max(...ratios)] : [known.low, known.high]
  return { median: round(median(ratios), 3), low: round(low, 3), high: round(high, 3) }
}

function loadResult(kind: Load, pairs: readonly Readonly<Record<Side, Run>>[]) {
  const sideOf = (side: Side) => ({
    messagesPerSecond: Math.round(median(pairs.map((pair) => figuresOf(pair[side]).messagesPerSecond))),
    cpuUsPerMessage: round(median(pairs.map((pair) => figuresOf(pair[side]).cpuUsPerMessage)), 3),
  })
  return {
    kind,
    this: sideOf('this'),
    other: sideOf('other'),
    throughputRatio: ratioOf(pairs, (run) => figuresOf(run).messagesPerSecond),
    cpuRatio: ratioOf(pairs, (run) => figuresOf(run).cpuUsPerMessage),
  }
}

function timeResults(kind: Time, pairs: readonly Readonly<Record<Side, Times>>[]) {
  return Object.keys(pairs[0]?.this ?? {}).map((what) => {
    const of = (side: Side): number => round(median(pairs.map((pair) => pair[side][what]!)), 1)
    return { kind, what, thisMs: of('this'), otherMs: of('other'), ratio: ratioOf(pairs, (times) => times[what]!) }
  })
}

const commit = git('rev-parse', '--verify', `${rev}^{commit}`)
const messages = Math.ceil(Number(flags.messages) / 1_000) * 1_000
const startedMs = performance.now()
const failures: { kind: Load | Time; reason: string }[] = []
/** V5 */
async function unlessFailed<T>(kind: Load | Time, measuring: Promise<T>): Promise<T | undefined> {
  try {
    return await measuring
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    console.error(`  ${kind} failed: ${reason}`)
    failures.push({ kind, reason: reason.slice(0, 500) })
    return undefined
  }
}

const other = checkOut(commit)
// Whatever ends the measurement, the folder of the other commit goes away.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    other.remove()
    process.exit(1)
  })
}
const roots: Roots = { this: ROOT, other: other.root }
let kafka = 'none'
let stage: Stage | undefined
try {
  const sameLibraries = git('diff', '--name-only', commit, 'HEAD', '--', 'package-lock.json') === ''
  if (!sameLibraries)
    console.error(`${rev} names other libraries in its package-lock.json: both run with those of this clone`)
  const results = []
  const loads = LOADS.filter(isWanted)
  if (loads.length > 0) {
    stage = await Stage.open({
      bootstrap: flags.bootstrap?.split(','),
      partitions: Number(flags.partitions),
      payloadBytes: Number(flags['payload-bytes']),
      seed: SEED,
    })
    kafka = stage.kafkaVersion
    const options = { roots, messages, pairs: Number(flags.pairs) }
    for (const kind of loads) {
      const pairs = await unlessFailed(kind, measureLoad(stage, kind, options))
      if (pairs !== undefined) results.push(loadResult(kind, pairs))
    }
    // What follows brings its own brokers, and this one would take processor time from them.
    await stage.close()
  }
  const times = []
  const pairsOf: Readonly<Record<Time, number>> = {
    propagation: Number(flags['propagation-pairs']),
    migration: Number(flags['migration-pairs']),
    start: Number(flags.pairs),
  }
  for (const kind of TIMES.filter(isWanted)) {
    const options = {
      roots,
      pairs: pairsOf[kind],
      changes: Number(flags.changes),
      migrations: Number(flags.migrations),
    }
    const pairs = await unlessFailed(kind, measureTime(kind, options))
    if (pairs !== undefined) times.push(...timeResults(kind, pairs))
  }
  const result = AgainstResult.parse({
    measure: 'against',
    machine: machineFacts(kafka, flags.date),
    options: {
      rev,
      commit,
      ofThis: git('rev-parse', 'HEAD'),
      pairs: Number(flags.pairs),
      messages,
      partitions: Number(flags.partitions),
      payloadBytes: Number(flags['payload-bytes']),
      propagationPairs: pairsOf.propagation,
      migrationPairs: pairsOf.migration,
      sameLibraries,
    },
    results,
    times,
    failures,
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  })
  publish(result, againstTable(result), flags)
} finally {
  await stage?.close()
  other.remove()
}
process.exit(failures.length === 0 ? 0 : 1)
