/**
 * F9: one cluster's bill, told by who caused it.
 *
 * S1. The lines and the unallocated rest add up to the bill, to the cent.
 * S2. Own transfer, storage and the broker CPU that a topic needs are what it causes; reading, and its transfer, go to the team that
 *     reads. What brokers cost beyond the CPU that all topics need is idle, and shared out 70 % by bytes and 30 % by replicas of
 *     partitions, on lines of its own. Idle is below zero where topics need more than there is.
 * S3. Lines are scaled to the actual bill when there is one; the factor is shown. A bill that the model overstates scales down; one
 *     beyond it leaves a rest that nobody is charged for.
 */
import { MqError } from '@mq/contract'
import type { CostLine } from './cost.ts'
import type { Meter } from './price-book.ts'

export interface ShowbackReader {
  readonly team: string
  /** Share of the bytes read by all groups of this mQ ID. */
  readonly share: number
}

export interface ShowbackItem {
  readonly id: string
  readonly team: string
  readonly service: string | null
  /** The lines of its cost (costOf or measuredCost), scaled to the window. */
  readonly lines: readonly CostLine[]
  readonly wireInBytes: number
  readonly wireOutBytes: number
  readonly replicas: number
  readonly readers: readonly ShowbackReader[]
}

export interface ShowbackInput {
  readonly items: readonly ShowbackItem[]
  /** What the brokers cost in the window, all of it (S2). */
  readonly clusterComputeUsd: number
  /** Topics mQ does not know, and what they cost; part of the rest. */
  readonly foreignUsd: number
  /** What the provider billed for the window, when it is known. */
  readonly actualBillUsd: number | null
  /** What amounts are rounded to; a cent when left out. Records of short windows keep more, and are rounded when they are shown. */
  readonly smallestUsd?: number
}

export interface ShowbackLine {
  readonly id: string
  readonly team: string
  readonly service: string | null
  readonly meter: Meter
  readonly kind: 'own' | 'reading' | 'idle'
  readonly usd: number
}

export interface Showback {
  readonly lines: readonly ShowbackLine[]
  readonly unallocatedUsd: number
  readonly modelledUsd: number
  readonly totalUsd: number
  /** Actual over modelled; 1 without an actual bill. */
  readonly scale: number
}

const COMPUTE_BY_BYTES = 0.7
const CENT = 0.01

export function showback(input: ShowbackInput): Showback {
  check(input)
  const units = Math.round(1 / (input.smallestUsd ?? CENT))
  const idleUsd = input.clusterComputeUsd - input.items.reduce((sum, item) => sum + computeOf(item), 0)
  const shares = idleShares(input.items)
  const raw = input.items.flatMap((item, at) => [...ownLines(item), ...idleLine(item, idleUsd * shares[at]!)])
  const allocated = raw.reduce((sum, line) => sum + line.usd, 0)
  const computeAllocated = raw
    .filter((line) => line.meter === 'broker-compute')
    .reduce((sum, line) => sum + line.usd, 0)
  const modelledUsd = allocated + input.foreignUsd + (input.clusterComputeUsd - computeAllocated)
  const totalUsd = input.actualBillUsd ?? modelledUsd
  const scale = modelledUsd > 0 ? Math.min(1, totalUsd / modelledUsd) : 1
  const lines = rounded(raw, scale, units)
  const shown = lines.reduce((sum, line) => sum + Math.round(line.usd * units), 0)
  return {
    lines,
    unallocatedUsd: (Math.round(totalUsd * units) - shown) / units,
    modelledUsd,
    totalUsd: Math.round(totalUsd * units) / units,
    scale: modelledUsd > 0 ? totalUsd / modelledUsd : 1,
  }
}

function ownLines(item: ShowbackItem): ShowbackLine[] {
  const { id, team, service } = item
  return item.lines
    .filter(({ meter }) => meter !== 'client-compute')
    .flatMap((line): ShowbackLine[] =>
      line.part === 'consume' && item.readers.length > 0
        ? item.readers.map((reader) => ({
            id,
            team: reader.team,
            service: reader.team === team ? service : null,
            meter: line.meter,
            kind: 'reading',
            usd: line.usdPerMonth * reader.share,
          }))
        : [{ id, team, service, meter: line.meter, kind: 'own', usd: line.usdPerMonth }],
    )
}

/** What a topic weighs when idle brokers are shared out. */
export type Weight = Pick<ShowbackItem, 'wireInBytes' | 'wireOutBytes' | 'replicas'>

/** S2: the part of idle brokers that each of them carries; what nothing moves by is nobody's. */
export function idleShares(items: readonly Weight[]): number[] {
  const bytes = items.reduce((sum, each) => sum + bytesOf(each), 0)
  const replicas = items.reduce((sum, each) => sum + each.replicas, 0)
  return items.map((item) => {
    const byBytes = bytes > 0 ? bytesOf(item) / bytes : 0
    const byReplicas = replicas > 0 ? item.replicas / replicas : 0
    return COMPUTE_BY_BYTES * byBytes + (1 - COMPUTE_BY_BYTES) * byReplicas
  })
}

function bytesOf({ wireInBytes, wireOutBytes }: Weight): number {
  return Math.max(wireInBytes, wireOutBytes)
}

function computeOf({ lines }: ShowbackItem): number {
  return lines.reduce((sum, line) => (line.meter === 'broker-compute' ? sum + line.usdPerMonth : sum), 0)
}

function idleLine({ id, team, service }: ShowbackItem, usd: number): ShowbackLine[] {
  return usd === 0 ? [] : [{ id, team, service, meter: 'broker-compute', kind: 'idle', usd }]
}

/** S1: each line in whole units, cents for a bill; what rounding leaves goes to the largest remainders. */
function rounded(lines: readonly ShowbackLine[], scale: number, units: number): ShowbackLine[] {
  const exact = lines.map((line) => line.usd * scale * units)
  const whole = exact.map((cents) => Math.floor(cents + 1e-9))
  let left = Math.round(exact.reduce((sum, cents) => sum + cents, 0)) - whole.reduce((sum, cents) => sum + cents, 0)
  const byRemainder = exact.map((cents, at) => ({ at, rest: cents - whole[at]! })).toSorted((a, b) => b.rest - a.rest)
  for (const { at } of byRemainder) {
    if (left <= 0) break
    whole[at]!++
    left--
  }
  return lines.map((line, at) => ({ ...line, usd: whole[at]! / units }))
}

function check(input: ShowbackInput): void {
  const refuse = (what: string): never => {
    throw new MqError('MQ_PRICE_INVALID', `The showback cannot be computed: ${what}`)
  }
  const money: readonly (readonly [string, number])[] = [
    ['the cost of brokers', input.clusterComputeUsd],
    ['the cost of foreign topics', input.foreignUsd],
    ['the actual bill', input.actualBillUsd ?? 0],
  ]
  for (const [what, usd] of money) {
    if (!Number.isFinite(usd) || usd < 0) refuse(`${what} is ${usd} USD`)
  }
  for (const { id, readers } of input.items) {
    const share = readers.reduce((sum, reader) => sum + reader.share, 0)
    if (readers.length > 0 && Math.abs(share - 1) > 1e-6)
      refuse(`the shares of the readers of ${id} add up to ${share}`)
  }
}
