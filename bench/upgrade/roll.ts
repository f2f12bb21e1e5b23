/**
 * A rolling upgrade of a local cluster: one broker after the other, version after version.
 *
 * R1. The next broker is stopped only when every partition has all its replicas in sync again: so does whoever upgrades with care.
 * R2. When all brokers run a version the features of that release are finalised.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster, Survey } from '@mq/kafka'
import type { LocalCluster } from '@mq/local'
import { nowUs } from '../moves/job.ts'

const POLL_MS = 200
const IN_SYNC_DEADLINE_MS = 120_000

export interface RollStep {
  readonly broker: number
  readonly from: string
  readonly to: string
  readonly startedUs: number
  /** When everything was in sync again. */
  readonly endedUs: number
}

export async function roll(
  kafka: LocalCluster,
  versions: readonly string[],
  pauseMs: number,
  onStep: (step: RollStep) => void,
): Promise<RollStep[]> {
  const steps: RollStep[] = []
  for (const version of versions) {
    for (const broker of kafka.brokers) {
      const from = broker.version
      const startedUs = nowUs()
      await broker.restart(version)
      await allInSync(kafka)
      const step = { broker: broker.nodeId, from, to: version, startedUs, endedUs: nowUs() }
      steps.push(step)
      onStep(step)
      await pause(pauseMs)
    }
    await kafka.upgradeFeatures({ release: version.split('.').slice(0, 2).join('.') })
    await pause(pauseMs)
  }
  return steps
}

/** R1 */
async function allInSync(kafka: LocalCluster): Promise<void> {
  const endMs = performance.now() + IN_SYNC_DEADLINE_MS
  const cluster = new Cluster({ name: 'roll', clientId: 'roll', bootstrap: kafka.bootstrap })
  try {
    for (;;) {
      const behind = await lagging(cluster).catch((error: unknown) => [String(error)])
      if (behind.length === 0) return
      if (performance.now() > endMs) throw new Error(`not in sync after a restart: ${behind.slice(0, 5).join(', ')}`)
      await pause(POLL_MS)
    }
  } finally {
    await cluster.close()
  }
}

async function lagging(cluster: Cluster): Promise<string[]> {
  const { topics } = await new Survey(cluster).topics()
  return topics.flatMap(({ name, partitions }) =>
    partitions.filter(({ isr, replicas }) => isr.length < replicas.length).map(({ index }) => `${name}-${index}`),
  )
}
