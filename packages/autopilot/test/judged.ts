/** Samples of instances that send, as verdicts are made of. */
import type { Sample } from '@mq/autopilot'

export const T0 = 1_800_000_000_000

export function sample(change: Partial<Sample> = {}): Sample {
  return {
    instance: 'a',
    atMs: T0,
    activeMs: 1_000,
    trial: null,
    records: 1_000,
    recordBytes: 200_000,
    wireBytes: 100_000,
    batches: 100,
    requests: 100,
    cpuUs: 5_000,
    errors: 0,
    retries: 0,
    bufferBytesMax: 1_000,
    p99Ms: 10,
    usdPerMillion: 1,
    ...change,
  }
}

/** One window a second from each of the instances, priced around `price` with a seeded wobble. */
export function windows(
  instances: readonly string[],
  seconds: number,
  price: number,
  change: Partial<Sample> = {},
  fromMs = T0,
): Sample[] {
  return instances.flatMap((instance, nth) =>
    Array.from({ length: seconds }, (_, second) => {
      const wobble = 1 + (((second * 7 + nth * 3) % 11) - 5) / 100 + second / 1e6 + nth / 1e7
      return sample({ instance, atMs: fromMs + second * 1_000, usdPerMillion: price * wobble, ...change })
    }),
  )
}
