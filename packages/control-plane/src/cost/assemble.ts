/**
 * Watching clusters and keeping what they cost, put together.
 */
import type { ClusterAddress } from '@mq/contract'
import type { ClusterModel, ModelConstants } from '@mq/economics'
import type { Cluster, Deps } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import { clusterModelOf } from '../observe/cluster-model.ts'
import type { ClusterObservation } from '../observe/observation.ts'
import { Watcher } from '../observe/watcher.ts'
import type { Registry } from '../registry/registry.ts'
import type { OnRound } from '../rounds.ts'
import type { Store } from '../store/store.ts'
import { Budgets } from './budgets.ts'
import { CostHistory } from './cost-history.ts'
import { Costs } from './costs.ts'
import { Owners } from './owners.ts'

export interface Costing {
  readonly watcher: Watcher
  readonly history: CostHistory
  readonly budgets: Budgets
  readonly owners: Owners
  readonly costs: Costs
}

export interface CostingOptions {
  readonly store: Store
  readonly registry: Registry
  readonly openCluster: (address: ClusterAddress) => Cluster
  readonly deps: Deps
  readonly logger: Logger
  /** Measured on a cluster; undefined for the usual ones. */
  readonly constants: (cluster: string) => ModelConstants | undefined
  readonly observeEveryMs?: number
  readonly onLoop?: OnRound
}

export async function assembleCosting(options: CostingOptions): Promise<Costing> {
  const { store, registry, openCluster, deps, logger, constants, observeEveryMs } = options
  const history = await CostHistory.load(store, deps)
  const budgets = await Budgets.load(store, deps)
  const owners = await Owners.load(store, deps)
  const modelOf = (name: string, look: ClusterObservation): ClusterModel | null => {
    const record = registry.cluster(name)
    if (record === undefined) return null
    try {
      return clusterModelOf(record, look, constants(name))
    } catch (error) {
      // A price that went away with an older version of the books: nothing is made up for it.
      logger.warn({ cluster: name, ...errorFacts(error) }, 'cluster cannot be priced')
      return null
    }
  }
  const watcher: Watcher = new Watcher({
    registry,
    openCluster,
    deps,
    logger,
    onLoop: options.onLoop,
    ...(observeEveryMs === undefined ? {} : { observeEveryMs }),
    onLook: (name, look, before) => costs.take(name, look, before),
  })
  const costs: Costs = new Costs({
    registry,
    history,
    budgets,
    owners,
    deps,
    modelOf,
    problems: () => watcher.problems(),
  })
  return { watcher, history, budgets, owners, costs }
}
