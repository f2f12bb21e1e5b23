/**
 * The tuning loop: cheaper producer and consumer settings for the place an mQ ID has. Pure.
 *
 * T1. (World) => Proposal[] and nothing else: no clock, no store, no broker.
 * T2. The wishes of the intent are hard limits; acks, idempotence and the partitioner are not looked at.
 * T3. At most one proposal for an mQ ID, and none while it is not ready (readiness.ts).
 * T4. What was tried and undone is not proposed again before `retryMs`; the next best may be.
 */
import { type Choice, type Evidence, formatDurationMs, type Knob, type ProducerSettings } from '@mq/contract'
import { type Candidate, type ClusterModel, candidateOf, GRID, type Grid, type Optimum, optimise } from '@mq/economics'
import { feedbackOf } from './feedback.ts'
import { type Assessment, alternativesOf, codecText, outcomeOf, type Proposal, percent, usd } from './proposal.ts'
import { notReady } from './readiness.ts'
import type { IdWorld, World } from './world.ts'

const KIB = 1_024
/** Room that is left below the promise of the intent: models and clocks are not exact. */
export const LATENCY_MARGIN = 0.8

export function tuning(world: World): Proposal[] {
  return assessTuning(world).flatMap(({ proposal }) => proposal ?? [])
}

/** Everything the loop has to say, proposals or not. */
export function assessTuning(world: World): Assessment[] {
  return world.ids.map((one) => assess(world, one))
}

function assess(world: World, one: IdWorld): Assessment {
  const say = (state: Assessment['outlook']['state'], reason: string): Assessment => ({
    proposal: undefined,
    outlook: { mqId: one.id, loop: 'tuning', state, reason },
  })
  const waits = notReady(world, one)
  if (waits !== undefined) return say(waits.state, waits.reason)
  const home = world.clusters.find(({ name }) => name === one.configuration.cluster)
  if (home === undefined || one.workload === null)
    return say('no-data', `nothing is known about cluster '${one.configuration.cluster}'`)
  const { leastSavingShare, leastSavingUsdPerMonth } = world.times
  const feedback = feedbackOf(one.decisions)
  const hysteresis = { minSavingShare: leastSavingShare / feedback.trust, minSavingUsdPerMonth: leastSavingUsdPerMonth }
  const solve = (grid: Grid): Optimum =>
    optimise({
      workload: one.workload!,
      intent: one.intent,
      current: one.configuration,
      clusters: [home],
      grid,
      hysteresis,
      // readiness.ts has judged that already, by the windows since the settings last changed.
      evidence: { minMs: 0, minRecords: 0 },
      latencyMargin: 1 - LATENCY_MARGIN / feedback.latencyFactor,
      // What was tried already is passed over, so the next best have to be known.
      detail: one.decisions.length > 0 ? 'full' : world.detail,
    })
  const { fetchMinBytes, fetchMaxWaitMs } = one.configuration
  const producing = solve({ ...producerGrid(one), fetches: [{ fetchMinBytes, fetchMaxWaitMs }] })
  if (producing.outcome.kind === 'too-little') return say('too-small', producing.outcome.why)
  if (producing.outcome.kind === 'infeasible') return say('unmet', producing.outcome.why)
  const tried = triedLately(world, one)
  const worth = worthwhile(producing, hysteresis)
  const chosen = worth.find((candidate) => !tried.has(settingsKey(producerOf(one.producer, candidate))))
  if (chosen !== undefined) {
    return proposed(one, producerProposal(one, producing, chosen, feedback.decisions))
  }
  const consuming = solve(consumerGrid(one))
  const fetch = worthwhile(consuming, hysteresis).find(
    (candidate) => !tried.has(settingsKey(consumerOf(one, candidate))),
  )
  if (fetch !== undefined) return proposed(one, consumerProposal(one, consuming, fetch))
  if (worth.length > 0)
    return say(
      'resting',
      `what would save was tried and undone lately; it is tried again after ${formatDurationMs(world.times.retryMs)}`,
    )
  const { savingUsdPerMonth } = producing.outcome
  const tightened =
    feedback.latencyFactor > 1 || feedback.trust < 1
      ? `; both limits are tightened, because earlier decisions measured ${feedback.latencyFactor.toFixed(1)} times the predicted p99 and ${percent(feedback.trust)} of the predicted saving`
      : ''
  return say(
    'nothing-to-gain',
    savingUsdPerMonth <= 0
      ? `of ${producing.evaluated} configurations none is cheaper than the ${usd(producing.current.cost.usdPerMonth)} a month of what stands`
      : `the cheapest of ${producing.evaluated} configurations saves ${usd(savingUsdPerMonth)} a month (${percent(savingUsdPerMonth / producing.current.cost.usdPerMonth)}); a change is worth it from ${percent(hysteresis.minSavingShare)}${leastSavingUsdPerMonth > 0 ? ` and ${usd(leastSavingUsdPerMonth)}` : ''}${tightened}`,
  )
}

function proposed(one: IdWorld, proposal: Proposal): Assessment {
  return { proposal, outlook: { mqId: one.id, loop: 'tuning', state: 'proposed', reason: proposal.title } }
}

/** Cheapest first, those alone that save enough. */
function worthwhile(
  optimum: Optimum,
  { minSavingShare, minSavingUsdPerMonth }: { minSavingShare: number; minSavingUsdPerMonth: number },
): Candidate[] {
  const now = optimum.current.cost.usdPerMonth
  return [optimum.best, ...optimum.runnersUp].filter(({ cost }) => {
    const saved = now - cost.usdPerMonth
    return saved > 0 && saved >= minSavingUsdPerMonth && saved >= now * minSavingShare
  })
}

function producerGrid({ producer, largestBatchBytes }: IdWorld): Grid {
  const codecs = [...GRID.codecs, { codec: producer.codec, codecLevel: producer.codecLevel ?? null }]
  return {
    ...GRID,
    codecs: codecs.filter(
      (one, index) =>
        codecs.findIndex((other) => other.codec === one.codec && other.codecLevel === one.codecLevel) === index,
    ),
    lingerMs: distinct([...GRID.lingerMs, producer.lingerMs]),
    batchBytes: distinct([...GRID.batchBytes, producer.batchBytes]).filter((bytes) => bytes <= largestBatchBytes),
  }
}

function consumerGrid({ configuration }: IdWorld): Grid {
  const { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs } = configuration
  return {
    codecs: [{ codec, codecLevel }],
    lingerMs: [lingerMs],
    batchBytes: [batchBytes],
    fetches: [...GRID.fetches, { fetchMinBytes, fetchMaxWaitMs }],
  }
}

const distinct = (values: readonly number[]): number[] => [...new Set(values)].sort((a, b) => a - b)

/** T4. */
function triedLately({ nowMs, times }: World, one: IdWorld): Set<string> {
  return new Set(
    one.decisions
      .filter(
        ({ state, updatedAtMs, work }) =>
          (state === 'undone' || state === 'failed' || state === 'rejected' || state === 'expired') &&
          work.epoch === one.epoch &&
          updatedAtMs > nowMs - times.retryMs,
      )
      .map(({ change }) => settingsKey(change.after)),
  )
}

const settingsKey = (settings: object): string =>
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)))

function producerOf(standing: ProducerSettings, { configuration }: Candidate): ProducerSettings {
  const { codecLevel: _level, ...rest } = standing
  const { codec, codecLevel, lingerMs, batchBytes } = configuration
  return { ...rest, codec, lingerMs, batchBytes, ...(codecLevel === null ? {} : { codecLevel }) }
}

function consumerOf(one: IdWorld, { configuration }: Candidate): IdWorld['consumer'] {
  const { fetchMinBytes, fetchMaxWaitMs } = configuration
  return { ...one.consumer, fetchMinBytes, fetchMaxWaitMs }
}

function producerProposal(one: IdWorld, optimum: Optimum, chosen: Candidate, corrections: number): Proposal {
  const before = one.producer
  const after = producerOf(before, chosen)
  const changes: { knob: Knob; choice: Choice; text: string }[] = []
  const reason = `cheapest of ${optimum.evaluated} configurations within the intent`
  if (before.codec !== after.codec || before.codecLevel !== after.codecLevel) {
    const value = codecText(after.codec, after.codecLevel)
    const text = `${codecText(before.codec, before.codecLevel)} -> ${value}`
    changes.push({ knob: 'codec', choice: { setting: 'producer.codec', value, reason }, text })
  }
  if (before.lingerMs !== after.lingerMs) {
    const choice = { setting: 'producer.lingerMs', value: `${after.lingerMs} ms`, reason }
    changes.push({ knob: 'linger', choice, text: `linger ${before.lingerMs} -> ${after.lingerMs} ms` })
  }
  if (before.batchBytes !== after.batchBytes) {
    const choice = { setting: 'producer.batchBytes', value: `${after.batchBytes / KIB} KiB`, reason }
    changes.push({ knob: 'batch', choice, text: `batch ${before.batchBytes / KIB} -> ${after.batchBytes / KIB} KiB` })
  }
  return {
    ...common(one, optimum, chosen, corrections),
    title: changes.map(({ text }) => text).join(', '),
    change: { kind: 'producer-settings', before, after },
    choices: changes.map(({ choice }) => choice),
    knobs: changes.map(({ knob }) => knob),
  }
}

function consumerProposal(one: IdWorld, optimum: Optimum, chosen: Candidate): Proposal {
  const before = one.consumer
  const after = consumerOf(one, chosen)
  const reason = `cheapest of ${optimum.evaluated} ways to fetch within the intent`
  return {
    ...common(one, optimum, chosen, 0),
    title: `fetch ${before.fetchMinBytes} bytes or ${before.fetchMaxWaitMs} ms -> ${after.fetchMinBytes} bytes or ${after.fetchMaxWaitMs} ms`,
    change: { kind: 'consumer-settings', before, after },
    choices: [
      { setting: 'consumer.fetchMinBytes', value: `${after.fetchMinBytes} bytes`, reason },
      { setting: 'consumer.fetchMaxWaitMs', value: `${after.fetchMaxWaitMs} ms`, reason },
    ],
    knobs: ['fetch'],
  }
}

function common(
  one: IdWorld,
  optimum: Optimum,
  chosen: Candidate,
  corrections: number,
): Omit<Proposal, 'title' | 'change' | 'choices' | 'knobs'> {
  const { current, best } = optimum
  const saved = current.cost.usdPerMonth - chosen.cost.usdPerMonth
  const share = saved / current.cost.usdPerMonth
  const passedOver = chosen === best ? '' : '; the very cheapest was tried and undone lately'
  return {
    mqId: one.id,
    loop: 'tuning',
    why: `predicted ${usd(chosen.cost.usdPerMonth)} a month instead of ${usd(current.cost.usdPerMonth)} (${percent(share)} less), end-to-end p99 ${ms(chosen.peakEndToEndP99Ms)} where ${ms(one.intent.latencyP99Ms)} are allowed${passedOver}`,
    evidence: [...workloadEvidence(one, current), ...(corrections === 0 ? [] : [correction(corrections)])],
    alternatives: alternativesOf(optimum),
    before: outcomeOf(current),
    predicted: outcomeOf(chosen),
    savingUsdPerMonth: saved,
    costOfChangeUsd: 0,
    assumptions: optimum.assumptions,
    epoch: one.epoch,
  }
}

const correction = (decisions: number): Evidence => ({
  what: 'errors of earlier predictions for this mQ ID',
  value: `${decisions} decisions`,
  from: 'their measured outcomes; limits were tightened by them',
})

export function workloadEvidence(one: IdWorld, current: Candidate): Evidence[] {
  const workload = one.workload!
  const measured = `telemetry of ${Math.round(one.observedMs / 1_000)} s, ${Math.round(one.records)} records`
  const curves = workload.curves.filter(({ source }) => source === 'measured').length
  return [
    {
      what: 'rate',
      value: `${Math.round(workload.recordsPerSecond)} records/s, ${workload.producers} producer${workload.producers === 1 ? '' : 's'}`,
      from: measured,
    },
    { what: 'record', value: `${Math.round(workload.recordBytes)} bytes`, from: measured },
    {
      what: 'batch now',
      value: `${current.prediction.recordsPerBatch.toFixed(1)} records, ${current.prediction.wireBytesPerRecord.toFixed(1)} bytes a record on the wire`,
      from: 'model',
    },
    {
      what: 'codecs',
      value: curves === 0 ? 'ratios of usual JSON events' : `${curves} measured on its own records`,
      from: curves === 0 ? 'assumption' : 'clients, beside the data path',
    },
    {
      what: 'readers',
      value: `${workload.groups.length} group${workload.groups.length === 1 ? '' : 's'}`,
      from: measured,
    },
  ]
}

const ms = (durationMs: number): string => `${Math.round(durationMs)} ms`

/** What the settings of an mQ ID cost and do now, by the model. */
export function standing(one: IdWorld, cluster: ClusterModel): Candidate | undefined {
  return one.workload === null ? undefined : candidateOf(one.workload, one.configuration, cluster)
}
