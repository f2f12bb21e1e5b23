/**
 * `mq measure upgrade`: three brokers are rolled from version to version under load, while new clients come every second.
 *
 * U1. Lost, duplicated and reordered come from the checker of the test kit over what the applications wrote down, never from
 *     counters of the system that is measured.
 * U2. Everything that sends or reads runs in processes of its own and knows nothing of the upgrade.
 * U3. The exit code is 1 when a send failed, a new client could not send or read, or the checker found anything at all.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type LocalCluster, startCluster } from '@mq/local'
import { declare } from './declare.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { App } from './migration/apps.ts'
import type { ConsumerJob, ProducerJob } from './migration/job.ts'
import { judge } from './migration/judge.ts'
import { publish } from './publish.ts'
import { UpgradeResult } from './results.ts'
import { percentiles, round } from './statistics.ts'
import { upgradeTable } from './tables.ts'
import { type RollStep, roll } from './upgrade/roll.ts'
import type { VisitorsJob, VisitorsProgress } from './upgrade/visitors.ts'

const USAGE = `mq measure upgrade [--versions 3.9.2,4.3.1,4.4.0] [--json] [--save] [--rate 1000] [--partitions 6] [--keys 500]
  [--payload-bytes 200] [--client-every-ms 1000] [--pause-ms 3000] [--date YYYY-MM-DD]`
const flags = readFlags(
  USAGE,
  { rate: 1_000, keys: 500, 'client-every-ms': 1_000, 'pause-ms': 3_000 },
  { versions: '3.9.2,4.3.1,4.4.0' },
)
const [first = '', ...next] = flags.versions.split(',')

const MQ_ID = 'bench.rolled'
const ECHO_ID = 'bench.echo'
const PRODUCERS = ['p0', 'p1'] as const
const MEMBERS = ['live-0', 'live-1'] as const
const GROUP = 'live'
const MESSAGES_PER_VISITOR = 5
const VISITOR_DEADLINE_MS = 60_000
const SETTLE_MS = 120_000

const say = (text: string): void => console.error(`  ${text}`)
const startedMs = performance.now()
const folder = mkdtempSync(join(tmpdir(), 'mq-upgrade-'))
const failed = Promise.withResolvers<never>()
failed.promise.catch(() => {})
const stopping = new AbortController()
const apps: App[] = []
let kafka: LocalCluster | undefined

function run(name: string, program: string, job: unknown): App {
  const app = new App(name, program, job, failed.reject)
  apps.push(app)
  return app
}

function history(name: string): string {
  return join(folder, `${name}.history`)
}

async function measure(): Promise<UpgradeResult> {
  say(`starting three brokers of Kafka ${first}`)
  const cluster = await startCluster({
    name: 'upgrade',
    brokers: 3,
    version: first,
    dataDir: join(folder, 'kafka'),
    signal: stopping.signal,
    onProgress: say,
  })
  kafka = cluster
  const planeDir = join(folder, 'plane')
  const clusters = [{ name: 'main', bootstrap: cluster.bootstrap, securityProtocol: 'plaintext' }]
  const plane = run('the control plane', 'plane.ts', { dataDir: planeDir, clusters, migrationTimes: {} })
  const { url } = (await plane.started) as { url: string }
  await declare(url, MQ_ID, { expectedMessagesPerSecond: flags.rate, expectedMessageBytes: flags.payloadBytes })
  await declare(url, ECHO_ID, {})
  const common = { url, mqId: MQ_ID, cacheDir: folder }
  const consumers = MEMBERS.map((member) => {
    const job: ConsumerJob = { ...common, history: history(member), group: GROUP, member, waitMs: 0, everyMs: 0 }
    return run(member, 'consumer.ts', job)
  })
  await Promise.all(consumers.map((app) => app.started))
  const producers = PRODUCERS.map((name) => {
    const job: ProducerJob = {
      ...common,
      history: history(name),
      producers: [name],
      messagesPerSecond: flags.rate / PRODUCERS.length,
      keys: flags.keys,
      payloadBytes: flags.payloadBytes,
    }
    return run(name, 'producer.ts', job)
  })
  const visitorsJob: VisitorsJob = {
    ...common,
    echoId: ECHO_ID,
    history: history('visitors'),
    everyMs: flags['client-every-ms'],
    messages: MESSAGES_PER_VISITOR,
    deadlineMs: VISITOR_DEADLINE_MS,
  }
  const visitors = run('new clients', '../upgrade/visitors.ts', visitorsJob)
  await Promise.all([...producers, visitors].map((app) => app.started))
  await pause(flags['pause-ms'])

  const steps = await roll(cluster, next, flags['pause-ms'], (step) =>
    say(`broker ${step.broker}  ${step.from} to ${step.to}  ${Math.round((step.endedUs - step.startedUs) / 1_000)} ms`),
  )

  say('reading everything to its end')
  await visitors.stop()
  await Promise.all(producers.map((app) => app.stop()))
  const came = visitors.last as VisitorsProgress
  const sent =
    producers.reduce((sum, app) => sum + app.progress.sent, 0) +
    (came.done + came.failures.length) * MESSAGES_PER_VISITOR
  const handled = (): number => consumers.reduce((sum, app) => sum + app.progress.handled, 0)
  for (const endMs = performance.now() + SETTLE_MS; handled() < sent && performance.now() < endMs; ) await pause(100)
  // What would come twice comes soon.
  await pause(1_000)
  await Promise.all(consumers.map((app) => app.stop()))
  return judged(steps, came)
}

function judged(steps: readonly RollStep[], came: VisitorsProgress): UpgradeResult {
  const { verdict, writePausesMs, slowestSendsMs, consumerGapsMs, messagesPerSecond } = judge({
    paths: [...PRODUCERS, ...MEMBERS, 'visitors'].map(history),
    groups: [GROUP],
    members: MEMBERS,
    producers: PRODUCERS,
    windows: steps.map(({ startedUs, endedUs }) => ({ fromUs: startedUs, toUs: endedUs })),
    seals: [],
  })
  for (const { rule, detail } of verdict.violations.slice(0, 10)) say(`${rule}: ${detail}`)
  for (const failure of came.failures.slice(0, 10)) say(failure)
  const { counts } = verdict
  return UpgradeResult.parse({
    measure: 'upgrade',
    versions: [first, ...next],
    steps: steps.map(({ broker, from, to, startedUs, endedUs }) => {
      return { broker, from, to, ms: round((endedUs - startedUs) / 1_000, 0) }
    }),
    messages: verdict.sent,
    failedSends: verdict.sent - verdict.acked,
    lost: counts.lost,
    duplicated: counts.duplicated,
    reordered: counts.reordered,
    otherViolations: Object.fromEntries(
      (['ghost', 'gate', 'inconsistent-offset', 'seal'] as const).map((rule) => [rule, counts[rule]]),
    ),
    newClients: { started: came.started, failed: came.failures.length, tookMs: spans(came.tookMs) },
    writePauseMs: spans(writePausesMs),
    slowestSendMs: spans(slowestSendsMs),
    consumerGapMs: spans(consumerGapsMs),
    messagesPerSecond: Math.round(messagesPerSecond),
    handledByGroup: verdict.handledByGroup,
    options: {
      messagesPerSecond: flags.rate,
      payloadBytes: flags.payloadBytes,
      producers: PRODUCERS.length,
      keys: flags.keys * PRODUCERS.length,
      clientEveryMs: flags['client-every-ms'],
    },
    machine: machineFacts([first, ...next].join(' to '), flags.date),
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  })
}

function spans(values: readonly number[]): { p50: number; p99: number; max: number } {
  return percentiles(values.length === 0 ? [0] : values)
}

// Whatever ends the measurement, what it started ends with it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => failed.reject(new Error(`ended by ${signal}`)))
}
try {
  const result = await Promise.race([measure(), failed.promise])
  publish(result, upgradeTable(result), { ...flags, quiet: flags.json })
  const { failedSends, newClients, lost, duplicated, reordered, otherViolations } = result
  const others = Object.values(otherViolations).reduce((sum, found) => sum + found, 0)
  if (failedSends + newClients.failed + lost + duplicated + reordered + others > 0) process.exitCode = 1
} finally {
  stopping.abort()
  for (const app of apps) app.kill()
  await kafka?.stop()
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
}
