/**
 * Measured configurations in the order of what they give for a dollar.
 *
 * A1. Those that meet the intent come first, the cheapest of them leading; a missed intent is never made up for by a price.
 * A2. Dollars come from measured bytes and requests; what a process beside the real one cannot measure (CPU of brokers and of
 *     request handling) is modelled, the same way for all.
 */

import { predictedOutcome } from '@mq/autopilot'
import type { Intent, Outcome, TwinRank } from '@mq/contract'
import {
  type ClientKnobs,
  type ClusterModel,
  type Configuration,
  candidateOf,
  measuredCost,
  sameKnobs,
  type Workload,
} from '@mq/economics'
import type { HeardFigures } from './listener.ts'
import type { SentFigures } from './replay.ts'

export interface MeasuredConfiguration {
  readonly configuration: Configuration
  readonly sent: SentFigures
  readonly heard: HeardFigures
}

export interface RankingInput {
  readonly workload: Workload
  readonly intent: Pick<Intent, 'latencyP99Ms'>
  readonly cluster: ClusterModel
  readonly current: Configuration
  readonly measured: readonly MeasuredConfiguration[]
}

export function rank(input: RankingInput): TwinRank[] {
  const { workload, intent, cluster, current, measured } = input
  return measured
    .map(({ configuration, sent, heard }) => {
      const outcome = measuredOutcome(workload, configuration, cluster, sent, heard)
      return {
        settings: settingsOf(configuration),
        isCurrent: sameKnobs(configuration, current),
        meetsIntent: heard.endToEndP99Ms <= intent.latencyP99Ms,
        predicted: predictedOutcome(candidateOf(workload, configuration, cluster)),
        measured: outcome,
        recordsPerUsd: outcome.usdPerMillionRecords === null ? null : 1e6 / outcome.usdPerMillionRecords,
      }
    })
    .toSorted(
      (a, b) =>
        Number(b.meetsIntent) - Number(a.meetsIntent) ||
        (a.measured.usdPerMonth ?? Number.POSITIVE_INFINITY) - (b.measured.usdPerMonth ?? Number.POSITIVE_INFINITY),
    )
    .map((one, index) => ({ rank: index + 1, ...one }))
}

export function settingsOf(knobs: ClientKnobs): TwinRank['settings'] {
  const { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs } = knobs
  return { codec, codecLevel, lingerMs, batchBytes, fetchMinBytes, fetchMaxWaitMs }
}

/** CPU of the sender: what the producer measured, and the handling of batches and requests by the constants (A2). */
export function senderCpuUs(sent: SentFigures, cluster: ClusterModel): number {
  const { batchUs, requestUs } = cluster.constants
  return sent.encodeUs + sent.compressUs + sent.batches * batchUs + sent.requests * requestUs
}

function measuredOutcome(
  workload: Workload,
  configuration: Configuration,
  cluster: ClusterModel,
  sent: SentFigures,
  heard: HeardFigures,
): Outcome {
  const groups = workload.groups.length
  const { decodeUsPerRecord, decodeUsPerByte, requestUs } = cluster.constants
  const perGroupUs =
    sent.records * (decodeUsPerRecord + decodeUsPerByte * workload.framedBytes) + heard.fetchRequests * requestUs
  const cost = measuredCost(
    {
      windowMs: sent.windowMs,
      records: sent.records,
      wireBytes: sent.wireBytes,
      uncompressedBytes: sent.uncompressedBytes,
      produceRequests: sent.requests,
      fetchRequests: heard.fetchRequests * groups,
      producerCpuUs: senderCpuUs(sent, cluster),
      consumerCpuUs: perGroupUs * groups,
      groups,
      recordsPerSecond: workload.recordsPerSecond,
      peakMultiple: workload.peakMultiple,
      ...(workload.retainedBytes === null ? {} : { retainedBytes: workload.retainedBytes }),
    },
    configuration,
    cluster,
  )
  return {
    usdPerMonth: cost.usdPerMonth,
    usdPerMillionRecords: cost.usdPerMillionRecords,
    sendP99Ms: sent.sendP99Ms,
    endToEndP99Ms: heard.endToEndP99Ms,
    wireBytesPerRecord: sent.wireBytes / sent.records,
    recordsPerBatch: sent.records / sent.batches,
  }
}
