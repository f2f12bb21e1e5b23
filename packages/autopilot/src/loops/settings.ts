/**
 * Settings as the tuning loop tries and proposes them: the grids, what was tried already, and the words of a proposal. Pure.
 */
import type { Choice, Evidence, Knob, ProducerSettings } from '@mq/contract'
import { type Candidate, type ClusterModel, candidateOf, GRID, type Grid, type Optimum } from '@mq/economics'
import { percent } from '../format.ts'
import { alternativesOf, codecText, type Proposal, predictedOutcome, usd } from '../proposal.ts'
import type { IdWorld, World } from '../world.ts'

const KIB = 1_024
/** Room that is left below the promise of the intent: models and clocks are not exact. */
export const LATENCY_MARGIN = 0.8

/** What stops a trial lies between what is chosen and what is promised: windows differ, and what was just chosen must not fail by that. */
const GUARD_MARGIN = 0.9
/** A send gets at least this long: under it clocks and timers decide. */
const LEAST_SEND_MS = 5

/** What sending may take on trial and after: the promise of the intent, with room, less what reading takes anyway; and what was asked of sends. */
export function sendLimitMs({ intent, readingP99Ms }: Pick<IdWorld, 'intent' | 'readingP99Ms'>): number {
  const allowed = intent.latencyP99Ms * GUARD_MARGIN
  // Readers that are slow by themselves must not leave sending without any time.
  const reading = Math.min(readingP99Ms ?? 0, allowed / 2)
  return Math.max(LEAST_SEND_MS, Math.min(allowed - reading, intent.acknowledgedWithinMs ?? Number.POSITIVE_INFINITY))
}

/**
 * What the model may predict end to end, so that sending keeps its limit with the room that the intent has: readers may really take longer
 * than the model thinks.
 */
export function promisedMs(one: Pick<IdWorld, 'intent' | 'readingP99Ms'>, { prediction }: Candidate): number {
  const modelled = Math.max(0, prediction.endToEndP99Ms - prediction.sendP99Ms)
  return Math.min(
    one.intent.latencyP99Ms * LATENCY_MARGIN,
    (sendLimitMs(one) * LATENCY_MARGIN) / GUARD_MARGIN + modelled,
  )
}

/** Why a proposal is made, in its own words. */
export interface Motive {
  /** Of each setting that changes. */
  readonly reason: string
  readonly why: string
  readonly corrections: number
  readonly repair: Proposal['repair']
}

export function producerGrid({ producer, largestBatchBytes, configuration }: IdWorld): Grid {
  const { fetchMinBytes, fetchMaxWaitMs } = configuration
  const codecs = [...GRID.codecs, { codec: producer.codec, codecLevel: producer.codecLevel ?? null }]
  return {
    ...GRID,
    codecs: codecs.filter(
      (one, index) =>
        codecs.findIndex((other) => other.codec === one.codec && other.codecLevel === one.codecLevel) === index,
    ),
    lingerMs: distinct([...GRID.lingerMs, producer.lingerMs]),
    batchBytes: distinct([...GRID.batchBytes, producer.batchBytes]).filter((bytes) => bytes <= largestBatchBytes),
    fetches: [{ fetchMinBytes, fetchMaxWaitMs }],
  }
}

export function consumerGrid({ configuration }: IdWorld): Grid {
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
export function triedLately({ nowMs, times }: World, one: IdWorld): Set<string> {
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

export const settingsKey = (settings: object): string =>
  JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)))

export function producerOf(standing: ProducerSettings, { configuration }: Candidate): ProducerSettings {
  const { codecLevel: _level, ...rest } = standing
  const { codec, codecLevel, lingerMs, batchBytes } = configuration
  return { ...rest, codec, lingerMs, batchBytes, ...(codecLevel === null ? {} : { codecLevel }) }
}

export function consumerOf(one: IdWorld, { configuration }: Candidate): IdWorld['consumer'] {
  const { fetchMinBytes, fetchMaxWaitMs } = configuration
  return { ...one.consumer, fetchMinBytes, fetchMaxWaitMs }
}

export function producerProposal(one: IdWorld, optimum: Optimum, chosen: Candidate, motive: Motive): Proposal {
  const { reason } = motive
  const before = one.producer
  const after = producerOf(before, chosen)
  const changes: { knob: Knob; choice: Choice; text: string }[] = []
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
    ...common(one, optimum, chosen, motive),
    triedOn: 'producers',
    title: changes.map(({ text }) => text).join(', '),
    change: { kind: 'producer-settings', before, after },
    choices: changes.map(({ choice }) => choice),
    knobs: changes.map(({ knob }) => knob),
  }
}

export function consumerProposal(one: IdWorld, optimum: Optimum, chosen: Candidate, motive: Motive): Proposal {
  const { reason } = motive
  const before = one.consumer
  const after = consumerOf(one, chosen)
  return {
    ...common(one, optimum, chosen, motive),
    title: `fetch ${before.fetchMinBytes} bytes or ${before.fetchMaxWaitMs} ms -> ${after.fetchMinBytes} bytes or ${after.fetchMaxWaitMs} ms`,
    change: { kind: 'consumer-settings', before, after },
    choices: [
      { setting: 'consumer.fetchMinBytes', value: `${after.fetchMinBytes} bytes`, reason },
      { setting: 'consumer.fetchMaxWaitMs', value: `${after.fetchMaxWaitMs} ms`, reason },
    ],
    knobs: ['fetch'],
    triedOn: 'readers',
  }
}

function common(
  one: IdWorld,
  optimum: Optimum,
  chosen: Candidate,
  { why, corrections, repair }: Motive,
): Omit<Proposal, 'title' | 'change' | 'choices' | 'knobs' | 'triedOn'> {
  const { current } = optimum
  return {
    mqId: one.id,
    loop: 'tuning',
    why,
    evidence: [...workloadEvidence(one, current), ...(corrections === 0 ? [] : [correction(corrections)])],
    alternatives: alternativesOf(optimum),
    before: predictedOutcome(current),
    predicted: predictedOutcome(chosen),
    savingUsdPerMonth: current.cost.usdPerMonth - chosen.cost.usdPerMonth,
    costOfChangeUsd: 0,
    assumptions: optimum.assumptions,
    repair,
    epoch: one.epoch,
  }
}

/** Why a cheaper one is proposed. */
export function savingMotive(
  one: IdWorld,
  optimum: Optimum,
  chosen: Candidate,
  what: string,
  corrections: number,
): Motive {
  const { current, best, evaluated } = optimum
  const share = 1 - chosen.cost.usdPerMonth / current.cost.usdPerMonth
  const passedOver = chosen === best ? '' : '; the very cheapest was tried and undone lately'
  return {
    reason: `cheapest of ${evaluated} ${what} within the intent`,
    why: `predicted ${usd(chosen.cost.usdPerMonth)} a month instead of ${usd(current.cost.usdPerMonth)} (${percent(share)} less), end-to-end p99 ${ms(chosen.peakEndToEndP99Ms)} where ${ms(one.intent.latencyP99Ms)} are allowed${passedOver}`,
    corrections,
    repair: null,
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

export const ms = (durationMs: number): string => `${Math.round(durationMs)} ms`

/** What the settings of an mQ ID cost and do now, by the model. */
export function standing(one: IdWorld, cluster: ClusterModel): Candidate | undefined {
  return one.workload === null ? undefined : candidateOf(one.workload, one.configuration, cluster)
}
