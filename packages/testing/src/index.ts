/** The whole public surface of `@mq/testing`. */
export { ManualTime } from './manual-time.ts'
