/** When twins begin by themselves, without a broker (S1, S2, S4), and what the store remembers of them (K1, K2). */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { clusterModel, defaultConfiguration, priceBook, type Workload } from '@mq/economics'
import { systemDeps } from '@mq/kafka'
import { silentLogger } from '../src/logger.ts'
import type { ActiveId } from '../src/registry/records.ts'
import { Store } from '../src/store/store.ts'
import type { TrafficProfile } from '../src/telemetry/profile.ts'
import { Sketch } from '../src/telemetry/sketch.ts'
import { Calibrations } from '../src/twin/calibrations.ts'
import { TwinWriter } from '../src/twin/twin-writer.ts'
import { Twins, type TwinsOptions, usualTwinTimes } from '../src/twin/twins.ts'

const HOUR_MS = 3_600_000
const cluster = clusterModel({ name: 'main', book: priceBook('aws-us-east-1') })
const current = defaultConfiguration({ cluster: 'main', partitions: 4, replication: 3, retentionMs: 86_400_000 })
const workload: Workload = {
  recordsPerSecond: 5_000,
  peakMultiple: 1,
  recordBytes: 200,
  framedBytes: 210,
  producers: 1,
  keyed: false,
  busiestPartitionShare: 0.25,
  dispersion: 1,
  groups: [{ group: 'one', members: 1 }],
  curves: [],
  retainedBytes: null,
  observedMs: HOUR_MS,
  records: 1_000_000,
  source: 'measured',
}
const profile = {
  records: 1_000_000,
  recordBytes: 200,
  recordSizes: new Sketch(),
  shadow: [],
  keyedShare: 0,
  distinctKeys: null,
  topKeyShares: [],
} as unknown as TrafficProfile
const active = {
  id: 'orders.placed',
  spec: {
    intent: { latencyP99Ms: 250, retention: { policy: 'time', durationMs: 86_400_000 }, maxMessageBytes: 1_048_576 },
  },
} as unknown as ActiveId

interface World {
  workload: Workload
  profile: TrafficProfile | null
  mayBegin: boolean
  nowMs: number
}

async function twinsIn(t: TestContext, changes: Partial<TwinsOptions> = {}) {
  const world: World = { workload, profile, mayBegin: true, nowMs: Date.now() }
  const deps = { ...systemDeps, clock: { ...systemDeps.clock, nowMs: () => world.nowMs } }
  const folder = mkdtempSync(join(tmpdir(), 'mq-twins-'))
  const store = await Store.open(folder, deps)
  const writer = await TwinWriter.load(store, deps)
  const twins = new Twins({
    writer,
    calibrations: await Calibrations.load(store, deps),
    deps,
    logger: silentLogger,
    times: usualTwinTimes,
    active: (id) => (id === active.id ? active : undefined),
    ids: () => [active.id],
    profile: () => world.profile,
    workload: () => world.workload,
    configuration: () => current,
    clusterModel: () => cluster,
    addresses: () => [{ name: 'main', bootstrap: ['127.0.0.1:1'], securityProtocol: 'plaintext' }],
    openCluster: () => {
      throw new Error('there is no broker here')
    },
    mayBegin: () => world.mayBegin,
    ...changes,
  })
  t.after(async () => {
    await twins.close()
    await store.close()
    rmSync(folder, { recursive: true })
  })
  const begun = async (): Promise<number> => (await twins.list({ limit: 100 })).length
  const settled = async (): Promise<void> => {
    for (;;) {
      const [last] = await twins.list({ limit: 1 })
      if (last === undefined || last.endedAtMs !== null) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return { twins, world, store, writer, begun, settled }
}

test('a twin begins by itself when a workload became another one, and not before (S2)', {
  timeout: 300_000,
}, async (t) => {
  const { twins, world, begun, settled } = await twinsIn(t)
  await twins.look()
  world.workload = { ...workload, recordsPerSecond: 6_000 }
  await twins.look()
  assert.equal(await begun(), 0, 'what was first seen is no drift, and neither is a little more')
  world.workload = { ...workload, recordsPerSecond: 12_000 }
  await twins.look()
  assert.equal(await begun(), 1)
  const [twin] = await twins.list({ limit: 1 })
  assert.match(twin!.why, /from 5000 to 12000 records a second/)
  assert.equal(twin!.actor, 'mq')
  await settled()
  world.workload = { ...workload, recordsPerSecond: 40_000 }
  await twins.look()
  assert.equal(await begun(), 1, 'not again within the rest')
  world.nowMs += usualTwinTimes.restMs + 1
  await twins.look()
  assert.equal(await begun(), 2)
  await settled()
})

test('no twin begins by itself where policy forbids it, or where there is little to save (S2)', {
  timeout: 300_000,
}, async (t) => {
  const { twins, world, begun } = await twinsIn(t)
  await twins.look()
  world.workload = { ...workload, recordsPerSecond: 50_000 }
  world.mayBegin = false
  await twins.look()
  assert.equal(await begun(), 0)
  const small = await twinsIn(t)
  small.world.workload = { ...workload, recordsPerSecond: 2 }
  await small.twins.look()
  small.world.workload = { ...workload, recordsPerSecond: 20 }
  await small.twins.look()
  assert.equal(await small.begun(), 0)
})

test('a twin that cannot reach its cluster fails, says why, and lets the next one begin (S1, S4)', {
  timeout: 300_000,
}, async (t) => {
  const { twins, settled } = await twinsIn(t)
  const request = { top: 2, seconds: 1, rounds: 1 }
  const first = await twins.begin('orders.placed', request, 'api', 'asked for')
  await assert.rejects(twins.begin('orders.placed', request, 'api', 'asked for'), { code: 'MQ_TWIN_UNDER_WAY' })
  await assert.rejects(twins.begin('nobody', request, 'api', 'asked for'), { code: 'MQ_ID_UNKNOWN' })
  await settled()
  const failed = await twins.get(first.number)
  assert.equal(failed.state, 'failed')
  assert.match(failed.problem!, /there is no broker here/)
  assert.equal((await twins.begin('orders.placed', request, 'api', 'asked for')).number, first.number + 1)
  await settled()
})

test('a twin of an unknown mQ ID, or of one whose traffic nobody reported, is refused with what is missing', async (t) => {
  const { twins, world } = await twinsIn(t)
  const request = { top: 2, seconds: 1, rounds: 1 }
  await assert.rejects(twins.begin('nobody', request, 'api', 'asked for'), { code: 'MQ_ID_UNKNOWN' })
  world.profile = null
  await assert.rejects(twins.begin('orders.placed', request, 'api', 'asked for'), { code: 'MQ_TRAFFIC_UNKNOWN' })
  await assert.rejects(twins.get(9), { code: 'MQ_TWIN_UNKNOWN' })
})

test('a twin whose process died is failed at the next start, and keeps its number (K1, K2)', async (t) => {
  const { writer, store } = await twinsIn(t)
  const draft = {
    mqId: 'orders.placed',
    cluster: 'main',
    state: 'running' as const,
    why: 'asked for',
    actor: 'api',
    request: { top: 1, seconds: 1, rounds: 1 },
    done: 1,
    of: 3,
    ranking: [],
    assumptions: [],
    calibrated: false,
    problem: null,
    startedAtMs: 1,
    endedAtMs: null,
  }
  assert.equal((await writer.add(draft)).twin.number, 1)
  assert.equal((await writer.add({ ...draft, state: 'done', endedAtMs: 2 })).twin.number, 2)
  const again = await TwinWriter.load(store, systemDeps)
  assert.equal(again.tag, writer.tag, 'topics of this store are known again')
  const died = (await again.find(1)).twin
  assert.equal(died.state, 'failed')
  assert.match(died.problem!, /ended while it ran/)
  assert.equal((await again.find(2)).twin.state, 'done')
  assert.deepEqual(
    (await again.list({ limit: 10 })).map(({ twin }) => twin.number),
    [2, 1],
  )
})

test('one busy moment moves no constant of a cluster, and a way that stays longer does (B1)', async (t) => {
  const { store } = await twinsIn(t)
  const calibrations = await Calibrations.load(store, systemDeps)
  const p99 = async (produceRttP99Ms: number): Promise<number> => {
    await calibrations.add('main', { produceRttMs: 4, produceRttP99Ms })
    return calibrations.constants('main')!.produceRttP99Ms
  }
  // As it was seen: a calm machine, then one that was busy with something else.
  assert.deepEqual([await p99(13), await p99(46), await p99(147)], [13, 13, 13])
  assert.deepEqual([await p99(48), await p99(50)], [46, 46], 'most say it is longer')
  assert.equal(await p99(49), 48)
})

test('a calibration gives way to newer ones after a week, and is forgotten after a month (B3)', async (t) => {
  const { store } = await twinsIn(t)
  let nowMs = 1_800_000_000_000
  const days = (count: number): void => {
    nowMs += count * 86_400_000
  }
  const clock = { nowMs: () => nowMs, monotonicMs: () => nowMs }
  const deps = { ...systemDeps, clock }
  const calibrations = await Calibrations.load(store, deps)
  await calibrations.add('main', { produceRttMs: 1 })
  days(6)
  await calibrations.add('main', { produceRttMs: 5 })
  assert.equal(calibrations.constants('main')!.produceRttMs, 1)
  days(2)
  assert.equal(calibrations.constants('main')!.produceRttMs, 5)
  days(20)
  assert.equal(calibrations.constants('main')!.produceRttMs, 5, 'the last one there is')
  assert.equal((await Calibrations.load(store, deps)).constants('main')!.produceRttMs, 5)
  days(9)
  assert.equal(calibrations.constants('main'), undefined)
})

test('calibrations of an older version are still read', async (t) => {
  const { store } = await twinsIn(t)
  const row = { cluster: 'main', data: JSON.stringify([{ produceRttMs: 3 }, { produceRttMs: 4 }]) }
  store.sqlite
    .prepare('INSERT INTO calibrations (cluster, data, updated_at_ms) VALUES (?, ?, ?)')
    .run(row.cluster, row.data, Date.now())
  assert.equal((await Calibrations.load(store, systemDeps)).constants('main')!.produceRttMs, 3)
})

test('what was measured on a cluster is there again after a restart, and of another cluster nothing is known', async (t) => {
  const { store } = await twinsIn(t)
  const calibrations = await Calibrations.load(store, systemDeps)
  assert.equal(calibrations.constants('main'), undefined)
  await calibrations.add('main', { produceRttMs: 4, fetchRttMs: 2 })
  await calibrations.add('main', {})
  for (const produceRttMs of [5, 6, 7, 8, 90]) await calibrations.add('main', { produceRttMs })
  const again = await Calibrations.load(store, systemDeps)
  assert.equal(again.constants('main')!.produceRttMs, 6, 'the second fastest of the last five')
  assert.equal(again.constants('main')!.source, 'calibrated')
  assert.equal(again.constants('other'), undefined)
})
