/**
 * `mq measure scan-truth`: how near `mq scan` comes to the truth, on a cluster whose truth is known.
 *
 * Z1. The generator (scan-truth/topics.ts) makes topics with odd times, bursts, young ones, compaction, large batches, transactions; it
 *     goes on writing while the scan looks. The truth is reckoned by hand from what it does (scan-truth/price.ts).
 * Z2. The scan is the one of `mq scan`: it knows nothing but the cluster.
 */

import { KAFKA_VERSION } from '@mq/local'
import { z } from 'zod'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { Machine } from './results.ts'
import { run } from './scan-truth/run.ts'

const USAGE = `mq measure scan-truth [--json] [--save] [--topics 60] [--watch-seconds 20] [--date YYYY-MM-DD]`

const ScanTruthResult = z.object({
  measure: z.literal('scan-truth'),
  machine: Machine,
  topics: z.number().int(),
  watchSeconds: z.number().int(),
  right: z.number().int().describe('Within 10 % of the truth, or a range that holds it'),
  ranges: z.number().int().describe('Of those, said as a range'),
  sumOffPercent: z.number().describe('Sum of all topics against the truth'),
  knownOffPercent: z.number().describe('Sum of those that are no range against theirs'),
  rangeHolds: z.boolean().describe('Whether the range of the sum holds the truth'),
  harmful: z.array(z.string()),
  wrong: z.array(z.string()),
})

const flags = readFlags(USAGE, { topics: 60, 'watch-seconds': 20 })
const verdict = await run({
  topics: flags.topics,
  watchMs: flags['watch-seconds'] * 1_000,
  say: (text) => console.error(text),
})
const usd = (amount: number | null): string => (amount === null ? '?' : `$${amount.toFixed(4)}`)
const percent = (share: number): number => Number((share * 100).toFixed(2))
const result = ScanTruthResult.parse({
  measure: 'scan-truth',
  machine: machineFacts(KAFKA_VERSION, flags.date),
  topics: verdict.topics.length,
  watchSeconds: flags['watch-seconds'],
  right: verdict.topics.filter(({ right }) => right).length,
  ranges: verdict.topics.filter(({ right, isRange }) => right && isRange).length,
  sumOffPercent: percent(verdict.sumOff),
  knownOffPercent: percent(verdict.knownOff),
  rangeHolds: verdict.rangeHolds,
  harmful: verdict.harmful,
  wrong: verdict.topics.filter(({ right }) => !right).map(({ topic }) => topic),
})
const rows = verdict.topics.map(
  ({ topic, truthUsd, saidUsd, fromUsd, toUsd, isRange, right }) =>
    `${right ? '  ' : '! '}${topic.padEnd(30)} truth ${usd(truthUsd).padStart(9)}  said ${usd(saidUsd).padStart(9)}${isRange ? `  (${usd(fromUsd)} to ${usd(toUsd)})` : ''}`,
)
publish(
  result,
  [
    ...rows,
    `${result.right} of ${result.topics} topics right (${result.ranges} as a range); sum ${usd(verdict.saidUsd)} against ${usd(verdict.truthUsd)}, off by ${result.sumOffPercent} %; of those known well by ${result.knownOffPercent} %; ${result.harmful.length} harmful proposals`,
    ...result.harmful.map((text) => `! ${text}`),
  ].join('\n'),
  flags,
)
if (result.right < result.topics || result.sumOffPercent > 5 || result.harmful.length > 0) process.exitCode = 1
