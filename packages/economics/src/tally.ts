/** What one solve sees on its way: the best so far, the nearest miss, and what was refused and why. */
import type { ClusterModel } from './cluster-model.ts'
import type { Configuration } from './configuration.ts'
import type { Constraint } from './optimum.ts'

export interface Found {
  readonly configuration: Configuration
  readonly cluster: ClusterModel
  readonly usdPerMonth: number
  readonly endToEndP99Ms: number
}

export interface Count {
  count: number
  /** Of the values that broke it. */
  least: number
  most: number
}

/** Collects what one solve sees. */
export class Tally {
  readonly brief: boolean
  readonly refused = new Map<Constraint, Count>()
  readonly byKey = new Map<string, Found>()
  best: Found | null = null
  nearest: Found | null = null
  evaluated = 0

  constructor(brief: boolean) {
    this.brief = brief
  }

  refuse(constraint: Constraint, count: number, value: number): void {
    const known = this.refused.get(constraint)
    if (known === undefined) this.refused.set(constraint, { count, least: value, most: value })
    else {
      known.count += count
      known.least = Math.min(known.least, value)
      known.most = Math.max(known.most, value)
    }
  }
}
