/**
 * Why configurations are out, in words with numbers: for what was refused along the way, and for an intent nothing meets (P2).
 */
import type { Intent } from '@mq/contract'
import type { Candidate, Constraint, Outcome, Rejection } from './optimum.ts'
import type { Requirements, Solved } from './search.ts'
import type { Count } from './tally.ts'

/** P2 */
export function infeasible(solved: Solved, nearest: Candidate, requirements: Requirements): Outcome {
  const late = solved.refused.get('latency')
  if (late !== undefined) {
    const by = nearest.peakEndToEndP99Ms - requirements.latencyMs
    return {
      kind: 'infeasible',
      constraint: 'latency',
      by,
      unit: 'ms',
      why: `the fastest configuration has a p99 of ${nearest.peakEndToEndP99Ms.toFixed(1)} ms, ${by.toFixed(1)} ms over the ${requirements.latencyMs.toFixed(1)} ms it may have (what is asked for, less a margin)`,
    }
  }
  const slow = solved.refused.get('acknowledgement')
  if (slow !== undefined) {
    const by = nearest.prediction.sendP99Ms - requirements.sendMs
    return {
      kind: 'infeasible',
      constraint: 'acknowledgement',
      by,
      unit: 'ms',
      why: `the fastest configuration acknowledges with a p99 of ${nearest.prediction.sendP99Ms.toFixed(1)} ms, ${by.toFixed(1)} ms over the ${requirements.sendMs.toFixed(1)} ms it may have (what is asked for, less a margin)`,
    }
  }
  const [constraint, count] = [...solved.refused].toSorted(([, a], [, b]) => b.count - a.count)[0] ?? [
    'durability',
    null,
  ]
  switch (constraint) {
    case 'producer-memory': {
      const by = (count?.least ?? 0) - requirements.limits.memoryBytes
      return {
        kind: 'infeasible',
        constraint,
        by,
        unit: 'bytes',
        why: `a producer would buffer ${mib(count?.least)} MiB; ${mib(requirements.limits.memoryBytes)} MiB are allowed`,
      }
    }
    case 'partition-rate':
    case 'producer-cpu':
      return {
        kind: 'infeasible',
        constraint,
        by: count?.least ?? 0,
        unit: 'records/s',
        why:
          constraint === 'partition-rate'
            ? `the partitions cannot carry ${Math.round(count?.least ?? 0).toLocaleString('en-US')} records/s: more partitions are needed`
            : 'a producer process would need more CPU than it has: more producers are needed',
      }
    default:
      return {
        kind: 'infeasible',
        constraint,
        by: 1,
        unit: 'clusters',
        why: `no cluster has what is asked for: ${words(constraint, count, requirements)}`,
      }
  }
}

export function rejections(solved: Solved, requirements: Requirements, intent: Intent): Rejection[] {
  return [...solved.refused]
    .map(([constraint, count]) => ({
      constraint,
      reason: constraint === 'latency' ? late(count, requirements, intent) : words(constraint, count, requirements),
      count: count.count,
    }))
    .toSorted((a, b) => b.count - a.count)
}

function late(count: Count, requirements: Requirements, intent: Intent): string {
  return `p99 of ${count.least.toFixed(0)} to ${count.most.toFixed(0)} ms, over ${requirements.latencyMs.toFixed(0)} ms (${intent.latencyP99Ms} ms less a margin)`
}

function words(constraint: Constraint, count: Count | null, requirements: Requirements): string {
  switch (constraint) {
    case 'durability':
      return `fewer brokers than the ${requirements.replication} copies asked for`
    case 'headroom':
      return 'the cluster has no room for its bytes, disks or partitions'
    case 'producer-memory':
      return `up to ${mib(count?.most)} MiB in a producer's memory, over ${mib(requirements.limits.memoryBytes)} MiB`
    case 'producer-cpu':
      return `up to ${(count?.most ?? 0).toFixed(1)} cores in a producer, over ${requirements.limits.cpuShare}`
    case 'partition-rate':
      return 'a partition cannot carry its share of the rate'
    case 'message-size':
      return 'batches larger than the largest message allowed'
    case 'acknowledgement':
      return `sends acknowledged with a p99 of ${(count?.least ?? 0).toFixed(0)} to ${(count?.most ?? 0).toFixed(0)} ms, over ${requirements.sendMs.toFixed(0)} ms (what is asked for, less a margin)`
    case 'latency':
    case 'budget':
    case 'ordering':
    case 'retention':
      return constraint
  }
}

function mib(bytes: number | undefined): string {
  return ((bytes ?? 0) / 1_048_576).toFixed(1)
}
