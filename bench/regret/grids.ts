/** Which configurations are swept: all that the optimiser may choose from in this measurement, and no others. */
import type { ConsumerSettings, ProducerSettings } from '@mq/contract'
import { type ClientKnobs, GRID, type Grid } from '@mq/economics'

const KIB = 1_024

/** Every kind of knob, with steps wide enough that a sweep of seven workloads takes a quarter of an hour. */
const SMALL: Grid = {
  codecs: GRID.codecs.filter(
    ({ codec, codecLevel }) => codec === 'none' || codec === 'lz4' || (codec === 'zstd' && codecLevel !== 6),
  ),
  lingerMs: [0, 5, 20, 50, 100],
  batchBytes: [16 * KIB, 256 * KIB],
  fetches: GRID.fetches.filter(({ fetchMinBytes }) => fetchMinBytes === 1 || fetchMinBytes === 64 * KIB),
}

/** To see that everything works, not to learn anything. */
const TINY: Grid = {
  codecs: GRID.codecs.filter(({ codec, codecLevel }) => codec === 'none' || (codec === 'zstd' && codecLevel === 1)),
  lingerMs: [5, 50],
  batchBytes: [16 * KIB],
  fetches: GRID.fetches.filter(({ fetchMinBytes }) => fetchMinBytes === 1),
}

export const GRIDS = { tiny: TINY, small: SMALL, full: GRID } as const
export type GridName = keyof typeof GRIDS

/** Everything a producer is told, of one place of the grid. */
export type ProducerKnobs = Pick<ClientKnobs, 'codec' | 'codecLevel' | 'lingerMs' | 'batchBytes'>
export type FetchKnobs = Pick<ClientKnobs, 'fetchMinBytes' | 'fetchMaxWaitMs'>

export function producersOf(grid: Grid): ProducerKnobs[] {
  return grid.codecs.flatMap((codec) =>
    grid.lingerMs.flatMap((lingerMs) => grid.batchBytes.map((batchBytes) => ({ ...codec, lingerMs, batchBytes }))),
  )
}

export function producerSettings(knobs: ProducerKnobs): ProducerSettings {
  const { codec, codecLevel, lingerMs, batchBytes } = knobs
  const level = codecLevel === null ? {} : { codecLevel }
  return { codec, ...level, lingerMs, batchBytes, maxMessageBytes: 1_048_576, requestTimeoutMs: 30_000 }
}

export function consumerSettings({ fetchMinBytes, fetchMaxWaitMs }: FetchKnobs): ConsumerSettings {
  return {
    fetchMinBytes,
    fetchMaxWaitMs,
    readAheadBytes: 8 * 1_048_576,
    isolation: 'read_committed',
    sessionTimeoutMs: 45_000,
  }
}

export function knobsText(knobs: ClientKnobs): string {
  const level = knobs.codecLevel === null ? '' : `-${knobs.codecLevel}`
  return `${knobs.codec}${level}, ${knobs.lingerMs} ms, ${knobs.batchBytes / KIB} KiB, fetch ${knobs.fetchMinBytes} B/${knobs.fetchMaxWaitMs} ms`
}
