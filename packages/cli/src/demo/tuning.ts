/**
 * Part C: a service that begins with the defaults of Kafka's Java client, and what the tuning loop makes of it while it sends.
 *
 * N1. Nothing here decides, applies or confirms: the demo starts applications, waits, and reads what the control plane wrote down.
 * N2. What the decision says is compared with what the applications counted and with what the logs of the brokers grew by.
 * N3. The demo waits for a bounded time. What was not decided by then is told as not decided.
 */
import {
  type Decision,
  type Explanation,
  isDecided,
  type MqIdDetail,
  type Outlook,
  ProducerSettings,
} from '@mq/contract'
import type { ScannedTopic } from '@mq/control-plane'
import type { AppProcess } from './app-process.ts'
import { type Check, near, none, sameCount } from './checks.ts'
import { Board, Tracker } from './results.ts'
import type { Stage } from './stage.ts'

export const TRACKED_ID = 'flights.tracked'
export const TRACKERS = 3
const RATE_PER_TRACKER = 500
const POLL_MS = 500
const DOING = 'C. a badly configured service gets cheaper'
/** Enough batches on the old settings to be looked at from outside. */
const LOOK_AFTER_MS = 6_000
/** The loop sees traffic and has good reason not to judge it yet. Anything else here is a loop that does not see what is wrong. */
const WAITS: readonly Outlook['state'][] = ['too-short', 'too-small', 'shifting']
const DRAIN_MS = 20_000
/** Neither look at a log ends on the same message as the report it is compared with. */
const LOOK_ERROR = 0.2

/** What the log of a topic holds, asked of its brokers. */
export type Look = Pick<ScannedTopic, 'storedBytes' | 'storedRecords'>

export interface TuningReport {
  readonly id: string
  readonly messagesPerSecond: number
  readonly instances: number
  readonly sent: number
  readonly durationMs: number
  /** From the first message to the end of the decision; null when it was not decided. */
  readonly decidedAfterMs: number | null
  readonly decision: Decision | null
  /** What the loop said last where there is no decision. */
  readonly outlook: Pick<Outlook, 'state' | 'reason'> | null
  /** Bytes a message takes in the logs of the brokers: up to the trial, and since the change stands for all. */
  readonly stored: { readonly before: number | null; readonly after: number | null }
  readonly group: Pick<Board, 'group' | 'received' | 'endToEndMs'>
  readonly latencyWishMs: number
  readonly priceBook: Pick<Explanation['priceBook'], 'id' | 'version' | 'title'>
  readonly assumptions: readonly string[]
  readonly detail: MqIdDetail
  readonly checks: readonly Check[]
}

/** Until it is wanted nothing is tuned: parts A and B show what mQ chooses at the start, and are to be measured undisturbed. */
export async function tuneOnly(stage: Stage, id: string): Promise<void> {
  const rule = { maxChangesPerDay: null, autoKnobs: null }
  const options = { signal: stage.signal }
  await stage.api.call('putPolicy', { params: { scope: 'global' }, body: { ...rule, mode: 'observe' } }, options)
  await stage.api.call('putPolicy', { params: { scope: `id=${id}` }, body: { ...rule, mode: 'auto' } }, options)
}

/** @param waitMs how long a decision is waited for at most (N3) */
export async function playTuning(
  stage: Stage,
  waitMs: number,
  say: (text: string, detail?: string) => void,
): Promise<TuningReport> {
  await stage.declare('examples/flights/tracked.yaml')
  const board = stage.run('group board', 'flights/board.ts', [])
  const trackers = Array.from({ length: TRACKERS }, (_, index) =>
    stage.run(`tracker ${index + 1}`, 'flights/track.ts', [
      '--part',
      `${index}/${TRACKERS}`,
      '--rate',
      String(RATE_PER_TRACKER),
    ]),
  )
  await Promise.all([board, ...trackers].map((app) => app.started()))
  return follow(stage, board, trackers, waitMs, (status) => say(DOING, `(${status})`))
}

async function follow(
  stage: Stage,
  board: AppProcess,
  trackers: readonly AppProcess[],
  waitMs: number,
  say: (status: string) => void,
): Promise<TuningReport> {
  const fromMs = performance.now()
  const isOver = (): boolean => performance.now() - fromMs >= waitMs
  let last = await latest(stage)
  let untouched: Look | null = null
  let applied: Look | null = null
  while (!isOver() && !(last.decision !== null && isDecided(last.decision.state))) {
    await stage.pause(POLL_MS)
    const { decision } = last
    if (untouched === null && performance.now() - fromMs >= LOOK_AFTER_MS && decision?.trial == null) {
      untouched = await stage.look(TRACKED_ID)
    }
    if (applied === null && decision?.state === 'watching') applied = await stage.look(TRACKED_ID)
    last = await latest(stage)
    say(
      last.decision === null ? (last.outlook?.reason ?? 'sending') : `${last.decision.state}: ${last.decision.status}`,
    )
  }
  const { decision, outlook } = last
  const isEnded = decision !== null && isDecided(decision.state)
  const decidedAfterMs = isEnded ? performance.now() - fromMs : null
  const ended = applied === null ? null : await stage.look(TRACKED_ID)
  const stored = {
    before: bytesBetween({ storedBytes: 0, storedRecords: 0 }, untouched),
    after: bytesBetween(applied, ended),
  }
  const explanation = await stage.api.call('explainId', { params: { id: TRACKED_ID } }, { signal: stage.signal })
  say('waiting for the last messages')
  for (const tracker of trackers) tracker.finish()
  const told = await Promise.all(trackers.map((tracker) => tracker.result(Tracker)))
  const sent = told.reduce((sum, one) => sum + one.sent, 0)
  const untilMs = performance.now() + DRAIN_MS
  while (board.progress < sent && performance.now() < untilMs) await stage.pause(POLL_MS)
  board.finish()
  const shown = await board.result(Board)
  const detail = await stage.describe(TRACKED_ID)
  const { assumptions, priceBook } = explanation
  return {
    id: TRACKED_ID,
    messagesPerSecond: TRACKERS * RATE_PER_TRACKER,
    instances: TRACKERS,
    sent,
    durationMs: Math.max(...told.map((one) => one.durationMs)),
    decidedAfterMs,
    decision,
    outlook,
    stored,
    group: { group: shown.group, received: shown.received, endToEndMs: shown.endToEndMs },
    latencyWishMs: detail.intent.latencyP99Ms,
    priceBook: { id: priceBook.id, version: priceBook.version, title: priceBook.title },
    assumptions,
    detail,
    checks: [
      sameCount('group board handled every message once', shown.received, sent),
      none('and saw each airport in order while settings changed', shown.orderViolations, 'out of order'),
      ...judgeDecision(decision, outlook, detail.producer, stored),
    ],
  }
}

async function latest(stage: Stage): Promise<Pick<TuningReport, 'decision' | 'outlook'>> {
  const query = { id: TRACKED_ID, limit: '10' }
  const { decisions, outlooks } = await stage.api.call('listDecisions', { query }, { signal: stage.signal })
  const tuned = decisions.findLast(({ kind }) => kind === 'producer-settings') ?? null
  return { decision: tuned, outlook: outlooks.find(({ loop }) => loop === 'tuning') ?? null }
}

/** Bytes a message took in the log between two looks at it. */
export function bytesBetween(from: Look | null, to: Look | null): number | null {
  if (from?.storedBytes == null || from.storedRecords === null) return null
  if (to?.storedBytes == null || to.storedRecords === null || to.storedRecords <= from.storedRecords) return null
  return (to.storedBytes - from.storedBytes) / (to.storedRecords - from.storedRecords)
}

/** N2, N3. */
export function judgeDecision(
  decision: Decision | null,
  outlook: TuningReport['outlook'],
  running: ProducerSettings,
  stored: TuningReport['stored'],
): Check[] {
  const name = 'a cheaper configuration was found, proven on trial, and kept'
  if (decision === null || decision.change.kind !== 'producer-settings') {
    const detail = `nothing was proposed: ${outlook?.reason ?? 'the loop said nothing'}`
    return [
      outlook !== null && WAITS.includes(outlook.state)
        ? { name, ok: true, isOpen: true, detail }
        : { name, ok: false, detail },
    ]
  }
  const { state, status, number, change, measured, measuredBefore } = decision
  if (state !== 'kept') {
    const stands = `decision ${number} is ${state}: ${status}`
    const isBack = !isDecided(state) || sameSettings(running, ProducerSettings.parse(change.before))
    return [
      { name, ok: true, isOpen: true, detail: stands },
      ...(isDecided(state)
        ? [
            {
              name: 'what was not kept was taken back',
              ok: isBack,
              detail: isBack ? 'settings as before' : 'it stands',
            },
          ]
        : []),
    ]
  }
  const stands = sameSettings(running, ProducerSettings.parse(change.after))
  const bytes = (when: string, held: number | null, told: number | null | undefined): Check =>
    near(
      `the logs of the brokers grew by what was measured, ${when}`,
      held,
      told ?? null,
      LOOK_ERROR,
      'bytes a message',
    )
  return [
    { name, ok: true, detail: `decision ${number}` },
    {
      name: 'what was kept is what runs',
      ok: stands,
      detail: stands ? 'the binding carries it' : 'other settings run',
    },
    bytes('before', stored.before, measuredBefore?.wireBytesPerRecord),
    bytes('after', stored.after, measured?.wireBytesPerRecord),
  ]
}

function sameSettings(one: ProducerSettings, other: ProducerSettings): boolean {
  return (
    one.codec === other.codec &&
    one.codecLevel === other.codecLevel &&
    one.lingerMs === other.lingerMs &&
    one.batchBytes === other.batchBytes
  )
}
