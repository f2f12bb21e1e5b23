/** The shape of what `mq measure against` prints with `--json`, and its table for people. */
import { z } from 'zod'
import { Machine } from '../results.ts'
import { table } from '../tables.ts'
import { LOADS } from './loads.ts'
import { TIMES } from './programs.ts'

const positive = z.number().positive()
const total = z.number().int().min(0)
const Ratio = z
  .object({ median: positive, low: positive, high: positive })
  .describe('This over the other: the median over pairs, and its 95 % interval from six pairs on')
const AgainstSide = z.object({ messagesPerSecond: positive, cpuUsPerMessage: positive })

export const AgainstResult = z.object({
  measure: z.literal('against'),
  machine: Machine,
  options: z.object({
    rev: z.string(),
    commit: z.string(),
    ofThis: z.string().describe('The commit of this clone; what is not committed is measured, too'),
    pairs: total,
    messages: total,
    partitions: total,
    payloadBytes: total,
    propagationPairs: total,
    migrationPairs: total,
    sameLibraries: z
      .boolean()
      .describe('Whether both commits name the same libraries; they run with those of this clone'),
  }),
  results: z.array(
    z.object({
      kind: z.enum(LOADS),
      this: AgainstSide,
      other: AgainstSide,
      throughputRatio: Ratio,
      cpuRatio: Ratio.describe('CPU for a message, the same comparison'),
    }),
  ),
  times: z.array(
    z.object({ kind: z.enum(TIMES), what: z.string(), thisMs: positive, otherMs: positive, ratio: Ratio }),
  ),
  failures: z.array(z.object({ kind: z.enum([...LOADS, ...TIMES]), reason: z.string() })),
  seconds: total,
})
export type AgainstResult = z.output<typeof AgainstResult>

export function againstTable(result: AgainstResult): string {
  const { machine, options, results, times, failures } = result
  const spread = ({ median, low, high }: { median: number; low: number; high: number }): string[] => [
    `${median}x`,
    `${low} to ${high}`,
  ]
  const loads = results.flatMap(({ kind, this: own, other, throughputRatio, cpuRatio }) => [
    [
      `${kind}, messages/s`,
      own.messagesPerSecond.toLocaleString('en'),
      other.messagesPerSecond.toLocaleString('en'),
      ...spread(throughputRatio),
    ],
    [`${kind}, CPU us/message`, String(own.cpuUsPerMessage), String(other.cpuUsPerMessage), ...spread(cpuRatio)],
  ])
  const rows = times.map(({ what, thisMs, otherMs, ratio }) => [
    `${what}, ms`,
    String(thisMs),
    String(otherMs),
    ...spread(ratio),
  ])
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `This clone (${options.ofThis.slice(0, 7)}) beside ${options.rev} (${options.commit.slice(0, 7)}) in turns: ${options.pairs} pairs of runs, ${options.propagationPairs} of propagation, ${options.migrationPairs} of migration; medians; took ${result.seconds} s`,
    '',
    table(['', 'this', 'other', 'ratio', 'interval'], [...loads, ...rows]),
    ...failures.map(({ kind, reason }) => `${kind} was not measured: ${reason}`),
  ].join('\n')
}
