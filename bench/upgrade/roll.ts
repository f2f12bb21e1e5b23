/**
 * A rolling upgrade of a local cluster: one broker after the other, version after version.
 *
 * R1. The next broker is stopped only when every partition has all its replicas in sync again: so does whoever upgrades with care.
 * R2. When all brokers run a version the features of that release are finalised.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { LocalCluster } from '@mq/local'
import { allInSync } from '../in-sync.ts'
import { nowUs } from '../migration/job.ts'

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
