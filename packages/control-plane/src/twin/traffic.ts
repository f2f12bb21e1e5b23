/**
 * Messages like those of an mQ ID, from what telemetry knows of it.
 *
 * T1. Lengths, keys and how well batches compress follow the profile; the bytes themselves are made up.
 * T2. The busiest keys get their measured shares; the others share the rest evenly.
 * T3. Bounded: no more different messages than MOST_BYTES hold.
 */
import { codecName, seeded } from '@mq/economics'
import type { TrafficProfile } from '../telemetry/profile.ts'
import type { Sketch } from '../telemetry/sketch.ts'
import type { TwinMessage } from './messages.ts'
import { type FittedRecipe, fitRecipe, makeValues, type RatioPoint, type ValueShape } from './recipe.ts'

export const MOST_BYTES = 8 * 1_048_576
const MOST_MESSAGES = 50_000
const LEAST_MESSAGES = 200
/** What the recipe is fitted to: a codec with entropy coding and one without tell the two kinds of order in bytes apart. */
const FITTED_CODECS = new Set(['zstd-1', 'zstd-3', 'lz4'])

export interface TwinPayload {
  readonly messages: readonly TwinMessage[]
  /** See `FittedRecipe`. */
  readonly error: number | null
}

export type ProfileShape = Pick<
  TrafficProfile,
  'recordBytes' | 'recordSizes' | 'shadow' | 'keyedShare' | 'distinctKeys' | 'topKeyShares'
>

export async function payloadOf(profile: ProfileShape, seed: number, pause: () => Promise<void>): Promise<TwinPayload> {
  const keyBytes = 12
  const keyed = profile.keyedShare ?? 0
  const shape: ValueShape = {
    bytes: lengthsOf(profile.recordSizes, profile.recordBytes, keyed > 0 ? keyBytes : 0),
    points: pointsOf(profile),
  }
  const { recipe, error }: FittedRecipe = await fitRecipe(shape, seed, pause)
  const count = Math.round(
    Math.min(MOST_MESSAGES, Math.max(LEAST_MESSAGES, MOST_BYTES / Math.max(1, profile.recordBytes))),
  )
  const random = seeded(seed + 7)
  const lengths: number[] = []
  for (let bytes = 0; lengths.length < count && bytes < MOST_BYTES; bytes += lengths.at(-1)!) {
    lengths.push(Math.max(1, Math.round(shape.bytes(random()))))
  }
  const values = makeValues(recipe, lengths, seed)
  const keyOf = keysOf(profile, random)
  return { messages: values.map((value) => ({ key: random() < keyed ? keyOf() : null, value })), error }
}

/** Ratios of the samples of codecs that are fitted to. */
export function pointsOf(profile: Pick<TrafficProfile, 'shadow'>): RatioPoint[] {
  return profile.shadow
    .filter(
      ({ codec, codecLevel, compressedBytes }) =>
        FITTED_CODECS.has(codecName(codec, codecLevel)) && compressedBytes > 0,
    )
    .map(({ codec, codecLevel, depth, uncompressedBytes, compressedBytes }) => ({
      codec,
      codecLevel,
      depth,
      ratio: uncompressedBytes / compressedBytes,
    }))
}

/** T1: lengths of values by their place among all, from the sketch of whole records. */
function lengthsOf(sizes: Sketch, mean: number, keyBytes: number): (share: number) => number {
  if (sizes.total === 0) return () => Math.max(1, mean - keyBytes)
  const steps = Array.from({ length: 101 }, (_, n) => sizes.quantile(Math.max(0.001, n / 100)) ?? 0)
  return (share) => Math.max(1, steps[Math.min(100, Math.round(share * 100))]! - keyBytes)
}

/** T2 */
function keysOf(profile: ProfileShape, random: () => number): () => Buffer {
  const tops = profile.topKeyShares
  const others = Math.max(1, Math.round(profile.distinctKeys ?? 1_000) - tops.length)
  const key = (n: number): Buffer => Buffer.from(`k${String(n).padStart(11, '0')}`)
  return () => {
    let at = random()
    for (const [n, share] of tops.entries()) {
      if (at < share) return key(n)
      at -= share
    }
    return key(tops.length + Math.floor(random() * others))
  }
}
