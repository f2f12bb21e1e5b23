/**
 * What one process read for one group under one set of settings in the window of one report.
 *
 * Q1. Only what a client says of its settings makes a window: reports of older clients count for their group, and for no comparison.
 */
import type { ConsumerTelemetry, TelemetryReport } from '@mq/contract'
import { Sketch } from './sketch.ts'

export interface ReaderWindow {
  /** As `binding.trial.instances` names it. */
  readonly instance: string
  readonly app: string
  readonly group: string
  readonly epoch: number
  /** By the clock of the control plane: of one report, as long as that report's window. */
  readonly windowStartMs: number
  readonly windowMs: number
  /** How long in this window these settings were in force. */
  readonly activeMs: number
  readonly records: number
  readonly recordBytes: number
  readonly batches: number
  readonly fetchRequests: number
  readonly wireBytes: number
  readonly uncompressedBytes: number
  readonly handlerErrors: number
  readonly redeliveries: number
  readonly rebalances: number
  /** Null while it is unknown, and of settings that were not in force any more when the window ended. */
  readonly lagRecords: number | null
  readonly endToEnd: Sketch
  /** The decision whose trial these settings were, null for the settings of the binding. */
  readonly trial: number | null
  readonly settings: { readonly fetchMinBytes: number; readonly fetchMaxWaitMs: number }
}

/** Undefined for a client that does not tell its settings (Q1). */
export function readerWindowOf(
  report: TelemetryReport,
  one: ConsumerTelemetry,
  nowMs: number,
): ReaderWindow | undefined {
  const { activeMs, fetchMinBytes, fetchMaxWaitMs, fetchRequests } = one
  if (
    activeMs === undefined ||
    fetchMinBytes === undefined ||
    fetchMaxWaitMs === undefined ||
    fetchRequests === undefined
  ) {
    return undefined
  }
  const encoded = one.endToEndLatencyUs
  return {
    instance: report.instance,
    app: report.app,
    group: one.group,
    epoch: one.epoch,
    windowStartMs: nowMs - report.windowMs,
    windowMs: report.windowMs,
    activeMs: Math.min(activeMs, report.windowMs),
    records: one.records,
    recordBytes: one.recordBytes,
    batches: one.batches ?? 0,
    fetchRequests,
    wireBytes: one.wireBytes,
    uncompressedBytes: one.uncompressedBytes ?? 0,
    handlerErrors: one.handlerErrors,
    redeliveries: one.redeliveries,
    rebalances: one.rebalances,
    lagRecords: one.lagRecords,
    // Decoded when somebody looks, as of those that send.
    get endToEnd(): Sketch {
      return Sketch.decode(encoded)
    },
    trial: one.trial ?? null,
    settings: { fetchMinBytes, fetchMaxWaitMs },
  }
}

/** What is kept apart of one mQ ID: a process may read for several groups. */
export const readerKey = ({ group, instance }: Pick<ReaderWindow, 'group' | 'instance'>): string =>
  `${group} ${instance}`
