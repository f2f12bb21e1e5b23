/**
 * `mq measure regret`: how far the configuration the engine chooses is from the cheapest that an exhaustive sweep on a real broker finds.
 *
 * R1. The oracle is measured, not modelled: dollars are the price book over measured bytes, requests and CPU.
 * R2. The constants of the model come from a workload that is none of those tested.
 * R3. Everything is seeded; what cannot be (the machine) is in the result.
 */
import { appendFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { calibrated, clusterModel, DEFAULT_CONSTANTS, priceBook } from '@mq/economics'
import { installKafka, startCluster } from '@mq/local'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { calibrateHere } from './regret/calibration.ts'
import { Crew } from './regret/crew.ts'
import { GRIDS, type GridName, knobsText } from './regret/grids.ts'
import type { Sample } from './regret/judge.ts'
import { judge, REPLICATION, RETENTION_MS, type Verdict, watchedOf } from './regret/measure.ts'
import { observe } from './regret/observe.ts'
import { readRecording } from './regret/recorded.ts'
import { Sweeper, type Windows } from './regret/sweep.ts'
import { type BenchWorkload, BUILT_IN, openWorkload, type WorkloadSource } from './regret/workloads.ts'
import { RegretResult } from './results.ts'
import { median, round } from './statistics.ts'
import { regretTable } from './tables.ts'

const USAGE = `mq measure regret [--workload FILE.jsonl ...] [--json] [--save]
  --workload FILE     recorded messages, one {"t": ms, "key": base64 or null, "value": base64} a line; may be repeated.
                      Without it: ${BUILT_IN.join(', ')}
  --only NAMES        some of the built-in ones
  --latency-p99 MS    the SLO of recorded workloads, end to end (250)
  --grid NAME         tiny: 4 configurations, for a try; small: 40 producer settings x 2 ways of fetching; full: the whole
                      grid of the optimiser, which takes hours (small)
  --seconds N         the shortest window of a measurement (3)
  --watch N           the longest watching before the engine chooses, in seconds (90)
  --rounds N          how often the finalists are measured again (2)
  --sweep FILE        writes every configuration as measured and as predicted, one JSON object a line
  --prices BOOK       the price book (aws-us-east-1)
  --seed N            (1)
  --date YYYY-MM-DD`

function readRegretFlags() {
  try {
    const { values } = parseArgs({
      options: {
        workload: { type: 'string', multiple: true },
        only: { type: 'string' },
        'latency-p99': { type: 'string', default: '250' },
        grid: { type: 'string', default: 'small' },
        seconds: { type: 'string', default: '3' },
        watch: { type: 'string', default: '90' },
        rounds: { type: 'string', default: '2' },
        sweep: { type: 'string' },
        prices: { type: 'string', default: 'aws-us-east-1' },
        seed: { type: 'string', default: '1' },
        date: { type: 'string', default: new Date().toISOString().slice(0, 10) },
        json: { type: 'boolean', default: false },
        save: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      console.log(USAGE)
      process.exit(0)
    }
    const whole = (name: 'latency-p99' | 'rounds' | 'seed' | 'watch'): number => {
      const value = Number(values[name])
      if (!Number.isSafeInteger(value) || value < 1)
        throw new Error(`--${name} ${values[name]}: write a whole number of 1 or more`)
      return value
    }
    const seconds = Number(values.seconds)
    if (!(seconds >= 0.5 && seconds <= 120))
      throw new Error(`--seconds ${values.seconds}: write a number from 0.5 to 120`)
    if (!Object.hasOwn(GRIDS, values.grid)) throw new Error(`--grid ${values.grid}: write tiny, small or full`)
    if (!/^\d{4}-\d\d-\d\d$/.test(values.date)) throw new Error(`--date ${values.date}: write YYYY-MM-DD`)
    const names = values.only?.split(',') ?? BUILT_IN
    const unknown = names.find((name) => !BUILT_IN.includes(name))
    if (unknown !== undefined) throw new Error(`--only ${unknown}: there are ${BUILT_IN.join(', ')}`)
    return {
      ...values,
      grid: values.grid as GridName,
      watchMs: whole('watch') * 1_000,
      names,
      seconds,
      latencyP99Ms: whole('latency-p99'),
      rounds: whole('rounds'),
      seed: whole('seed'),
    } as const
  } catch (error) {
    console.error(`${(error as Error).message}; --help lists the options`)
    process.exit(2)
  }
}

const flags = readRegretFlags()
const book = priceBook(flags.prices)
const grid = GRIDS[flags.grid]
const say = (text: string): void => console.error(text)

/** Enough messages for a p99, in bounded time; bursts are seen whole. */
function windowsOf(workload: BenchWorkload): Windows {
  const leastMs = flags.seconds * 1_000
  const wanted = (SAMPLES / workload.messagesPerSecond) * 1_000
  const windowMs = Math.min(Math.max(leastMs, wanted), leastMs * 6)
  return { warmMs: Math.max(800, Math.max(...grid.lingerMs) * 3), windowMs: Math.ceil(windowMs / BURST_MS) * BURST_MS }
}
const SAMPLES = 600
const BURST_MS = 2_500

async function sources(): Promise<WorkloadSource[]> {
  if (flags.workload === undefined) return flags.names.map((name) => ({ kind: 'built-in', name, seed: flags.seed }))
  // Read once now: a bad line is said before anything is started.
  for (const path of flags.workload) await readRecording(path)
  return flags.workload.map((path) => ({ kind: 'file', path, latencyP99Ms: flags.latencyP99Ms }))
}

function shown(sample: Sample) {
  const { knobs, usdPerMonth, wireBytesPerRecord, recordsPerBatch, sendP99Ms, endToEndP99Ms, samples } = sample
  return {
    configuration: knobsText(knobs),
    ...knobs,
    usdPerMonth: round(usdPerMonth, 4),
    wireBytesPerRecord: round(wireBytesPerRecord, 2),
    recordsPerBatch: round(recordsPerBatch, 2),
    cpuUsPerRecord: {
      producer: round(sample.producerCpuUsPerRecord, 2),
      broker: round(sample.brokerCpuUsPerRecord, 2),
      consumer: round(sample.consumerCpuUsPerRecord, 2),
    },
    requestsPerSecond: {
      produce: round(sample.produceRequestsPerSecond, 1),
      fetch: round(sample.fetchRequestsPerSecond, 1),
    },
    sendP99Ms: round(sendP99Ms, 2),
    endToEndP99Ms: round(endToEndP99Ms, 2),
    samples,
  }
}

function row(verdict: Verdict) {
  const { workload, chosen, oracle, defaults, start, errors, predicted } = verdict
  const rounded = (of: typeof errors.all) => ({
    bytes: round(of.bytes, 4),
    usd: round(of.usd, 4),
    p99: round(of.p99, 4),
  })
  return {
    name: workload.name,
    what: workload.what,
    messagesPerSecond: round(workload.messagesPerSecond, 2),
    latencyP99Ms: workload.latencyP99Ms,
    isCompressible: verdict.isCompressible,
    configurations: verdict.configurations,
    chosen: shown(chosen),
    oracle: shown(oracle),
    oracleMetSlo: verdict.oracleMet,
    regret: round(chosen.usdPerMonth / oracle.usdPerMonth - 1, 4),
    usdPerMonthDefault: round(defaults.usdPerMonth, 4),
    usdPerMonthStart: round(start.usdPerMonth, 4),
    usdPerMonthChosen: round(chosen.usdPerMonth, 4),
    saving: round(1 - chosen.usdPerMonth / defaults.usdPerMonth, 4),
    sloMet: chosen.endToEndP99Ms <= workload.latencyP99Ms,
    default: shown(defaults),
    start: shown(start),
    predicted: {
      usdPerMonth: round(predicted.usdPerMonth, 4),
      wireBytesPerRecord: round(predicted.wireBytesPerRecord, 2),
      endToEndP99Ms: round(predicted.endToEndP99Ms, 2),
    },
    predictionError: { all: rounded(errors.all), chosen: rounded(errors.chosen) },
  }
}

const given = await sources()
const install = await installKafka(say)
const kafka = await startCluster({ name: 'regret', maxHeapMb: 512 })
const crew = new Crew()
const sweeper = new Sweeper(kafka.bootstrap, kafka.brokers[0]!.pid, crew)
const startedAt = performance.now()
try {
  const calibration: WorkloadSource = { kind: 'calibration', seed: flags.seed }
  const workloads = await Promise.all([calibration, ...given].map(openWorkload))
  const watched = workloads.map(watchedOf)
  say(`watching ${workloads.length} workloads through the client, as in production`)
  const [knownCalibration, ...known] = await observe(watched, {
    bootstrap: kafka.bootstrap,
    admin: sweeper.admin,
    leastMs: Math.min(flags.seconds * 5_000, flags.watchMs),
    mostMs: flags.watchMs,
    seed: flags.seed + 5,
    say,
  })
  say('calibrating on a workload of its own')
  const constants = await calibrateHere(sweeper, knownCalibration!, {
    seed: flags.seed,
    windows: { warmMs: 800, windowMs: flags.seconds * 1_000 },
    isRehearsed: flags.grid !== 'tiny',
  })
  say(`constants: ${JSON.stringify(constants)}`)
  const cluster = clusterModel({
    name: 'regret',
    book,
    constants: calibrated(DEFAULT_CONSTANTS, constants),
    zones: 3,
    // Priced as three brokers with a copy each; measured on one, which leads everything.
    brokers: 3,
    leadingBrokers: 1,
  })
  const rows: ReturnType<typeof row>[] = []
  for (const [n, source] of given.entries()) {
    const one = watched[n + 1]!
    const { workload } = one
    say(`${workload.name}: ${workload.what}`)
    const verdict = await judge(one, known[n]!, source, {
      sweeper,
      grid,
      cluster,
      windows: windowsOf,
      finalRounds: flags.rounds,
      followerUsPerKib: () => sweeper.costs().broker[2] ?? 0,
      seed: flags.seed,
      say,
    })
    rows.push(row(verdict))
    if (flags.sweep !== undefined) {
      const lines = verdict.swept.map((each) => JSON.stringify({ workload: workload.name, ...each }))
      appendFileSync(flags.sweep, `${lines.join('\n')}\n`)
    }
    const { regret, saving, sloMet } = rows.at(-1)!
    say(
      `${workload.name}: regret ${round(regret * 100, 2)} %, saving ${round(saving * 100, 1)} %, SLO ${sloMet ? 'met' : 'MISSED'} (${Math.round((performance.now() - startedAt) / 1_000)} s)`,
    )
  }
  const compressible = rows.filter((one) => one.isCompressible)
  const savings = (list: typeof rows): number | null =>
    list.length === 0 ? null : median(list.map((one) => one.saving))
  const result = RegretResult.parse({
    measure: 'regret',
    machine: machineFacts(install.version, flags.date),
    options: {
      grid: flags.grid,
      configurations: rows[0]?.configurations ?? 0,
      seconds: flags.seconds,
      rounds: flags.rounds,
      seed: flags.seed,
      priceBook: `${book.id} ${book.version}`,
      replication: REPLICATION,
      retentionMs: RETENTION_MS,
      groups: 1,
      tookSeconds: Math.round((performance.now() - startedAt) / 1_000),
    },
    constants,
    workloads: rows,
    medianRegret: median(rows.map((one) => one.regret)),
    worstRegret: Math.max(...rows.map((one) => one.regret)),
    medianSaving: savings(compressible) ?? savings(rows),
    medianSavingAll: savings(rows),
    sloMissed: rows.filter((one) => !one.sloMet).map((one) => one.name),
    predictionError: {
      bytes: median(rows.map((one) => one.predictionError.all.bytes)),
      usd: median(rows.map((one) => one.predictionError.all.usd)),
      p99: median(rows.map((one) => one.predictionError.all.p99)),
    },
  })
  publish(result, regretTable(result), flags)
} finally {
  await crew.close()
  await sweeper.close()
  await kafka.stop()
}
