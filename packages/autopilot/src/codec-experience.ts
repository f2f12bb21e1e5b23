/**
 * What codecs did with the records of an mQ ID in earlier decisions, where no client measured them beside the data path. Pure.
 *
 * X1. A codec that made more or fewer bytes than assumed is taken to do so again, at every level, and it alone: the others stay as they are
 *     assumed, so that one that disappoints leads to a trial of another.
 * X2. What clients measured beside the data path counts alone: it is of all codecs, and newer.
 */
import type { Codec, DecisionChange } from '@mq/contract'
import { assumedCurve, FittedCurve, GRID, type Workload } from '@mq/economics'
import type { PastDecision } from './past-decision.ts'

const BATCH_HEADER_BYTES = 61
/** Records differ by as much from one hour to the next. */
const LEAST_ERROR = 0.1
const MOST_FACTOR = 20

/** The workload with curves as experience has them; itself where there is none that matters. */
export function withExperience(workload: Workload, decisions: readonly PastDecision[]): Workload {
  if (workload.curves.some(({ codec, points }) => codec !== 'none' && points.length > 0)) return workload
  const factors = bytesFactors(workload, decisions)
  if (factors.size === 0) return workload
  const { framedBytes } = workload
  const tried = [...decisions].flatMap((one) => settingsOf(one) ?? [])
  const choices = new Map(
    [...GRID.codecs, ...tried].map((one) => [`${one.codec} ${one.codecLevel}`, one] as const),
  ).values()
  const curves = [...choices].flatMap(({ codec, codecLevel }) => {
    if (codec === 'none') return []
    const factor = factors.get(codec) ?? 1
    const { points, ...curve } = assumedCurve(codec, codecLevel, framedBytes)
    const corrected = points.map((point) => ({
      ...point,
      compressedBytes: Math.min(point.uncompressedBytes, point.compressedBytes * factor),
    }))
    return [{ ...curve, points: corrected }]
  })
  return { ...workload, curves: [...workload.curves, ...curves] }
}

/** Bytes measured over bytes assumed, at the depth that batches really had, of the newest decision about each codec (X1). */
function bytesFactors({ framedBytes }: Workload, decisions: readonly PastDecision[]): Map<Codec, number> {
  const factors = new Map<Codec, number>()
  for (const decision of decisions) {
    const settings = settingsOf(decision)
    const { wireBytesPerRecord: wireBytes, recordsPerBatch: depth } = decision.measured ?? {}
    if (settings === undefined || settings.codec === 'none' || wireBytes == null || depth == null || depth < 1) continue
    const { codec, codecLevel } = settings
    const curve = new FittedCurve(assumedCurve(codec, codecLevel, framedBytes), framedBytes)
    const factor = ((wireBytes - BATCH_HEADER_BYTES / depth) * curve.ratio(depth)) / framedBytes
    if (factor > 0 && Number.isFinite(factor)) factors.set(codec, Math.min(MOST_FACTOR, factor))
  }
  for (const [codec, factor] of factors) if (Math.abs(factor - 1) < LEAST_ERROR) factors.delete(codec)
  return factors
}

function settingsOf({ change }: { readonly change: DecisionChange }) {
  if (change.kind !== 'producer-settings') return undefined
  const { codec, codecLevel } = change.after as { readonly codec: Codec; readonly codecLevel?: number }
  return { codec, codecLevel: codecLevel ?? null }
}
