/**
 * Policy rules and the global switch, in the store and mirrored in memory.
 *
 * O1. Every change is a line of the journal, in the same transaction.
 * O3. What holds where nobody set a rule is written down with the store: a later version never changes how far mQ goes by itself.
 * O2. The switch is on until somebody turned it off; it stays off over restarts.
 */
import { DEFAULT_POLICY, type EffectivePolicy, effectivePolicy, PolicyMode, type PolicyRule } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { z } from 'zod'
import type { Change } from '../store/ports/change-feed.ts'
import type { Store } from '../store/store.ts'

/** What installations did that were made before the mode was written down. */
const MODE_BEFORE: PolicyMode = 'auto'
const Switch = z.object({ on: z.boolean(), changedAtMs: z.number().int(), changedBy: z.string() })

export interface AutopilotSwitch {
  readonly on: boolean
  readonly changedAtMs: number | null
  readonly changedBy: string | null
}

export class Policies {
  readonly #store: Store
  readonly #deps: Deps
  readonly #rules = new Map<string, PolicyRule>()
  #defaultMode: PolicyMode = DEFAULT_POLICY.mode
  #switch: AutopilotSwitch = { on: true, changedAtMs: null, changedBy: null }

  private constructor(store: Store, deps: Deps) {
    this.#store = store
    this.#deps = deps
  }

  /** @param newMode of an installation that is new */
  static async load(store: Store, deps: Deps, newMode: PolicyMode = DEFAULT_POLICY.mode): Promise<Policies> {
    const policies = new Policies(store, deps)
    policies.#defaultMode = await defaultMode(store, newMode)
    for (const [scope, rule] of await store.read.policies.all()) policies.#rules.set(scope, rule)
    const value = await store.read.settings.get('autopilot')
    if (value !== undefined) policies.#switch = Switch.parse(JSON.parse(value))
    store.feed.mirror(({ changes }) => {
      for (const change of changes) policies.#follow(change)
    })
    return policies
  }

  #follow(change: Change): void {
    if (change.of === 'policy') {
      if (change.rule === null) this.#rules.delete(change.scope)
      else this.#rules.set(change.scope, change.rule)
    } else if (change.of === 'setting' && change.name === 'autopilot') {
      this.#switch = Switch.parse(JSON.parse(change.value))
    }
  }

  get autopilot(): AutopilotSwitch {
    return this.#switch
  }

  rules(): (PolicyRule & { scope: string })[] {
    return [...this.#rules].map(([scope, rule]) => ({ scope, ...rule })).sort((a, b) => (a.scope < b.scope ? -1 : 1))
  }

  effective(mqId: string, team: string | undefined): EffectivePolicy {
    return effectivePolicy(this.#rules, mqId, team, { mode: this.#defaultMode })
  }

  /** A rule that leaves everything open is as good as none, and removed. */
  async set(scope: string, rule: PolicyRule, actor: string): Promise<void> {
    const before = this.#rules.get(scope) ?? null
    const isEmpty = rule.mode === null && rule.maxChangesPerDay === null && rule.autoKnobs === null
    const nowMs = this.#deps.clock.nowMs()
    await this.#store.write(`the policy of ${scope}`, async (tx) => {
      if (isEmpty) await tx.policies.remove(scope)
      else await tx.policies.save(scope, rule, nowMs)
      const entry = { kind: 'policy', subject: scope, actor, why: 'asked for', before, after: rule } as const
      await tx.journal.append(entry, nowMs, this.#store.revision)
    })
  }

  async turn(on: boolean, actor: string): Promise<void> {
    if (this.#switch.on === on) return
    const nowMs = this.#deps.clock.nowMs()
    const after = { on, changedAtMs: nowMs, changedBy: actor }
    await this.#store.write(`the switch to ${on ? 'on' : 'off'}`, async (tx) => {
      await tx.settings.set('autopilot', JSON.stringify(after))
      const entry = {
        kind: 'autopilot',
        subject: 'autopilot',
        actor,
        why: 'asked for',
        before: this.#switch.on,
        after: on,
      } as const
      await tx.journal.append(entry, nowMs, this.#store.revision)
    })
  }
}

/** O3 */
async function defaultMode(store: Store, newMode: PolicyMode): Promise<PolicyMode> {
  const value = await store.read.settings.get('default_policy_mode')
  if (value !== undefined) return PolicyMode.parse(value)
  const mode = (await store.read.mqIds.hasAny()) ? MODE_BEFORE : newMode
  await store.write('how far mQ goes by itself', (tx) => tx.settings.set('default_policy_mode', mode))
  return mode
}
