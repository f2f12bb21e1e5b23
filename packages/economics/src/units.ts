/**
 * The units that bills are written in.
 *
 * N1. A month has 730 hours. Clouds bill bytes in powers of ten but for Confluent, which bills GiB.
 */
export const HOURS_PER_MONTH = 730
export const SECONDS_PER_MONTH = HOURS_PER_MONTH * 3_600
export const GB = 1e9
export const TB = 1e12
export const GIB = 1_024 ** 3
