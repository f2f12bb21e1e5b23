/**
 * Clusters: which there are, registering and changing one, forgetting one.
 *
 * K1. New addresses of a cluster that mQ IDs live on must lead to the same Kafka cluster.
 * K2. A cluster is forgotten only while no mQ ID lives on it and no migration needs it. One that was left open because the cluster is away
 *     (migration/undo.ts, U4) does not: forgetting it is the word that it never comes back.
 */

import { type ClusterAddress, type ClusterView, MqError, type RouteBody } from '@mq/contract'
import type { Migrations } from '../migration/migrations.ts'
import { isLeftOpen } from '../migration/withdraw.ts'
import { checkEconomics } from '../observe/cluster-model.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'
import { type Page, type PageInput, pageByKey } from './page.ts'

export interface ClusterContext extends RegistryContext {
  readonly clusters: Clusters
  readonly migrations: Migrations
}

export async function putCluster(
  context: ClusterContext,
  caller: Caller,
  { name, ...described }: RouteBody<'putCluster'> & { readonly name: string },
): Promise<ClusterView> {
  const { registry, clusters } = context
  const { economics, region, labels, ...address } = described
  if (economics != null) checkEconomics(economics)
  await clusters.checkDescribed({ name, ...address })
  await checkSameKafka(context, { name, ...address })
  await registry.putCluster({ name, ...address }, actorOf(caller))
  if (economics !== undefined) await registry.setEconomics(name, economics, actorOf(caller))
  const site = { ...(region === undefined ? {} : { region }), ...(labels === undefined ? {} : { labels }) }
  await registry.setSite(name, site, actorOf(caller))
  await clusters.check(name)
  return clusters.view(name)
}

export function listClusters({ clusters }: ClusterContext, page: PageInput<string>): Page<ClusterView, string> {
  return pageByKey(clusters.views(), ({ name }) => name, page)
}

/** K1 */
async function checkSameKafka({ registry, clusters }: ClusterContext, address: ClusterAddress): Promise<void> {
  const known = registry.cluster(address.name)
  const users = registry.idsOn(address.name)
  if (known?.kafkaId == null || users.length === 0) return
  if (JSON.stringify(known.address) === JSON.stringify(address)) return
  const { clusterId } = await clusters.probe(address)
  if (clusterId === known.kafkaId) return
  throw new MqError(
    'MQ_CLUSTER_IN_USE',
    `the new addresses of '${address.name}' lead to Kafka cluster ${clusterId}, and ${users.length} mQ ID${users.length === 1 ? ' lives' : 's live'} on ${known.kafkaId}`,
  )
}

/** K2 */
export async function deleteCluster(context: ClusterContext, caller: Caller, name: string): Promise<void> {
  const [user] = context.migrations.on(name).filter((record) => !isLeftOpen(record))
  if (user !== undefined) {
    throw new MqError(
      'MQ_CLUSTER_IN_USE',
      `migration ${user.number} of '${user.mqId}' (${user.state}) still needs cluster '${name}'`,
      { details: { migration: user.number } },
    )
  }
  await context.registry.deleteCluster(name, actorOf(caller))
  await context.clusters.drop(name)
}
