/**
 * How long the loops watch, try and wait, and from when on a saving is worth a change.
 *
 * L1. `dev` differs in time and in the least saving only: the order of things, the tests and the guardrails are the same.
 */
export interface LoopTimes {
  /** Between two looks at decisions under way. */
  readonly tickMs: number
  /** Between two runs of the loops. */
  readonly proposeMs: number
  /** Where nothing was to be gained the loops look again only after this: thousands of settled mQ IDs cost next to nothing. */
  readonly lookAgainMs: number
  /** A workload is watched this long, and for so many records, before anything is proposed. */
  readonly observeMs: number
  readonly observeRecords: number
  /** After a change clients get this long before what they report counts. */
  readonly settleMs: number
  readonly leastTrialMs: number
  readonly longestTrialMs: number
  /** Windows of each side a comparison needs. */
  readonly leastWindows: number
  readonly leastRecords: number
  /** How long one instance alone stays on either side before it changes over. */
  readonly turnMs: number
  readonly watchMs: number
  /** A change that could not be measured within this is undone. */
  readonly longestWatchMs: number
  /** Instances on trial that are silent for this long stop it. */
  readonly silentMs: number
  /** A proposal nobody answers is dropped after this. */
  readonly expireMs: number
  /** From one kept decision to the next proposal for the same mQ ID. */
  readonly restMs: number
  /** From a decision that was undone to the same proposal. */
  readonly retryMs: number
  /** Hysteresis: a proposal saves at least this share, and this much. */
  readonly leastSavingShare: number
  readonly leastSavingUsdPerMonth: number
  /** How often clients are to report. */
  readonly telemetryMs: number
}

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS

export const usualTimes: LoopTimes = {
  tickMs: 5 * SECOND_MS,
  proposeMs: 30 * SECOND_MS,
  lookAgainMs: 5 * MINUTE_MS,
  observeMs: 10 * MINUTE_MS,
  observeRecords: 10_000,
  settleMs: 20 * SECOND_MS,
  leastTrialMs: 4 * MINUTE_MS,
  longestTrialMs: 12 * MINUTE_MS,
  leastWindows: 12,
  leastRecords: 5_000,
  turnMs: 30 * SECOND_MS,
  watchMs: 4 * MINUTE_MS,
  longestWatchMs: 12 * MINUTE_MS,
  silentMs: 45 * SECOND_MS,
  expireMs: 7 * DAY_MS,
  restMs: HOUR_MS,
  retryMs: 7 * DAY_MS,
  leastSavingShare: 0.1,
  leastSavingUsdPerMonth: 1,
  telemetryMs: 10 * SECOND_MS,
}

export const devTimes: LoopTimes = {
  ...usualTimes,
  tickMs: 500,
  proposeMs: 2 * SECOND_MS,
  lookAgainMs: 2 * SECOND_MS,
  observeMs: 15 * SECOND_MS,
  observeRecords: 500,
  settleMs: 2 * SECOND_MS,
  leastTrialMs: 15 * SECOND_MS,
  longestTrialMs: 50 * SECOND_MS,
  leastWindows: 6,
  leastRecords: 200,
  turnMs: 2 * SECOND_MS,
  watchMs: 10 * SECOND_MS,
  longestWatchMs: 30 * SECOND_MS,
  silentMs: 8 * SECOND_MS,
  expireMs: HOUR_MS,
  restMs: 30 * SECOND_MS,
  retryMs: 10 * MINUTE_MS,
  leastSavingUsdPerMonth: 0,
  telemetryMs: SECOND_MS,
}
