/**
 * Clusters through the Kafka protocol.
 */
import { MqError } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { OpenAdmin } from './cluster-admin.ts'

export type ClusterCredentials = Readonly<Record<string, unknown>>

export function kafkaAdminOpener(_credentials: Readonly<Record<string, ClusterCredentials>>, _deps: Deps): OpenAdmin {
  return (address) => {
    throw new MqError('MQ_INTERNAL', `cluster '${address.name}' cannot be spoken to yet`)
  }
}
