/**
 * `mq measure migration`: migrations of one mQ ID between two real clusters under load, one after the other.
 *
 * M1. Lost, duplicated and reordered come from the checker of the test kit over what the applications wrote down, never from
 *     counters of the system that is measured.
 * M2. Write pause: the longest time without an acknowledgement for a producer that sends all the time, from the request of a migration
 *     until AFTER_MS after its opening, less the median time between two answers to that producer. One value for each producer
 *     and move.
 * M3. Consumer gap: the longest time in that window in which a member of the group that keeps up handled nothing. One value for
 *     each member and move; nothing is taken off.
 * M4. A migration is asked for when the one before has been open for AFTER_MS; old epochs drain, retire and go meanwhile.
 * M5. The exit code is 1 when a send failed, or the checker found anything at all.
 */
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { HistoryEvent } from '@mq/testkit'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import type { App } from './migration/apps.ts'
import type { ConsumerJob, ProducerJob } from './migration/job.ts'
import { type Judged, judge } from './migration/judge.ts'
import { type MeasuredMigration, MigrationStage } from './migration/stage.ts'
import { publish } from './publish.ts'
import { MigrationResult } from './results.ts'
import { percentiles, round } from './statistics.ts'
import { migrationTable } from './tables.ts'

const USAGE = `mq measure migration [--runs 10] [--json] [--save] [--partitions-from 6] [--partitions-to 12] [--rate 20000]
  [--source-brokers 1|3] [--payload-bytes 200] [--keys 1000] [--date YYYY-MM-DD]`
const flags = readFlags(USAGE, {
  runs: 10,
  'partitions-from': 6,
  'partitions-to': 12,
  rate: 20_000,
  'source-brokers': 1,
  keys: 1_000,
})

const MQ_ID = 'bench.moved'
/** Two processes with two instances of the SDK each. */
const PRODUCERS = [
  ['p0', 'p1'],
  ['p2', 'p3'],
] as const
const LIVE = ['live-0', 'live-1'] as const
const GROUPS = ['live', 'late']
const WARMUP_MS = 6_000
const AFTER_MS = 2_000
const SETTLE_MS = 60_000

if (![1, 3].includes(flags['source-brokers'])) {
  console.error(`--source-brokers ${flags['source-brokers']}: write 1 or 3`)
  process.exit(2)
}

const say = (text: string): void => console.error(`  ${text}`)
const startedMs = performance.now()
const stage = new MigrationStage({ sourceBrokers: flags['source-brokers'] === 3 ? 3 : 1, mqId: MQ_ID })

function startConsumers(): App[] {
  const common = { url: stage.url, mqId: MQ_ID, cacheDir: stage.folder }
  const live = LIVE.map((member): ConsumerJob => {
    return { ...common, history: history(member), group: 'live', member, waitMs: 0, everyMs: 0 }
  })
  // Half a second of every three: a group that is behind when a new epoch opens.
  const late = { ...common, history: history('late-0'), group: 'late', member: 'late-0', waitMs: 500, everyMs: 3_000 }
  return [...live, late].map((job) => stage.run(job.member, 'consumer.ts', job))
}

function startProducers(): App[] {
  return PRODUCERS.map((producers): App => {
    const job: ProducerJob = {
      url: stage.url,
      mqId: MQ_ID,
      cacheDir: stage.folder,
      history: history(producers.join('-')),
      producers,
      messagesPerSecond: flags.rate / PRODUCERS.length,
      keys: flags.keys,
      payloadBytes: flags.payloadBytes,
    }
    return stage.run(`producers ${producers.join(' and ')}`, 'producer.ts', job)
  })
}

function history(name: string): string {
  return join(stage.folder, `${name}.history`)
}

async function runMigrations(): Promise<MeasuredMigration[]> {
  const migrations: MeasuredMigration[] = []
  for (let run = 0; run < flags.runs; run++) {
    const request =
      run % 2 === 0
        ? { to: 'b', partitions: flags['partitions-to'] }
        : { to: 'a', partitions: flags['partitions-from'] }
    const move = await Promise.race([stage.move(request), stage.failed.promise])
    migrations.push(move)
    const { report, from, to } = move.migration
    say(
      `move ${run + 1}/${flags.runs}  ${from.cluster}/${from.partitions} to ${to.cluster}/${to.partitions}  closed for ${report.closedMs} ms`,
    )
    await Promise.race([pause(AFTER_MS), stage.failed.promise])
  }
  return migrations
}

/** Until every group handled what was sent, or nothing happens any more. */
async function settle(producers: readonly App[], consumers: readonly App[]): Promise<void> {
  await Promise.all(producers.map((app) => app.stop()))
  const sent = sum(producers, (app) => app.progress.sent)
  const endMs = performance.now() + SETTLE_MS
  const isThrough = (group: string): boolean =>
    sum(
      consumers.filter(({ name }) => name.startsWith(group)),
      (app) => app.progress.handled,
    ) >= sent
  while (!GROUPS.every(isThrough) && performance.now() < endMs) await pause(100)
  // What would come twice comes soon.
  await pause(1_000)
  await Promise.all(consumers.map((app) => app.stop()))
}

function sum(apps: readonly App[], of: (app: App) => number): number {
  return apps.reduce((total, app) => total + of(app), 0)
}

function sealsOf(migrations: readonly MeasuredMigration[]): Extract<HistoryEvent, { type: 'seal' }>[] {
  return migrations.flatMap(({ migration }) =>
    (migration.endOffsets ?? []).map((offset, partition) => {
      return { type: 'seal' as const, tUs: 0, epoch: migration.from.epoch, partition, offset: Number(offset) }
    }),
  )
}

function resultOf(judged: Judged, migrations: readonly MeasuredMigration[]): MigrationResult {
  const { verdict } = judged
  const { counts } = verdict
  const reports = migrations.map(({ migration }) => migration.report)
  return MigrationResult.parse({
    runs: migrations.length,
    messages: verdict.sent,
    failedSends: verdict.sent - verdict.acked,
    lost: counts.lost,
    duplicated: counts.duplicated,
    reordered: counts.reordered,
    writePauseMs: percentiles(judged.writePausesMs),
    consumerGapMs: percentiles(judged.consumerGapsMs),
    measure: 'migration',
    otherViolations: Object.fromEntries(
      (['ghost', 'gate', 'inconsistent-offset', 'seal'] as const).map((rule) => [rule, counts[rule]]),
    ),
    messagesPerSecond: Math.round(judged.messagesPerSecond),
    slowestSendMs: percentiles(judged.slowestSendsMs),
    closedMs: percentiles(reports.map((report) => report.closedMs ?? 0)),
    sealMs: percentiles(reports.map((report) => report.sealMs ?? 0)),
    firstMove: { writePauseMs: firstOf(judged.writePausesMs), closedMs: reports[0]!.closedMs ?? 0 },
    usualGapMs: { acknowledgements: round(judged.usualAckGapMs, 2), deliveries: round(judged.usualDeliveryGapMs, 2) },
    handledByGroup: verdict.handledByGroup,
    options: {
      partitionsFrom: flags['partitions-from'],
      partitionsTo: flags['partitions-to'],
      messagesPerSecond: flags.rate,
      sourceBrokers: flags['source-brokers'],
      payloadBytes: flags.payloadBytes,
      producers: PRODUCERS.flat().length,
      keys: flags.keys * PRODUCERS.flat().length,
    },
    machine: machineFacts(stage.kafkaVersion, flags.date),
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  })
}

/** The longest of the first migration over producers: the second cluster is cold then. */
function firstOf(values: readonly number[]): number {
  return round(Math.max(...values.filter((_, index) => index % flags.runs === 0)), 1)
}

// Whatever ends the measurement, `close` ends what it started.
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stage.failed.reject(new Error(`ended by ${signal}`)))
}
try {
  say(`starting two clusters of ${flags['source-brokers']} and 1 brokers`)
  await Promise.race([stage.start(), stage.failed.promise])
  const { rate, payloadBytes } = flags
  const intent = { expectedMessagesPerSecond: rate, expectedMessageBytes: payloadBytes }
  await Promise.race([stage.declare(intent, flags['partitions-from']), stage.failed.promise])
  const consumers = startConsumers()
  await Promise.all(consumers.map((app) => app.started))
  const producers = startProducers()
  await Promise.all(producers.map((app) => app.started))
  say(`${rate} messages/s, warming up`)
  await Promise.race([pause(WARMUP_MS), stage.failed.promise])
  const migrations = await runMigrations()
  say('reading everything to its end')
  await Promise.race([settle(producers, consumers), stage.failed.promise])
  say('judging')
  const judged = judge({
    paths: [...PRODUCERS.map((names) => history(names.join('-'))), ...[...LIVE, 'late-0'].map(history)],
    groups: GROUPS,
    members: LIVE,
    windows: migrations.map(({ askedUs, openedUs }) => ({ fromUs: askedUs, toUs: openedUs + AFTER_MS * 1_000 })),
    seals: sealsOf(migrations),
  })
  const result = resultOf(judged, migrations)
  publish(result, migrationTable(result), { ...flags, quiet: flags.json })
  for (const { rule, detail } of judged.verdict.violations.slice(0, 10)) say(`${rule}: ${detail}`)
  if (result.failedSends > 0 || !judged.verdict.ok) process.exitCode = 1
} finally {
  await stage.close()
}
