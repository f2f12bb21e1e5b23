/**
 * What a twin sends: messages and the moments they are due.
 *
 * M1. Messages are taken in their order and from the first again when they are used up.
 * M2. Moments are milliseconds from the start, rising; the replay never sends a message before its moment.
 */
export interface TwinMessage {
  readonly key: Uint8Array | null
  readonly value: Uint8Array
}

export interface TwinMessages {
  readonly messages: readonly TwinMessage[]
  readonly dueMs: Float64Array
}

/** Moments of a Poisson stream: as many independent users make it. */
export function poissonMoments(perSecond: number, forMs: number, random: () => number): Float64Array {
  const moments: number[] = []
  const meanMs = 1_000 / perSecond
  const gapMs = (): number => -Math.log(1 - random()) * meanMs
  for (let at = gapMs(); at < forMs; at += gapMs()) moments.push(at)
  return Float64Array.from(moments)
}

/**
 * A stream that is on for part of each period, Poisson while it is on, and silent else; `perSecond` is its mean.
 * A share of 1 is a plain Poisson stream.
 */
export function burstyMoments(
  burst: { readonly perSecond: number; readonly periodMs: number; readonly onShare: number },
  forMs: number,
  random: () => number,
): Float64Array {
  const { perSecond, periodMs, onShare } = burst
  const onMs = poissonMoments(perSecond / onShare, forMs * onShare, random)
  return onMs.map((at) => Math.floor(at / (periodMs * onShare)) * periodMs + (at % (periodMs * onShare)))
}
