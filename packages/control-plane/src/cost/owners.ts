/**
 * Rules by which topics and groups belong to teams, kept in the store and mirrored in memory.
 *
 * N1. A change is a line of the journal, in the same transaction. Hours that are over keep the owners they were recorded with.
 */
import { type OwnerRule, OwnerRules } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Store } from '../store/store.ts'

export class Owners {
  readonly #store: Store
  readonly #deps: Deps
  #rules: readonly OwnerRule[] = []

  private constructor(store: Store, deps: Deps) {
    this.#store = store
    this.#deps = deps
  }

  static async load(store: Store, deps: Deps): Promise<Owners> {
    const owners = new Owners(store, deps)
    const value = await store.read.settings.get('owner_rules')
    if (value !== undefined) owners.#rules = OwnerRules.parse(JSON.parse(value))
    store.feed.mirror(({ changes }) => {
      for (const change of changes) {
        if (change.of === 'setting' && change.name === 'owner_rules') {
          owners.#rules = OwnerRules.parse(JSON.parse(change.value))
        }
      }
    })
    return owners
  }

  get rules(): readonly OwnerRule[] {
    return this.#rules
  }

  /** What is as it was changes nothing, and writes nothing. */
  async replace(rules: readonly OwnerRule[], actor: string): Promise<void> {
    const [before, value] = [this.#rules, JSON.stringify(rules)]
    if (JSON.stringify(before) === value) return
    const nowMs = this.#deps.clock.nowMs()
    await this.#store.write('the rules of owners', async (tx) => {
      await tx.settings.set('owner_rules', value)
      const entry = { kind: 'owners', subject: 'owners', actor, why: 'asked for', before, after: rules } as const
      await tx.journal.append(entry, nowMs, this.#store.revision)
    })
  }
}
