/** What `mq measure faults` prints: a row for each scenario, and what its words mean. */
import { z } from 'zod'
import { Machine } from '../results.ts'
import { percentiles } from '../statistics.ts'
import { count, table } from '../tables.ts'
import type { PlayedRun } from './fault-stage.ts'
import type { Scenario } from './scenario.ts'

const total = z.number().int().min(0)
const Times = z.object({ p50: z.number().min(0), p99: z.number().min(0), max: z.number().min(0) })

export const FaultsResult = z.object({
  measure: z.literal('faults'),
  scenarios: z
    .array(
      z.object({
        scenario: total,
        name: z.string(),
        runs: total.min(1),
        acked: total,
        lost: total,
        duplicated: total,
        reordered: total,
        failedSends: total,
        otherViolations: total.describe('What else the checker looks for'),
        recoveryMs: Times.describe('Of each run the longest time from a send to its acknowledgement'),
        clusterMs: Times.describe('Of that, the time in which the cluster itself could take no records'),
        consumerGapMs: Times.describe('Of each member and run the longest time without a message'),
        verdict: z
          .enum(['ok', 'slow', 'broken'])
          .describe('broken: the checker found something, or a send failed; slow: a run took longer than its limit'),
      }),
    )
    .min(1),
  options: z.object({
    messagesPerSecond: total,
    payloadBytes: total,
    keys: total,
    producers: total,
  }),
  machine: Machine,
  seconds: z.number().min(0),
})
export type FaultsResult = z.output<typeof FaultsResult>
export type ScenarioResult = FaultsResult['scenarios'][number]

export function scenarioResult({ number, name, marginMs }: Scenario, runs: readonly PlayedRun[]): ScenarioResult {
  const slowest = runs.map(({ judged }) => Math.max(...judged.slowestSendsMs))
  const verdicts = runs.map(({ judged }) => judged.verdict)
  const counted = (rules: readonly (keyof (typeof verdicts)[number]['counts'])[]): number =>
    verdicts.reduce((sum, { counts }) => sum + rules.reduce((all, rule) => all + counts[rule], 0), 0)
  const found = {
    acked: verdicts.reduce((sum, { acked }) => sum + acked, 0),
    lost: counted(['lost']),
    duplicated: counted(['duplicated']),
    reordered: counted(['reordered']),
    failedSends: verdicts.reduce((sum, { sent, acked }) => sum + sent - acked, 0),
    otherViolations: counted(['ghost', 'inconsistent-offset', 'seal', 'gate']),
  }
  const { lost, duplicated, reordered, failedSends, otherViolations } = found
  const isBroken = lost + duplicated + reordered + failedSends + otherViolations > 0
  const isSlow = runs.some(({ clusterMs }, run) => slowest[run]! > clusterMs + marginMs)
  return {
    scenario: number,
    name,
    runs: runs.length,
    ...found,
    recoveryMs: percentiles(slowest),
    clusterMs: percentiles(runs.map(({ clusterMs }) => clusterMs)),
    consumerGapMs: percentiles(runs.flatMap(({ judged }) => judged.consumerGapsMs)),
    verdict: isBroken ? 'broken' : isSlow ? 'slow' : 'ok',
  }
}

export function faultsTable({ machine, options, scenarios }: FaultsResult): string {
  return [
    `${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, Kafka ${machine.kafka}, ${machine.date}, load at start ${machine.loadAverage}`,
    `three brokers, ${count(options.messagesPerSecond)} messages/s of ${options.payloadBytes} bytes by ${options.producers} producers, ${count(options.keys)} keys`,
    '',
    table(
      ['', 'fault', 'runs', 'acked', 'lost', 'twice', 'reordered', 'failed', 'cluster ms', 'recovery ms', 'verdict'],
      scenarios.map((one) => [
        String(one.scenario),
        one.name,
        ...[one.runs, one.acked, one.lost, one.duplicated, one.reordered, one.failedSends].map(String),
        one.clusterMs.max.toFixed(0),
        one.recoveryMs.max.toFixed(0),
        one.verdict,
      ]),
    ),
    '',
    'cluster: how long the cluster itself could take no records; recovery: the longest time from a send to its acknowledgement; each the longest of the runs',
  ].join('\n')
}
