/**
 * Declaring many mQ IDs at once, or saying what that would change.
 *
 * A1. All or nothing where it can be known beforehand: one refused declaration, and nothing is touched.
 */
import { type Declaration, MqError, type Plan, type PlanEntry } from '@mq/contract'
import type { Clusters } from '../provision/clusters.ts'
import type { Provisioner } from '../provision/provisioner.ts'
import type { SideQueues } from '../provision/side-queues.ts'
import type { RegistryContext } from './active-id.ts'
import { actorOf, type Caller } from './caller.ts'

/** Declarations that are provisioned at the same time. */
const APPLY_WIDTH = 8
const STORE_CODES: ReadonlySet<string> = new Set(['MQ_STORE_FAILED', 'MQ_STORE_DAMAGED'])

export interface ApplyContext extends RegistryContext {
  readonly clusters: Clusters
  readonly provisioner: Provisioner
  readonly sides: SideQueues
}

/** A1 */
export async function applyDeclarations(
  context: ApplyContext,
  caller: Caller,
  { declarations, planOnly }: { readonly declarations: readonly Declaration[]; readonly planOnly: boolean },
): Promise<Plan> {
  const seen = new Set<string>()
  for (const { id } of declarations) {
    if (seen.has(id)) throw new MqError('MQ_REQUEST_INVALID', `'${id}' is declared twice in one request`)
    seen.add(id)
  }
  const plans = await inParallel(declarations, ({ id, intent }) => context.provisioner.plan(id, intent))
  if (planOnly || plans.some((plan) => plan.action === 'refuse')) {
    return { applied: false, executed: false, entries: plans }
  }
  if (plans.some((plan) => plan.action === 'create')) await context.clusters.reachable()
  const entries = await inParallel(declarations, (declaration, index) =>
    declareOrRefuse(context, caller, declaration, plans[index]!),
  )
  return { applied: entries.every((entry) => entry.action !== 'refuse'), executed: true, entries }
}

async function declareOrRefuse(
  { provisioner, sides, registry }: ApplyContext,
  caller: Caller,
  { id, intent }: Declaration,
  plan: PlanEntry,
): Promise<PlanEntry> {
  try {
    const entry = await provisioner.declare(id, intent, 'apply', actorOf(caller))
    if (entry.action === 'update') await sides.follow(id, actorOf(caller))
    return entry
  } catch (error) {
    if (!(error instanceof MqError)) throw error
    // A store that cannot be written fails the request as a whole: nothing after it can succeed either.
    if (STORE_CODES.has(error.code) || error.code === 'MQ_INTERNAL') throw error
    const isPending = registry.get(id)?.pending != null
    const refusal = { code: error.code, message: error.message }
    return { ...plan, action: 'refuse', refusal, ...(isPending ? { pending: true } : {}) }
  }
}

async function inParallel<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) results[index] = await work(items[index]!, index)
  }
  await Promise.all(Array.from({ length: Math.min(APPLY_WIDTH, items.length) }, worker))
  return results
}
