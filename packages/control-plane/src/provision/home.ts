/**
 * The cluster that a new mQ ID begins on, asked of the clusters as they are now.
 */
import { type Choice, type Intent, MqError } from '@mq/contract'
import type { Clusters } from './clusters.ts'
import { candidates } from './copies-rule.ts'
import { type ClusterFacts, chooseCluster } from './placement-rules.ts'

/** @throws MqError MQ_PLACEMENT_WAITS or MQ_INTENT_UNMET (copies-rule N3, N4), or that no cluster answers */
export async function chooseHome(
  clusters: Clusters,
  intent: Intent,
): Promise<{ readonly cluster: ClusterFacts; readonly choice: Choice }> {
  const here = await clusters.reachable()
  const found = candidates(intent, here, clusters.away())
  switch (found.kind) {
    case 'clusters':
      return chooseCluster(found.clusters)!
    case 'waits':
      throw new MqError('MQ_PLACEMENT_WAITS', found.message)
    case 'unmet':
      throw new MqError('MQ_INTENT_UNMET', found.message)
  }
}
