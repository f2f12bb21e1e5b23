/** Waits until every partition of a cluster has all its replicas in sync: whoever takes brokers down with care waits for that in between. */
import { setTimeout as pause } from 'node:timers/promises'
import { Cluster, Survey } from '@mq/kafka'
import type { LocalCluster } from '@mq/local'

const POLL_MS = 200
const IN_SYNC_DEADLINE_MS = 120_000

/** @throws Error with the partitions that are behind after two minutes */
export async function allInSync(kafka: LocalCluster): Promise<void> {
  const endMs = performance.now() + IN_SYNC_DEADLINE_MS
  const cluster = new Cluster({ name: 'in-sync', clientId: 'in-sync', bootstrap: kafka.bootstrap })
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
