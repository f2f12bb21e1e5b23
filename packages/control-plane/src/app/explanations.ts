/**
 * What an mQ ID costs and why, and what it would cost under another intent.
 */

import type { Explanation, WhatIf, WhatIfAnswer } from '@mq/contract'
import type { ClusterModel } from '@mq/economics'
import { logBytesOf, type SeenLog } from '../autopilot/configuration.ts'
import type { Costs } from '../cost/costs.ts'
import { explain, type Subject } from '../explain/explain.ts'
import { whatIf } from '../explain/what-if.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Traffic } from '../telemetry/traffic.ts'
import { activeOf, type RegistryContext } from './active-id.ts'

export interface ExplainContext extends RegistryContext {
  readonly traffic: Traffic
  /** Prices, constants and room of every cluster, as they are known now. */
  readonly clusterModels: () => readonly ClusterModel[]
  readonly seenLog: SeenLog
  readonly clusters: Clusters
  readonly costs: Costs
}

export async function explainId(context: ExplainContext, id: string): Promise<Explanation> {
  return { ...explain(subjectOf(context, id)), measured: await context.costs.lastHour(id) }
}

export function answerWhatIf(
  context: ExplainContext,
  { id, ...change }: WhatIf & { readonly id: string },
): WhatIfAnswer {
  return whatIf(subjectOf(context, id), change)
}

function subjectOf(context: ExplainContext, id: string): Subject {
  const { traffic, clusterModels, clusters, seenLog } = context
  const active = activeOf(context, id)
  const logBytes = logBytesOf(seenLog, active)
  return { active, profile: traffic.profile(id), clusters: clusterModels(), traits: clusters.traits(), logBytes }
}
