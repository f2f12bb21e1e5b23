/**
 * What a broker speaks: the ranges of versions and the finalised features of one ApiVersions answer.
 *
 * A1. A range whose minimum is above its maximum counts as absent: a proxy lists what it does not share with its broker so.
 * A2. The requests of KIP-848 count as absent until the feature `group.version` is finalised at 1 or above: Kafka 3.8 and 3.9,
 *     and newer ones before that, list them and answer UNSUPPORTED_VERSION to each.
 */

export interface ApiRange {
  readonly min: number
  readonly max: number
}

const GROUP_FEATURE = 'group.version'
/** ConsumerGroupHeartbeat and ConsumerGroupDescribe. */
const GROUP_FEATURE_KEYS: ReadonlySet<number> = new Set([68, 69])

export class BrokerApis {
  readonly ranges: ReadonlyMap<number, ApiRange>
  /** Finalised level by name of the feature; empty where a broker does not tell. */
  readonly features: ReadonlyMap<string, number>

  constructor(ranges: Iterable<readonly [number, ApiRange]>, features: Iterable<readonly [string, number]> = []) {
    this.ranges = new Map([...ranges].filter(([, { min, max }]) => min <= max))
    this.features = new Map(features)
  }

  range(apiKey: number): ApiRange | undefined {
    return this.missingFeature(apiKey) === undefined ? this.ranges.get(apiKey) : undefined
  }

  /** The feature that keeps a listed request from being answered. */
  missingFeature(apiKey: number): string | undefined {
    if (!GROUP_FEATURE_KEYS.has(apiKey) || !this.ranges.has(apiKey)) return undefined
    return (this.features.get(GROUP_FEATURE) ?? 0) >= 1 ? undefined : GROUP_FEATURE
  }

  /** The highest of the given versions that the broker speaks, too. */
  highest(apiKey: number, spoken: readonly number[]): number | undefined {
    const range = this.range(apiKey)
    const both = range === undefined ? [] : spoken.filter((one) => one >= range.min && one <= range.max)
    return both.length === 0 ? undefined : Math.max(...both)
  }
}
