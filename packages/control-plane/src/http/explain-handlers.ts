/**
 * The routes that explain what an mQ ID costs and why, and what it would cost under other wishes.
 */
import type { ClusterModel } from '@mq/economics'
import { logBytesOf, type SeenLog } from '../autopilot/configuration.ts'
import type { Costs } from '../cost/costs.ts'
import { explain, type Subject } from '../explain/explain.ts'
import { whatIf } from '../explain/what-if.ts'
import type { Clusters } from '../provision/clusters.ts'
import { deletedError, unknownError } from '../provision/provision-errors.ts'
import type { Registry } from '../registry/registry.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import type { Handlers } from './exchange.ts'

export interface ExplainServices {
  readonly registry: Registry
  readonly traffic: Traffic
  /** Prices, constants and room of every cluster, as they are known now. */
  readonly clusterModels: () => readonly ClusterModel[]
  readonly seenLog: SeenLog
  readonly clusters: Pick<Clusters, 'traits'>
  readonly costs: Costs
}

export function explainHandlers(services: ExplainServices): Pick<Handlers, 'explainId' | 'whatIf'> {
  return {
    explainId: async ({ params }) => ({
      ...explain(subjectOf(services, params.id)),
      measured: await services.costs.lastHour(params.id),
    }),
    whatIf: async ({ params, body }) => whatIf(subjectOf(services, params.id), body),
  }
}

function subjectOf({ registry, traffic, clusterModels, clusters, seenLog }: ExplainServices, id: string): Subject {
  const record = registry.get(id)
  if (record?.state === 'deleted') throw deletedError(id)
  if (record?.state !== 'active') throw unknownError(id)
  const logBytes = logBytesOf(seenLog, record)
  const profile = traffic.profile(id)
  return { active: record, profile, clusters: clusterModels(), traits: clusters.traits(), logBytes }
}
