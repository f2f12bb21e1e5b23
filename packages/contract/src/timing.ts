/**
 * Time for every part of mQ: `@mq/contract/timing`. Clock, timers and chance are handed in, and whoever waits, waits by these.
 */
export { type BackoffLimits, backoffMs, DEFAULT_BACKOFF, type Jitter } from './timing/backoff.ts'
export { type Clock, type Deps, systemDeps, type Timed, type TimerHandle, type Timers } from './timing/deps.ts'
export { EarliestTimer } from './timing/earliest-timer.ts'
export { pause, sleep, untilAborted, within, withinOrUndefined } from './timing/waiting.ts'
export { WakeableWait } from './timing/wakeable-wait.ts'
