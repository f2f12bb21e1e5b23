/** What the options of `mq tail` mean for a reading. */
import type { LogStart, PlannedPartition, ReadOptions } from '@mq/client'
import type { TargetFlags } from './contexts.ts'
import { plural } from './units.ts'

export interface TailFlags extends TargetFlags {
  readonly output: 'text' | 'table' | 'json'
  readonly group?: string
  readonly take?: boolean
  readonly force?: boolean
  readonly from: 'earliest' | 'latest'
  readonly since?: number
  readonly partition?: number
  readonly offset?: number
  readonly epoch?: number
  readonly format?: string
  readonly limit?: number
  readonly exitAtEnd?: boolean
}

export const CLOSE_MS = 5_000

export function readOptions(flags: TailFlags, signal: AbortSignal): ReadOptions {
  return {
    from: startOf(flags),
    untilEnd: flags.exitAtEnd === true,
    signal,
    ...(flags.partition === undefined ? {} : { partition: flags.partition }),
    ...(flags.epoch === undefined ? {} : { epoch: flags.epoch }),
  }
}

function startOf({ group, from, since, offset }: TailFlags): LogStart {
  if (offset !== undefined) return { offset: BigInt(offset) }
  if (since !== undefined) return { timestampMs: since }
  return group === undefined ? from : { group, otherwise: from }
}

export function tellOfTransactions(partitions: readonly PlannedPartition[], tell: (text: string) => void): void {
  for (const { epoch, partition, end, behindTransaction } of partitions) {
    if (behindTransaction === 0n) continue
    tell(
      `Partition ${partition} of epoch ${epoch} is read up to offset ${end}: a transaction there is still open, and ${plural(Number(behindTransaction), 'record')} after it cannot be read yet.`,
    )
  }
}
