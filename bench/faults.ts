/**
 * `mq measure faults`: brokers, networks and the control plane fail under load, one scenario after the other, and nothing is lost.
 *
 * F1. Lost, duplicated and reordered come from the checker of the test kit over what the applications wrote down, never from counters
 *     of the system that is measured.
 * F2. The exit code is 1 when a send failed or the checker found anything at all. A recovery that took longer than the scenario allows
 *     is `slow`, and counts only where the machine does nothing else.
 */
import { FaultStage } from './faults/fault-stage.ts'
import { FaultsResult, faultsTable, type ScenarioResult, scenarioResult } from './faults/result.ts'
import { scenariosOf } from './faults/scenarios.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'

const USAGE = `mq measure faults [--scenario all | 1,9,12] [--runs 1] [--json] [--save] [--rate 1000] [--keys 500] [--payload-bytes 200]
  [--date YYYY-MM-DD]`
const flags = readFlags(USAGE, { rate: 1_000, keys: 500, runs: 1 }, { scenario: 'all' })

const say = (text: string): void => console.error(`  ${text}`)
const startedMs = performance.now()

function chosen(): ReturnType<typeof scenariosOf> {
  try {
    return scenariosOf(flags.scenario)
  } catch (error) {
    console.error((error as Error).message)
    process.exit(2)
  }
}

const scenarios = chosen()
const stage = new FaultStage({ rate: flags.rate, keys: flags.keys, payloadBytes: flags.payloadBytes })

async function measure(): Promise<FaultsResult> {
  await stage.start()
  const results: ScenarioResult[] = []
  for (const scenario of scenarios) {
    const runs: Awaited<ReturnType<FaultStage['play']>>[] = []
    for (let run = 1; run <= flags.runs; run++) {
      say(`${scenario.number}: ${scenario.name} (run ${run} of ${flags.runs})`)
      const played = await stage.play(scenario, run)
      for (const { rule, detail } of played.judged.verdict.violations.slice(0, 10)) say(`${rule}: ${detail}`)
      runs.push(played)
    }
    const result = scenarioResult(scenario, runs)
    say(`   ${result.verdict}: ${result.acked} acknowledged, recovery ${result.recoveryMs.max} ms`)
    results.push(result)
  }
  return FaultsResult.parse({
    measure: 'faults',
    scenarios: results,
    options: { messagesPerSecond: flags.rate, payloadBytes: flags.payloadBytes, keys: 2 * flags.keys, producers: 2 },
    machine: machineFacts(stage.kafka.kafka.version, flags.date),
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  })
}

// Whatever ends the measurement, what it started ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stage.failed.reject(new Error(`ended by ${signal}`)))
}
try {
  const result = await Promise.race([measure(), stage.failed.promise])
  publish(result, faultsTable(result), { ...flags, quiet: flags.json })
  if (result.scenarios.some(({ verdict }) => verdict === 'broken')) process.exitCode = 1
} finally {
  await stage.close()
}
