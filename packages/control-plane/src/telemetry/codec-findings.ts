/**
 * What clients found about codecs on the traffic of one mQ ID, put together so that no single client decides.
 *
 * D1. Of at most MOST_INSTANCES processes the latest finding of each codec, level and depth counts, none older than FRESH_MS: a round
 *     is told piece by piece.
 * D2. A finding that cannot be (more out than in, fewer bytes than a record takes) is dropped, and counted.
 * D3. Of several processes the median decides what is usual; what is twice or half of it is dropped, and counted.
 */
import type { ShadowSample } from '@mq/contract'

const MOST_INSTANCES = 32
/** Eight codecs and levels at six depths, twice. */
const MOST_FINDINGS = 96
const FRESH_MS = 2 * 3_600_000
const BATCH_HEADER_BYTES = 61
const LEAST_RECORD_BYTES = 6
/** Enough to tell what is usual. */
const QUORUM = 3
const FAR = 2

interface Found {
  readonly atMs: number
  readonly sample: ShadowSample
}

export class CodecFindings {
  readonly #byInstance = new Map<string, Map<string, Found>>()

  /** @returns how many findings were dropped (D2) */
  take(instance: string, samples: readonly ShadowSample[], nowMs: number): number {
    const possible = samples.filter(isPossible)
    if (possible.length > 0) {
      const all = this.#byInstance.get(instance) ?? new Map<string, Found>()
      this.#byInstance.delete(instance)
      if (this.#byInstance.size >= MOST_INSTANCES) this.#byInstance.delete(this.#byInstance.keys().next().value!)
      this.#byInstance.set(instance, all)
      for (const sample of possible) {
        const key = keyOf(sample)
        all.delete(key)
        if (all.size >= MOST_FINDINGS) all.delete(all.keys().next().value!)
        all.set(key, { atMs: nowMs, sample })
      }
    }
    return samples.length - possible.length
  }

  /** Means over processes by codec, level and depth. */
  merged(nowMs: number): { readonly samples: ShadowSample[]; readonly dropped: number } {
    const fresh = [...this.#byInstance.values()].flatMap((all) =>
      [...all.values()].flatMap(({ atMs, sample }) => (atMs > nowMs - FRESH_MS ? [sample] : [])),
    )
    const groups = Map.groupBy(fresh, keyOf)
    const samples: ShadowSample[] = []
    let dropped = 0
    for (const found of groups.values()) {
      const usual = usualOf(found)
      dropped += found.length - usual.length
      if (usual.length > 0) samples.push(mean(usual))
    }
    return { samples, dropped }
  }
}

const keyOf = ({ codec, codecLevel, depth }: ShadowSample): string => `${codec} ${codecLevel} ${depth}`

/** D2 */
function isPossible({ depth, uncompressedBytes, compressedBytes }: ShadowSample): boolean {
  return (
    uncompressedBytes >= BATCH_HEADER_BYTES + depth * LEAST_RECORD_BYTES &&
    compressedBytes > BATCH_HEADER_BYTES &&
    compressedBytes <= uncompressedBytes
  )
}

/** D3 */
function usualOf(found: readonly ShadowSample[]): readonly ShadowSample[] {
  if (found.length < QUORUM) return found
  const isNear = (of: (sample: ShadowSample) => number): ((sample: ShadowSample) => boolean) => {
    const sorted = found.map(of).sort((a, b) => a - b)
    const median = sorted[Math.floor(sorted.length / 2)]!
    return (sample) => of(sample) <= median * FAR && of(sample) >= median / FAR
  }
  const hasUsualRatio = isNear(({ uncompressedBytes, compressedBytes }) => uncompressedBytes / compressedBytes)
  const hasUsualSize = isNear(({ uncompressedBytes, depth }) => uncompressedBytes / depth)
  return found.filter((sample) => hasUsualRatio(sample) && hasUsualSize(sample))
}

function mean(found: readonly ShadowSample[]): ShadowSample {
  const first = found[0]!
  const of = (pick: (sample: ShadowSample) => number): number =>
    found.reduce((sum, sample) => sum + pick(sample), 0) / found.length
  const timed = found.filter(({ decompressUs }) => decompressUs !== null)
  // CPU by the median: the machines that measure differ more than the records do.
  const sortedUs = found.map(({ compressUs }) => compressUs).sort((a, b) => a - b)
  return {
    ...first,
    batches: found.reduce((sum, { batches }) => sum + batches, 0),
    uncompressedBytes: of(({ uncompressedBytes }) => uncompressedBytes),
    compressedBytes: of(({ compressedBytes }) => compressedBytes),
    compressUs: sortedUs[Math.floor(sortedUs.length / 2)]!,
    decompressUs: timed.length === 0 ? null : timed.reduce((sum, one) => sum + one.decompressUs!, 0) / timed.length,
  }
}
