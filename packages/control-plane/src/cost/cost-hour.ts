/**
 * What one hour, or one day, of one cluster cost, by who caused it.
 */
import type { Meter } from '@mq/economics'

export const HOUR_MS = 3_600_000
export const DAY_MS = 86_400_000

/**
 * `own`: what it causes; `reading`: what its readers cause; `idle`: its share of brokers that no topic needs; `foreign`,
 * `foreign-idle`: the same of topics mQ does not know; `fees`: nobody's.
 */
export type LineKind = 'own' | 'reading' | 'idle' | 'foreign' | 'foreign-idle' | 'fees'

export interface RecordedLine {
  /** Empty for what no mQ ID caused. */
  readonly id: string
  /** Empty where nobody said. */
  readonly team: string
  readonly service: string
  readonly meter: Meter | 'not-modelled'
  readonly kind: LineKind
  readonly usd: number
}

export interface CostHour {
  readonly cluster: string
  readonly startMs: number
  readonly resolutionMs: number
  readonly priceBook: string
  readonly priceVersion: string
  readonly watchedMs: number
  readonly modelledUsd: number
  readonly billedUsd: number
  readonly lines: readonly RecordedLine[]
}

export function startOf(ms: number, resolutionMs: number): number {
  return Math.floor(ms / resolutionMs) * resolutionMs
}
