/**
 * `mq measure telemetry-store`: how much of the store the telemetry of 10,000 mQ IDs takes, and what writing it costs.
 *
 * E1. A few mQ IDs are kept for the whole of every retention, through the code that keeps them, in a real store; the file is what it
 *     is, with free pages and indexes, and scales with the number of mQ IDs.
 * E2. Every mQ ID is busy all the time, with two groups reading, a day's rhythm, and latencies that wander: few are in practice.
 */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemDeps } from '@mq/kafka'
import { STORE_FILE, Store } from '../packages/control-plane/src/store/store.ts'
import { HOUR_MS, RESOLUTIONS, readRollups, saveRollups } from '../packages/control-plane/src/telemetry/rollups.ts'
import { Sketch } from '../packages/control-plane/src/telemetry/sketch.ts'
import { emptySlice, noGroupCounts, type Slice } from '../packages/control-plane/src/telemetry/slice.ts'
import { FIVE_MINUTES_MS, type FinishedRollup, WINDOW_MS } from '../packages/control-plane/src/telemetry/traffic.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { seededRandom } from './payloads.ts'
import { publish } from './publish.ts'
import { TelemetryStoreResult } from './results.ts'
import { round } from './statistics.ts'
import { telemetryStoreTable } from './tables.ts'

const USAGE = `mq measure telemetry-store [--json] [--save] [--ids 20] [--scaled-to 10000] [--seed 1] [--date YYYY-MM-DD]
  --ids N         mQ IDs that are really kept
  --scaled-to N   mQ IDs the result is said for`

const flags = readFlags(USAGE, { ids: 20, 'scaled-to': 10_000 })
const DAY_MS = 24 * HOUR_MS
/** So long before the end every five minutes are written, and the hour before them once an hour: sizes are the same. */
const FINE_MS = DAY_MS
const GROUPS = ['billing', 'search-index']

const random = seededRandom(flags.seed)
const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

interface Load {
  readonly mqId: string
  readonly recordsPerSecond: number
  readonly recordBytes: number
  latencyUs: number
}

const loads: Load[] = Array.from({ length: flags.ids }, (_, at) => ({
  mqId: `team-${at % 7}.service-${at % 13}.event-${at}`,
  recordsPerSecond: 10 ** (1 + 4 * random()),
  recordBytes: 10 ** (1.7 + 2 * random()),
  latencyUs: 10 ** (3 + 1.5 * random()),
}))

/** Traffic of that long, E2. */
function sliceOf(load: Load, atMs: number, lengthMs: number): Slice {
  const slice = emptySlice(lengthMs >= FIVE_MINUTES_MS)
  const rhythm = 1 + 0.8 * Math.sin((atMs / DAY_MS) * 2 * Math.PI)
  const records = Math.round((load.recordsPerSecond * rhythm * (1 + 0.2 * normal()) * lengthMs) / 1_000) + 1
  load.latencyUs *= Math.exp(0.05 * normal())
  const batches = Math.ceil(records / 40)
  const bytes = Math.round(records * load.recordBytes * (1 + 0.02 * normal()))
  Object.assign(slice.producer, {
    records,
    recordBytes: bytes,
    uncompressedBytes: bytes + records * 9 + batches * 61,
    wireBytes: Math.round(bytes / 3.5),
    batches,
    requests: Math.ceil(batches / 2),
    retries: random() < 0.05 ? 3 : 0,
    errors: 0,
    cpuUs: Math.round(records * 1.4),
    cpuRecords: records,
  })
  // As many distinct values as histograms of two digits hold over a few million latencies.
  const draw = (sketch: Slice['sendLatency'], medianUs: number, count: number): void => {
    for (let n = 0; n < 150; n++) sketch.add(medianUs * Math.exp(0.7 * normal()), Math.max(1, Math.round(count / 150)))
  }
  draw(slice.sendLatency, load.latencyUs, records)
  if (slice.shape !== null) {
    draw(slice.shape.sizes, load.recordBytes, records)
    draw(slice.shape.depths, 40, batches)
  }
  for (const group of GROUPS) {
    const counts = { ...noGroupCounts(), records, recordBytes: bytes, wireBytes: Math.round(bytes / 3.5), batches }
    const one = { counts: { ...counts, fetchRequests: Math.ceil(batches / 3) }, endToEnd: new Sketch() }
    draw(one.endToEnd, load.latencyUs * 2, records)
    slice.groups.set(group, one)
  }
  return slice
}

/** Bytes this process wrote to storage so far; undefined where the system does not say. */
function writtenBytes(): number | undefined {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
  } catch {
    return undefined
  }
}

const dir = mkdtempSync(join(tmpdir(), 'mq-telemetry-store-'))
try {
  const store = await Store.open(dir, systemDeps)
  const size = (): number => {
    store.sqlite.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    return statSync(join(dir, STORE_FILE)).size
  }
  const emptyBytes = size()
  const endMs = Math.floor(1_800_000_000_000 / DAY_MS) * DAY_MS
  const longestMs = Math.max(...RESOLUTIONS.map(({ keepMs, chunkMs }) => keepMs + chunkMs))
  let saves = 0
  let seconds = 0
  let cpuUs = 0
  let written: number | undefined = 0
  const finished = (atMs: number, withTens: boolean): FinishedRollup[] =>
    loads.map((load) => ({
      mqId: load.mqId,
      windowStartMs: atMs,
      slice: sliceOf(load, atMs, FIVE_MINUTES_MS),
      tens: withTens
        ? Array.from({ length: FIVE_MINUTES_MS / WINDOW_MS }, (_, n) => ({
            startMs: atMs + n * WINDOW_MS,
            slice: sliceOf(load, atMs + n * WINDOW_MS, WINDOW_MS),
          }))
        : [],
    }))
  for (let atMs = endMs - longestMs; atMs < endMs; ) {
    const isFine = atMs >= endMs - FINE_MS
    const isLast = atMs >= endMs - 2 * HOUR_MS
    const rollups = finished(atMs, isLast)
    atMs += isFine ? FIVE_MINUTES_MS : HOUR_MS
    const [before, cpu, from] = [performance.now(), process.cpuUsage(), writtenBytes()]
    await saveRollups(store, rollups, atMs)
    if (!isLast) continue
    const used = process.cpuUsage(cpu)
    const to = writtenBytes()
    saves += loads.length
    seconds += (performance.now() - before) / 1_000
    cpuUs += used.user + used.system
    written = from === undefined || to === undefined || written === undefined ? undefined : written + to - from
  }
  const fullBytes = size()
  const perId = (fullBytes - emptyBytes) / flags.ids
  const kept = await Promise.all(
    RESOLUTIONS.map(async ({ name, resolutionMs, keepMs }) => {
      const row = store.sqlite
        .prepare(`SELECT COUNT(*) AS chunks, SUM(LENGTH(data)) AS bytes FROM traffic_${name}`)
        .get() as {
        chunks: number
        bytes: number
      }
      const windows = await readRollups(store, loads[0]!.mqId, resolutionMs, endMs - keepMs)
      return {
        resolutionMs,
        keepMs,
        windowsPerId: windows.length,
        chunksPerId: round(row.chunks / flags.ids, 1),
        bytesPerId: Math.round(row.bytes / flags.ids),
      }
    }),
  )
  await store.close()
  const share = flags['scaled-to'] / (FIVE_MINUTES_MS / 1_000)
  const result = TelemetryStoreResult.parse({
    measure: 'telemetry-store',
    machine: machineFacts('-', flags.date),
    options: { ids: flags.ids, scaledTo: flags['scaled-to'], seed: flags.seed },
    storeBytesPerId: Math.round(perId),
    storeGb: round((perId * flags['scaled-to'] + emptyBytes) / 1e9, 3),
    kept,
    writing: {
      cpuMsPerSecond: round((cpuUs / saves / 1_000) * share, 1),
      msPerId: round((seconds * 1_000) / saves, 2),
      writtenBytesPerSecond: written === undefined ? null : Math.round((written / saves) * share),
    },
  })
  publish(result, telemetryStoreTable(result), flags)
} finally {
  rmSync(dir, { recursive: true, force: true })
}
