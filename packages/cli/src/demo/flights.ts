/** Part A: real US flights at full speed through one mQ ID that is moved meanwhile, two producers, two consumer groups, checked against the file. */
import type { Migration, MqIdDetail } from '@mq/contract'
import type { AppProcess } from './app-process.ts'
import { type Check, none, sameCount, sameSums } from './checks.ts'
import { judgeMigration, type MigrationOutcome, migrateWhileInUse } from './migration.ts'
import { FlightsExpected, FlightsFollowed, FlightsProduced } from './results.ts'
import type { Stage } from './stage.ts'

export const FLIGHTS_ID = 'flights.departed'
const PRODUCERS = 2
const IDLE_MS = 30_000

export interface GroupFigures {
  readonly group: string
  readonly received: number
  readonly expected: number
  readonly messagesPerSecond: number
  readonly endToEndMs: { readonly p50: number; readonly p99: number }
}

export interface FlightsReport {
  readonly sent: number
  readonly recordBytes: number
  readonly sendDurationMs: number
  readonly messagesPerSecond: number
  readonly groups: readonly GroupFigures[]
  readonly latest: readonly string[]
  readonly detail: MqIdDetail
  readonly move: MigrationOutcome
  readonly checks: readonly Check[]
}

/** Starts the computation that does not go through mQ; it may run while Kafka still starts. */
export function startExpected(stage: Stage, limit: number): AppProcess {
  return stage.run('the sums straight from the file', 'flights/expected.ts', ['--limit', String(limit)])
}

export async function playFlights(
  stage: Stage,
  limit: number,
  expecting: AppProcess,
  say: (text: string, detail?: string) => void,
): Promise<FlightsReport> {
  await stage.declare('examples/flights/mq.yaml')
  const follow = (name: string, file: string): AppProcess =>
    stage.run(name, file, ['--expect', String(limit), '--idle-ms', String(IDLE_MS)])
  const groups = [follow('group delays', 'flights/delays.ts'), follow('group routes', 'flights/routes.ts')]
  const producers = Array.from({ length: PRODUCERS }, (_, index) =>
    stage.run(`producer ${index + 1}`, 'flights/produce.ts', [
      '--part',
      `${index}/${PRODUCERS}`,
      '--limit',
      String(limit),
    ]),
  )
  const timer = setInterval(() => {
    const sent = producers.reduce((sum, app) => sum + app.progress, 0)
    const handled = groups.map((app) => app.progress.toLocaleString('en-US')).join(' and ')
    say('A. flights at full speed', `${sent.toLocaleString('en-US')} sent, ${handled} handled`)
  }, 250)
  try {
    await Promise.all(producers.map((app) => app.started()))
    // The result of an application is asked for below; until then nobody may miss that the migration failed.
    const moving = migrateWhileInUse(stage, FLIGHTS_ID)
    moving.catch(() => {})
    const produced = await Promise.all(producers.map((app) => app.result(FlightsProduced)))
    const followed = await Promise.all(groups.map((app) => app.result(FlightsFollowed)))
    say('A. flights at full speed', 'waiting for the migration to end')
    const migration = await moving
    const detail = await stage.describe(FLIGHTS_ID)
    const expected = await expecting.result(FlightsExpected)
    return report(produced, followed, expected, detail, migration)
  } finally {
    clearInterval(timer)
  }
}

function report(
  produced: readonly FlightsProduced[],
  followed: readonly FlightsFollowed[],
  expected: FlightsExpected,
  detail: MqIdDetail,
  migration: Migration,
): FlightsReport {
  const sent = produced.reduce((sum, one) => sum + one.sent, 0)
  const sendDurationMs = Math.max(1, ...produced.map((one) => one.durationMs))
  const move = judgeMigration(migration, expected.rows, produced, followed)
  const [delays, routes] = followed as [FlightsFollowed, FlightsFollowed]
  return {
    sent,
    recordBytes: produced.reduce((sum, one) => sum + one.recordBytes, 0),
    sendDurationMs,
    messagesPerSecond: Math.round(
      produced.reduce((sum, one) => sum + one.sent / Math.max(1, one.durationMs), 0) * 1_000,
    ),
    groups: followed.map((one) => ({
      group: one.group,
      received: one.received,
      expected: expected.rows,
      messagesPerSecond: Math.round((one.received / Math.max(1, one.durationMs)) * 1_000),
      endToEndMs: one.endToEndMs,
    })),
    latest: [worstHour(delays), busiestRoutes(routes)],
    detail,
    move,
    checks: [
      sameCount('every flight of the file was sent', sent, expected.rows),
      ...followed.flatMap((one) => [
        sameCount(`group ${one.group} handled every flight once`, one.received, expected.rows),
        none(`group ${one.group} saw each airport in order`, one.orderViolations, 'out of order'),
      ]),
      sameSums('delay per airport and hour equals the file', delays.sums, expected.delays),
      sameSums('flights and miles per route equal the file', routes.sums, expected.routes),
      ...move.checks,
    ],
  }
}

const ENOUGH_FLIGHTS = 200

/** The cell with the highest mean delay, over cells with enough flights to mean something. */
function worstHour(followed: FlightsFollowed): string {
  const cells = Object.entries(followed.sums).map(([cell, [flights = 0, minutes = 0]]) => ({
    cell,
    flights,
    mean: minutes / flights,
  }))
  const worst = cells.filter((each) => each.flights >= ENOUGH_FLIGHTS).sort((a, b) => b.mean - a.mean)[0]
  if (worst === undefined) return 'too few flights to name a worst hour'
  const [airport, hour] = worst.cell.split(' ')
  return `longest mean delay: ${airport} at ${hour}:00, ${worst.mean.toFixed(1)} minutes over ${worst.flights.toLocaleString('en-US')} flights`
}

function busiestRoutes(followed: FlightsFollowed): string {
  const routes = Object.entries(followed.sums).sort(([, [a = 0]], [, [b = 0]]) => b - a)
  const named = routes.slice(0, 3).map(([route, [flights = 0]]) => `${route} ${flights.toLocaleString('en-US')}`)
  return `busiest routes: ${named.join(', ')}`
}
