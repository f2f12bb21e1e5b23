/** The whole public surface of `@mq/economics`. */
export { GB, GIB, HOURS_PER_MONTH, SECONDS_PER_MONTH, TB } from './units.ts'
