/**
 * Broker CPU of configurations that ran at the same time on one broker.
 *
 * B1. What a wave used is measured; what configurations get of it adds up to that.
 * B2. Shares follow a cost for each produce request, each fetch request and each byte in or out, found by least squares over all
 *     waves of the sweep: never by the constants of the model that is judged here.
 */
export interface BrokerLoad {
  readonly produceRequests: number
  readonly fetchRequests: number
  /** In and out, as on the wire. */
  readonly bytes: number
}

export interface Wave {
  /** Without what the idle broker uses. */
  readonly cpuUs: number
  readonly loads: readonly BrokerLoad[]
}

export interface UnitCosts {
  readonly produceRequestUs: number
  readonly fetchRequestUs: number
  readonly kibUs: number
}

const features = (load: BrokerLoad): number[] => [load.produceRequests, load.fetchRequests, load.bytes / 1_024]

/** Non-negative least squares by coordinate descent, each wave weighted so that large ones do not drown small ones. */
export function unitCosts(waves: readonly Wave[]): UnitCosts {
  const rows = waves
    .map(({ cpuUs, loads }) => {
      const parts = loads.map(features)
      return { x: [0, 1, 2].map((n) => parts.reduce((sum, part) => sum + part[n]!, 0)), y: cpuUs }
    })
    .filter(({ y }) => y > 0)
    .map(({ x, y }) => ({ x: x.map((value) => value / Math.sqrt(y)), y: Math.sqrt(y) }))
  const costs = [1, 1, 0]
  for (let round = 0; round < 2_000; round++) {
    for (let n = 0; n < costs.length; n++) {
      let above = 0
      let below = 0
      for (const { x, y } of rows) {
        const rest = y - x.reduce((sum, value, k) => sum + (k === n ? 0 : value * costs[k]!), 0)
        above += x[n]! * rest
        below += x[n]! * x[n]!
      }
      costs[n] = below === 0 ? 0 : Math.max(0, above / below)
    }
  }
  return { produceRequestUs: costs[0]!, fetchRequestUs: costs[1]!, kibUs: costs[2]! }
}

export function loadCpuUs(load: BrokerLoad, costs: UnitCosts): number {
  const [produce, fetch, kib] = features(load) as [number, number, number]
  return produce * costs.produceRequestUs + fetch * costs.fetchRequestUs + kib * costs.kibUs
}

/** What each load of the wave used (B1). */
export function shares(wave: Wave, costs: UnitCosts): number[] {
  const modelled = wave.loads.map((load) => loadCpuUs(load, costs))
  const total = modelled.reduce((sum, value) => sum + value, 0)
  return modelled.map((value) => (total === 0 ? wave.cpuUs / wave.loads.length : (value / total) * wave.cpuUs))
}
