/** A usual workload: 2,000 JSON events a second of 500 bytes, one reading group. */
import type { Workload } from '../src/index.ts'

export const traffic: Workload = {
  recordsPerSecond: 2_000,
  peakMultiple: 1,
  recordBytes: 500,
  framedBytes: 510,
  producers: 1,
  keyed: true,
  busiestPartitionShare: 0.25,
  dispersion: 1,
  groups: [{ group: 'a', members: 1 }],
  curves: [],
  retainedBytes: null,
  observedMs: 600_000,
  records: 1_200_000,
  source: 'measured',
}
