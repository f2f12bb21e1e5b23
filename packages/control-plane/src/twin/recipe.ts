/**
 * Records that compress like those of an mQ ID, made without having seen one: only sizes and the ratios that codecs reached.
 *
 * E1. A record is a row of fields of three kinds: the same in every record, one of a few words, and never seen before. Their shares, the
 *     number of words and the bits in a byte decide what a codec makes of them at each depth.
 * E2. The same recipe and the same chance give the same bytes.
 * E3. How far the records are from what was measured is part of the answer, never assumed to be nothing.
 */
import type { Codec } from '@mq/contract'
import { seeded } from '@mq/economics'
import { CodecProbe, probeBatchOf } from '@mq/kafka'

/** What one codec made of real records: uncompressed over compressed bytes of a batch of that depth. */
export interface RatioPoint {
  readonly codec: Codec
  readonly codecLevel: number | null
  readonly depth: number
  readonly ratio: number
}

export interface Recipe {
  /** Of the bytes of a record: never seen before, and one of `words`; the rest is the same everywhere. */
  readonly freshShare: number
  readonly wordShare: number
  readonly words: number
  /** Different values a byte takes, as bits. */
  readonly bits: number
}

export interface FittedRecipe {
  readonly recipe: Recipe
  /** Mean of |made / measured - 1| over the points; null when there was nothing to compare with (E3). */
  readonly error: number | null
}

/** What is known of the values: their lengths, drawn by a number in [0, 1). */
export interface ValueShape {
  readonly bytes: (share: number) => number
  readonly points: readonly RatioPoint[]
}

const PLAIN: Recipe = { freshShare: 0.25, wordShare: 0.35, words: 40, bits: 5 }
const MOST_WORDS = 4_096
/** Fields of one record: few in a small one; in a large one so many that its words come again within it. */
const fieldsOf = (bytes: number): number => Math.max(6, Math.round(bytes / 96))
const FIT_RECORDS = 1_024
const FIT_BYTES = 512 * 1_024
const ROUNDS = 12
const START_STEP = 0.25

/** Finds the shares by trying: each try makes records and compresses them. `pause` lets others have their turn between tries. */
export async function fitRecipe(
  shape: ValueShape,
  seed: number,
  pause: () => Promise<void> = () => Promise.resolve(),
): Promise<FittedRecipe> {
  const points = shape.points.filter(({ codec, ratio }) => codec !== 'none' && ratio > 0)
  if (points.length === 0) return { recipe: PLAIN, error: null }
  const tried = new Map<string, number>()
  const lossOf = async (place: Place): Promise<number> => {
    const recipe = recipeAt(place)
    const key = JSON.stringify(recipe)
    const known = tried.get(key)
    if (known !== undefined) return known
    await pause()
    const errors = deviations(shape, points, recipe, seed)
    const loss = errors.reduce((sum, one) => sum + Math.log1p(one) ** 2, 0) / errors.length
    tried.set(key, loss)
    return loss
  }
  let best: { place: Place; loss: number } | undefined
  for (const start of STARTS) {
    const loss = await lossOf(start)
    if (best === undefined || loss < best.loss) best = { place: start, loss }
  }
  let { place, loss } = best!
  let step = START_STEP
  for (let round = 0; round < ROUNDS; round++) {
    const before = loss
    for (let axis = 0; axis < place.length; axis++) {
      for (const sign of [-1, 1]) {
        const next = place.map((value, n) => (n === axis ? clamp(value + sign * step) : value)) as unknown as Place
        const nextLoss = await lossOf(next)
        if (nextLoss < loss) {
          place = next
          loss = nextLoss
          break
        }
      }
    }
    if (loss === before) step /= 2
  }
  const recipe = recipeAt(place)
  const errors = deviations(shape, points, recipe, seed + 1)
  return { recipe, error: errors.reduce((sum, one) => sum + one, 0) / errors.length }
}

/** Values after the recipe (E1, E2). */
export function makeValues(recipe: Recipe, lengths: readonly number[], seed: number): Buffer[] {
  const random = seeded(seed)
  const alphabet = Math.max(2, Math.round(2 ** recipe.bits))
  const byteOf = (): number => (alphabet >= 256 ? Math.floor(random() * 256) : 33 + Math.floor(random() * alphabet))
  const fill = (bytes: Buffer, from: number, to: number): void => {
    for (let at = from; at < to; at++) bytes[at] = byteOf()
  }
  const longest = Math.max(1, ...lengths)
  const base = Buffer.alloc(longest)
  fill(base, 0, longest)
  const fields = fieldsOf(lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length))
  const wordBytes = Math.ceil((longest * recipe.wordShare) / fields)
  const words = Array.from({ length: recipe.wordShare > 0 ? recipe.words : 0 }, () => {
    const word = Buffer.alloc(wordBytes)
    fill(word, 0, wordBytes)
    return word
  })
  return lengths.map((length) => {
    const value = Buffer.alloc(length)
    let at = 0
    for (let field = 0; field < fields; field++) {
      const end = Math.round(((field + 1) * length) / fields)
      const size = end - at
      const fresh = Math.round(size * recipe.freshShare)
      const word = Math.min(size - fresh, Math.round(size * recipe.wordShare))
      base.copy(value, at, at, end - fresh - word)
      if (word > 0) words[Math.floor(random() * words.length)]!.copy(value, end - fresh - word, 0, word)
      fill(value, end - fresh, end)
      at = end
    }
    return value
  })
}

/** |made / measured - 1| of every point. */
function deviations(shape: ValueShape, points: readonly RatioPoint[], recipe: Recipe, seed: number): number[] {
  const random = seeded(seed)
  const mean = shape.bytes(0.5)
  const count = Math.max(8, Math.min(FIT_RECORDS, Math.floor(FIT_BYTES / Math.max(1, mean))))
  const lengths = Array.from({ length: count }, () => Math.max(1, Math.round(shape.bytes(random()))))
  const values = makeValues(recipe, lengths, seed)
  const records = values.map((value, n) => ({ key: null, value, headers: undefined, timestampMs: n }))
  const probe = new CodecProbe([probeBatchOf(records)], () => 0)
  return points.flatMap((point) => {
    const made = probe.measure(point, Math.min(point.depth, count))
    return made === null ? [] : [Math.abs(made.uncompressedBytes / made.compressedBytes / point.ratio - 1)]
  })
}

/** Fresh, word share of the rest, log of the words, bits: each from 0 to 1. */
type Place = readonly [number, number, number, number]

const STARTS: readonly Place[] = [0.05, 0.3, 0.9].flatMap((fresh) =>
  [0.1, 0.6].flatMap((word) => [0.4, 0.8].map((bits) => [fresh, word, 0.45, bits] as const)),
)

function recipeAt([fresh, word, words, bits]: Place): Recipe {
  const round = (value: number): number => Math.round(value * 1_000) / 1_000
  return {
    freshShare: round(fresh),
    wordShare: round((1 - fresh) * word),
    words: Math.round(2 ** (1 + words * (Math.log2(MOST_WORDS) - 1))),
    bits: round(1 + 7 * bits),
  }
}

const clamp = (value: number): number => Math.min(1, Math.max(0, value))
