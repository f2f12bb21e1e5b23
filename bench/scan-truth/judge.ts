/**
 * A scan held against the truth of the generator.
 *
 * J1. A topic is right when its amount is within 10 % of the truth, or when it is said as a range and the range holds the truth.
 * J2. The sum is that of the amounts as they are shown, against the sum of the truths.
 * J3. A proposal is harmful when it would delete what is still written, keep less than a group still has to read, write a codec that a
 *     reader cannot read, or promise `high` confidence on a rate that is only a range.
 */
import type { ScannedSaving, ScanReport } from '@mq/control-plane'
import { truthBill } from './price.ts'
import { DAY_MS, HOUR_MS, type Kind, type TruthTopic } from './topics.ts'

export const MOST_OFF = 0.1

export interface Judged {
  readonly topic: string
  readonly kind: Kind
  readonly truthUsd: number
  readonly saidUsd: number | null
  readonly fromUsd: number | null
  readonly toUsd: number | null
  readonly isRange: boolean
  readonly off: number | null
  readonly right: boolean
}

export interface Verdict {
  readonly topics: readonly Judged[]
  readonly truthUsd: number
  readonly saidUsd: number
  readonly sumOff: number
  readonly knownOff: number
  readonly rangeHolds: boolean
  readonly harmful: readonly string[]
}

export function judge(report: ScanReport, truths: readonly TruthTopic[]): Verdict {
  const found = new Map(report.topics.map((topic) => [topic.topic, topic]))
  const topics = truths.map((truth): Judged => {
    const said = found.get(truth.name)
    const truthUsd = truthBill(truth, said?.storedBytes ?? 0).usd
    const saidUsd = said?.usdPerMonth ?? null
    const [fromUsd, toUsd] = [said?.fromUsdPerMonth ?? null, said?.toUsdPerMonth ?? null]
    const isRange = fromUsd !== toUsd
    const off = saidUsd === null ? null : truthUsd === 0 ? saidUsd : Math.abs(saidUsd - truthUsd) / truthUsd
    const holds = fromUsd !== null && toUsd !== null && fromUsd <= truthUsd && truthUsd <= toUsd
    const right = (off !== null && off <= MOST_OFF) || (isRange && holds)
    return { topic: truth.name, kind: truth.kind, truthUsd, saidUsd, fromUsd, toUsd, isRange, off, right }
  })
  const sum = (of: (one: Judged) => number): number => topics.reduce((total, one) => total + of(one), 0)
  const truthUsd = sum((one) => one.truthUsd)
  const saidUsd = sum((one) => one.saidUsd ?? 0)
  const known = topics.filter(({ isRange }) => !isRange)
  const knownTruth = known.reduce((total, one) => total + one.truthUsd, 0)
  const knownSaid = known.reduce((total, one) => total + (one.saidUsd ?? 0), 0)
  return {
    topics,
    truthUsd,
    saidUsd,
    sumOff: Math.abs(saidUsd - truthUsd) / truthUsd,
    knownOff: knownTruth === 0 ? 0 : Math.abs(knownSaid - knownTruth) / knownTruth,
    rangeHolds: sum((one) => one.fromUsd ?? 0) <= truthUsd && truthUsd <= sum((one) => one.toUsd ?? 0),
    harmful: report.savings.flatMap((saving) => harmOf(saving, truths, topics) ?? []),
  }
}

/** J3 */
function harmOf(saving: ScannedSaving, truths: readonly TruthTopic[], topics: readonly Judged[]): string | undefined {
  const truth = truths.find(({ name }) => name === saving.topic)
  const judged = topics.find(({ topic }) => topic === saving.topic)
  const text = `${saving.topic ?? 'the cluster'}: ${saving.kind}, ${saving.change} (${saving.confidence})`
  if (truth === undefined || judged === undefined) return undefined
  if (truth.byKafkajs && /zstd|lz4|snappy/.test(saving.change)) return text
  if (saving.kind === 'idle-topic' && truth.recordsPerSecond > 0) return text
  // The groups of the generator stand at the beginning of what was written.
  const keptDays = Number(/^retention (\d+) days/.exec(saving.change)?.[1] ?? 0)
  if (saving.kind === 'retention' && truth.isRead && keptDays * DAY_MS < truth.pastHours * HOUR_MS) return text
  return saving.confidence === 'high' && judged.isRange ? text : undefined
}
