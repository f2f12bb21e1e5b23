/**
 * `mq measure reauth`: what applications notice of login sessions that end every few seconds. See the header of `reauth-load.ts`.
 *
 * A1. The same load runs first with a session that outlasts it: what a busy machine costs is told beside what renewing costs.
 * A2. The exit code is 1 when anything was lost, handled twice or out of order, or when anybody heard of an error.
 */
import { KAFKA_VERSION } from '@mq/local'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { measureReauth } from './reauth-load.ts'
import { ReauthResult } from './results.ts'
import { round } from './statistics.ts'
import { reauthTable } from './tables.ts'

const USAGE = `mq measure reauth [--json] [--save] [--session-ms 3000] [--seconds 120] [--baseline-seconds 30]
  [--rate 2000] [--date YYYY-MM-DD]`
const flags = readFlags(USAGE, { 'session-ms': 3_000, seconds: 120, 'baseline-seconds': 30, rate: 2_000 })
const HOUR_MS = 3_600_000
const options = { sessionMs: flags['session-ms'], seconds: flags.seconds, rate: flags.rate }

const baseline = await measureReauth({ ...options, sessionMs: HOUR_MS, seconds: flags['baseline-seconds'] })
const figures = await measureReauth(options)
const { errors, lost, twice, outOfOrder } = figures
const result = ReauthResult.parse({
  measure: 'reauth',
  machine: machineFacts(KAFKA_VERSION, flags.date),
  options,
  sent: figures.sent,
  acknowledged: figures.acknowledged,
  lost,
  twice,
  outOfOrder,
  errors: errors.length,
  firstErrors: errors.slice(0, 5),
  logins: figures.logins,
  longestStallMs: round(Math.max(...figures.stallsMs), 0),
  stallsMs: figures.stallsMs.map((stallMs) => round(stallMs, 0)),
  slowestSendMs: round(figures.sendMaxMs, 0),
  adminRequests: figures.adminRequests,
  slowestAdminMs: round(figures.adminMaxMs, 0),
  eventLoopStoodMs: round(figures.loopMaxMs, 0),
  baseline: {
    seconds: flags['baseline-seconds'],
    errors: baseline.errors.length,
    longestStallMs: round(Math.max(...baseline.stallsMs), 0),
    slowestSendMs: round(baseline.sendMaxMs, 0),
    slowestAdminMs: round(baseline.adminMaxMs, 0),
    eventLoopStoodMs: round(baseline.loopMaxMs, 0),
  },
})
publish(result, reauthTable(result), flags)
if (errors.length + lost + twice + outOfOrder > 0) process.exitCode = 1
