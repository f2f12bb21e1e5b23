/** The whole public surface of `@mq/kafka`. */
export type { Clock, Deps, TimerHandle, Timers } from './deps.ts'
export { systemDeps } from './deps.ts'
