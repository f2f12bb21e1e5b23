/**
 * Who reads an mQ ID now, and whether a few of them can try another way to fetch.
 */

import {
  chooseReaders,
  type GroupReporting,
  isPlausibleReading,
  oddClocks,
  readingP99Of,
  reportingOf,
  untried,
  whyNoReaders,
} from '@mq/autopilot'
import { INSTANCE_AWAY_MS } from '../telemetry/id-traffic.ts'
import type { ChangeContext } from './change-context.ts'

type Look = Pick<ChangeContext, 'traffic' | 'deps' | 'times'>

const awayMs = ({ times }: Look): number => Math.max(INSTANCE_AWAY_MS, 3 * times.telemetryMs)

/** Groups that read now, and how many of their members can be compared. */
export function activeConsumers(look: Look, mqId: string): GroupReporting[] {
  const { traffic, deps } = look
  const sinceMs = deps.clock.nowMs() - awayMs(look)
  return reportingOf(traffic.profile(mqId)?.groups ?? [], traffic.readerWindows(mqId, sinceMs))
}

/** Why no trial of readers can begin, whenever it is asked; null when one can. */
export function whyNoTrial(look: Look, mqId: string): string | null {
  const why = whyNoReaders(activeConsumers(look, mqId))
  if (why !== null) return why
  const sinceMs = look.deps.clock.nowMs() - awayMs(look)
  const windows = look.traffic.readerWindows(mqId, sinceMs).filter(isPlausibleReading)
  const groups = windows.flatMap(({ group, records }) => (records > 0 ? [group] : []))
  const leftOut = (except?: ReadonlySet<string>): string[] =>
    untried(groups, windows, chooseReaders(windows, except)?.instances ?? [])
  const [crowded] = leftOut()
  if (crowded !== undefined) {
    return `nobody of group '${crowded}' can try it without more than a tenth of another group`
  }
  const timed = windows.map((one) => ({ instance: one.instance, group: one.group, p99Ms: readingP99Of(one) }))
  const [odd] = leftOut(oddClocks(timed))
  return odd === undefined ? null : `consumers of group '${odd}' are excluded for clock skew`
}
