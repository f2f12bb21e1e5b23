/**
 * Which rows of the grid can be the best anywhere, judged once for a workload.
 *
 * L1. A row that another of its codec beats in bytes, requests, CPU and waiting is the best nowhere.
 */
import type { ModelConstants } from './model-constants.ts'
import type { Row } from './rows.ts'

/** F8 without what depends on bytes: no configuration of that linger and batch size is faster there. */
export function leastP99Ms({ leastWait }: Row, constants: ModelConstants): number {
  const wait = leastWait.p99 - leastWait.mean
  const sent = constants.produceRttP99Ms - constants.produceRttMs
  const fetched = constants.fetchRttP99Ms - constants.fetchRttMs
  const mean = leastWait.mean + constants.produceRttMs + constants.fetchRttMs
  return mean + Math.sqrt(wait * wait + sent * sent + fetched * fetched)
}

/** Of every codec the rows that no other row of it beats in bytes, requests, CPU and waiting at once. */
export function unbeaten(rows: readonly Row[]): readonly Row[] {
  const kept: Row[] = []
  for (const row of rows) {
    // What saturates a partition here may pass on a faster cluster.
    if (row.refusal !== null && row.refusal !== 'partition-rate') continue
    if (kept.some((other) => beats(other, row))) continue
    let left = 0
    for (const other of kept) if (!beats(row, other)) kept[left++] = other
    kept.length = left
    kept.push(row)
  }
  return kept
}

function beats(a: Row, b: Row): boolean {
  return (
    a.refusal === null &&
    a.codec === b.codec &&
    a.usual.wireBytesPerRecord <= b.usual.wireBytesPerRecord &&
    a.usual.requestsPerSecond <= b.usual.requestsPerSecond &&
    a.usual.cpuUsPerRecord <= b.usual.cpuUsPerRecord &&
    a.leastWait.p99 <= b.leastWait.p99
  )
}
