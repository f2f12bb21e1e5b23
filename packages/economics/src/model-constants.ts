/**
 * The constants of the byte, latency and CPU models: what they are before anything was measured, and where they come from.
 *
 * M1. Defaults are for a cluster in one region with replicas in other zones; `source` says `default` until a calibration replaced them.
 * M2. Broker CPU is priced either by the sizing rule of the reference (what has to be bought for a byte rate) or by calibrated
 *     coefficients (what a request and a byte take). Never a mixture.
 */
import { MqError } from '@mq/contract'

/** M2 */
export type BrokerCpu =
  | {
      readonly kind: 'sizing-rule'
      /** One vCPU carries that much in and that much out at the same time, headroom included. */
      readonly inMibPerSecond: number
      readonly outMibPerSecond: number
    }
  | {
      readonly kind: 'calibrated'
      readonly usPerProduceRequest: number
      readonly usPerFetchRequest: number
      /** For every copy written. */
      readonly usPerByteIn: number
      readonly usPerByteOut: number
      /** The broker decompresses to validate, whatever the codec. */
      readonly usPerDecompressedByte: number
    }

export interface ModelConstants {
  readonly source: 'default' | 'calibrated'
  /** From a small produce request to its answer with acks=all. */
  readonly produceRttMs: number
  readonly produceRttP99Ms: number
  /** What every MB more in a request adds: transmission, append, replication. */
  readonly ackMsPerMb: number
  readonly fetchRttMs: number
  readonly fetchRttP99Ms: number
  /** How late a linger timer fires at most; half of it on average. */
  readonly timerMs: number
  /** CPU of the client: for a record, a byte before compression, a batch and a request. */
  readonly encodeUsPerRecord: number
  readonly encodeUsPerByte: number
  readonly batchUs: number
  readonly requestUs: number
  readonly decodeUsPerRecord: number
  readonly decodeUsPerByte: number
  readonly brokerCpu: BrokerCpu
  /** Reading from a follower waits for its fetch from the leader. */
  readonly followerFetchP99Ms: number
  /** Measured over predicted wire bytes, after this cluster was measured; 1 before. */
  readonly wireBias: number
}

/** M1 */
export const DEFAULT_CONSTANTS: ModelConstants = {
  source: 'default',
  produceRttMs: 3,
  produceRttP99Ms: 10,
  ackMsPerMb: 8,
  fetchRttMs: 1,
  fetchRttP99Ms: 4,
  timerMs: 1,
  encodeUsPerRecord: 1.2,
  encodeUsPerByte: 0.0012,
  batchUs: 12,
  requestUs: 60,
  decodeUsPerRecord: 0.6,
  decodeUsPerByte: 0.0006,
  brokerCpu: { kind: 'sizing-rule', inMibPerSecond: 5, outMibPerSecond: 15 },
  followerFetchP99Ms: 500,
  wireBias: 1,
}

/** The constants, with some replaced by what was measured. */
export function calibrated(base: ModelConstants, measured: Partial<Omit<ModelConstants, 'source'>>): ModelConstants {
  for (const [name, value] of Object.entries(measured)) {
    if (typeof value === 'number' && !(Number.isFinite(value) && value >= 0)) {
      throw new MqError(
        'MQ_WORKLOAD_INVALID',
        `The calibrated constant ${name} is ${value}; it is a number of 0 or more`,
      )
    }
  }
  return { ...base, ...measured, source: 'calibrated' }
}
