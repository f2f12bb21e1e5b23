/**
 * Workload twins: what was asked, how far each is and what came of it.
 *
 * W1. Numbers rise by one and are never reused.
 */
import type { Twin } from '@mq/contract'
import type { TwinRecord } from '../../twin/twin-record.ts'

export interface TwinReader {
  find(number: number): Promise<TwinRecord | undefined>
  /** Newest first, of those numbered below `below`. */
  list(filter: {
    readonly mqId?: string | undefined
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<TwinRecord[]>
  /** Those that are not over. */
  open(): Promise<TwinRecord[]>
}

export interface TwinRepository extends TwinReader {
  /** Gives it a number (W1). */
  add(draft: Omit<Twin, 'number'>): Promise<TwinRecord>
  save(record: TwinRecord): Promise<void>
}
