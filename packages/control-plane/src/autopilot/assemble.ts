/**
 * The parts of deciding, put together.
 */

import { type LoopDefinition, type LoopTimes, loops, pricerFor, readingPricerFor, usualFetchesOf } from '@mq/autopilot'
import type { PolicyMode } from '@mq/contract'
import type { ClusterModel } from '@mq/economics'
import type { Deps } from '@mq/kafka'
import type { Logger } from '../logger.ts'
import type { Migrations } from '../migration/migrations.ts'
import type { Migrator } from '../migration/migrator.ts'
import type { Clusters } from '../provision/clusters.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { ActiveId } from '../registry/records.ts'
import type { Registry } from '../registry/registry.ts'
import type { OnRound } from '../rounds.ts'
import type { Store } from '../store/store.ts'
import { workloadOf } from '../telemetry/workload.ts'
import type { TrafficReader } from './change-context.ts'
import type { ChangeKind } from './change-kind.ts'
import { changeKinds } from './changes/list.ts'
import { configurationOf, logBytesOf, type SeenLog } from './configuration.ts'
import { DecisionWriter } from './decision-writer.ts'
import { Decisions } from './decisions.ts'
import { Engine } from './engine.ts'
import { Policies } from './policies.ts'
import { Replays } from './replays.ts'

/** Those of mQ where left out. */
export interface AutopilotParts {
  readonly loops?: readonly LoopDefinition[]
  readonly changeKinds?: readonly ChangeKind[]
}

export interface DecidingOptions extends AutopilotParts {
  readonly store: Store
  readonly registry: Registry
  readonly provisioner: Provisioner
  readonly clusters: Clusters
  readonly migrator: Migrator
  readonly migrations: Migrations
  readonly traffic: TrafficReader
  readonly deps: Deps
  readonly logger: Logger
  readonly times: LoopTimes
  readonly clusterModels: () => readonly ClusterModel[]
  readonly seenLog: SeenLog
  readonly onLoop?: OnRound
  /** What holds where nobody sets a policy, when the store is new. */
  readonly newInstallationMode?: PolicyMode | undefined
  readonly seenRetentionMs: (cluster: string, topic: string) => number | null
}

export interface Deciding {
  readonly decisions: Decisions
  readonly policies: Policies
  readonly engine: Engine
  readonly replays: Replays
}

export async function assembleDeciding(options: DecidingOptions): Promise<Deciding> {
  const { store, registry, provisioner, deps, traffic, clusterModels } = options
  const decisions = await Decisions.load(store.read.decisions, store.feed, deps.clock.nowMs())
  const policies = await Policies.load(store, deps, options.newInstallationMode)
  const writer = new DecisionWriter({ store, registry, provisioner, decisions, deps })
  const knownOf = (active: ActiveId) => {
    const cluster = clusterModels().find(({ name }) => name === configurationOf(active).cluster)
    const profile = traffic.profile(active.id)
    if (cluster === undefined || profile === null) return undefined
    return { cluster, profile, workload: workloadOf(profile, active, logBytesOf(options.seenLog, active)) }
  }
  const engine = new Engine({
    ...options,
    loops: options.loops ?? loops,
    kinds: new Map((options.changeKinds ?? changeKinds).map((kind) => [kind.name, kind])),
    decisions,
    policies,
    writer,
    pricer: (active) => {
      const known = knownOf(active)
      return known === undefined ? undefined : pricerFor(configurationOf(active), known.cluster, known.workload)
    },
    readingPricer: (active, usual) => {
      const known = knownOf(active)
      if (known === undefined) return undefined
      return readingPricerFor(configurationOf(active), known.cluster, known.workload, known.profile, usual ?? undefined)
    },
    usualFetches: (active) => {
      const known = knownOf(active)
      return known === undefined ? null : usualFetchesOf(known.profile, known.workload)
    },
    upSinceMs: deps.clock.nowMs(),
  })
  const replays = new Replays({ decisions, worlds: store.read.decisionWorlds, loops: options.loops ?? loops })
  return { decisions, policies, engine, replays }
}
