/**
 * What measured configurations cost, and how far the chosen one is from the cheapest.
 *
 * G1. Dollars come from measured bytes, requests and CPU through the price book; predictions play no part in them.
 * G2. The oracle is the cheapest configuration whose measured end-to-end p99 is within the SLO.
 * G3. A measurement repeated counts with the median of each figure.
 */
import { type ClientKnobs, type ClusterModel, type Configuration, measuredCost, sameKnobs } from '@mq/economics'
import { median } from '../statistics.ts'
import type { SharedCpu, TrialFigures } from './sweep.ts'
import type { BenchWorkload } from './workloads.ts'

/** One configuration as it was measured once. */
export interface Sample {
  readonly knobs: ClientKnobs
  readonly usdPerMonth: number
  readonly wireBytesPerRecord: number
  readonly recordsPerBatch: number
  readonly produceRequestsPerSecond: number
  readonly fetchRequestsPerSecond: number
  readonly producerCpuUsPerRecord: number
  readonly consumerCpuUsPerRecord: number
  readonly brokerCpuUsPerRecord: number
  readonly sendP99Ms: number
  readonly endToEndP99Ms: number
  readonly samples: number
}

export interface SampleInput {
  readonly workload: BenchWorkload
  /** Brokers are bought for it, in predictions and here. */
  readonly peakMultiple: number
  readonly cluster: ClusterModel
  /** Everything but the knobs. */
  readonly place: Omit<Configuration, keyof ClientKnobs>
  readonly knobs: ClientKnobs
  readonly figures: TrialFigures
  /** Which of the trial's consumers. */
  readonly reader: number
  readonly cpu: SharedCpu
  /** Over the window, without the replay itself. */
  readonly producerCpuUs: number
  /** What a follower spends on a KiB; nobody follows on one broker. */
  readonly followerUsPerKib: number
}

export function sampleOf(input: SampleInput): Sample {
  const { figures, reader, cpu, place, knobs, cluster, workload, producerCpuUs } = input
  const { sent } = figures
  const heard = figures.heard[reader]!
  const configuration: Configuration = { ...place, ...knobs }
  const followers = (place.replication - 1) * input.followerUsPerKib * (sent.wireBytes / 1_024)
  const consumerCpuUs = cpu.readerUs[reader]!
  const brokerCpuUs = cpu.brokerProduceUs + cpu.brokerFetchUs[reader]! + followers
  const cost = measuredCost(
    {
      windowMs: sent.windowMs,
      records: sent.records,
      wireBytes: sent.wireBytes,
      uncompressedBytes: sent.uncompressedBytes,
      produceRequests: sent.requests,
      fetchRequests: heard.fetchRequests,
      producerCpuUs,
      consumerCpuUs,
      brokerCpuUs,
      groups: 1,
      recordsPerSecond: workload.messagesPerSecond,
      peakMultiple: input.peakMultiple,
    },
    configuration,
    cluster,
  )
  return {
    knobs,
    usdPerMonth: cost.usdPerMonth,
    wireBytesPerRecord: sent.wireBytes / sent.records,
    recordsPerBatch: sent.records / sent.batches,
    produceRequestsPerSecond: (sent.requests / sent.windowMs) * 1_000,
    fetchRequestsPerSecond: (heard.fetchRequests / heard.windowMs) * 1_000,
    producerCpuUsPerRecord: producerCpuUs / sent.records,
    consumerCpuUsPerRecord: consumerCpuUs / sent.records,
    brokerCpuUsPerRecord: brokerCpuUs / sent.records,
    sendP99Ms: sent.sendP99Ms,
    endToEndP99Ms: heard.endToEndP99Ms,
    samples: heard.samples,
  }
}

/** G3 */
export function merged(samples: readonly Sample[]): Sample {
  const [first] = samples
  if (first === undefined) throw new Error('nothing was measured')
  const middle = (of: (sample: Sample) => number): number => median(samples.map(of))
  return {
    knobs: first.knobs,
    usdPerMonth: middle((one) => one.usdPerMonth),
    wireBytesPerRecord: middle((one) => one.wireBytesPerRecord),
    recordsPerBatch: middle((one) => one.recordsPerBatch),
    produceRequestsPerSecond: middle((one) => one.produceRequestsPerSecond),
    fetchRequestsPerSecond: middle((one) => one.fetchRequestsPerSecond),
    producerCpuUsPerRecord: middle((one) => one.producerCpuUsPerRecord),
    consumerCpuUsPerRecord: middle((one) => one.consumerCpuUsPerRecord),
    brokerCpuUsPerRecord: middle((one) => one.brokerCpuUsPerRecord),
    sendP99Ms: middle((one) => one.sendP99Ms),
    endToEndP99Ms: middle((one) => one.endToEndP99Ms),
    samples: samples.reduce((sum, one) => sum + one.samples, 0),
  }
}

export function sampleFor(samples: readonly Sample[], knobs: ClientKnobs): Sample {
  const found = samples.find((one) => sameKnobs(one.knobs, knobs))
  if (found === undefined) throw new Error(`not measured: ${JSON.stringify(knobs)}`)
  return found
}

/** G2. When nothing meets the SLO the one nearest to it, and `met` is false. */
export function oracleOf(
  samples: readonly Sample[],
  latencyP99Ms: number,
): { readonly sample: Sample; readonly met: boolean } {
  const within = samples.filter((one) => one.endToEndP99Ms <= latencyP99Ms)
  if (within.length > 0) {
    return { sample: within.reduce((best, one) => (one.usdPerMonth < best.usdPerMonth ? one : best)), met: true }
  }
  const [first, ...others] = samples
  if (first === undefined) throw new Error('nothing was measured')
  return {
    sample: others.reduce((best, one) => (one.endToEndP99Ms < best.endToEndP99Ms ? one : best), first),
    met: false,
  }
}

/** |predicted / measured - 1| */
export function errorOf(predicted: number, measured: number): number {
  return measured === 0 ? Math.abs(predicted) : Math.abs(predicted / measured - 1)
}
