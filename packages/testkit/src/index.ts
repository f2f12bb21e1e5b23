/** The whole public surface of `@mq/testkit`. */
export type { Verdict, Violation } from './checker.ts'
export { checkHistory } from './checker.ts'
export { HistoryEvent, parseHistory } from './history.ts'
