/**
 * Writes of workload twins.
 *
 * W1. A twin that was under way when the process ended is marked failed at the next start: it cannot be carried on, only asked for again.
 */
import { MqError, type Twin } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import type { Entry } from '../store/ports/journal.ts'
import type { Store } from '../store/store.ts'
import type { TwinRecord } from './twin-record.ts'

export class TwinWriter {
  readonly #store: Store
  /** In every name of a topic of this store's twins, so that another mQ on the same cluster leaves them alone. */
  readonly tag: string

  private constructor(store: Store, tag: string) {
    this.#store = store
    this.tag = tag
  }

  static async load(store: Store, deps: Deps): Promise<TwinWriter> {
    const writer = new TwinWriter(store, (await store.read.settings.get('twin_tag')) ?? (await newTag(store, deps)))
    for (const record of await store.read.twins.open()) {
      const endedAtMs = deps.clock.nowMs()
      const problem = 'the control plane ended while it ran'
      await writer.save({ ...record, twin: { ...record.twin, state: 'failed', problem, endedAtMs } })
    }
    return writer
  }

  async add(draft: Omit<Twin, 'number'>): Promise<TwinRecord> {
    const { mqId, actor, why, startedAtMs, request } = draft
    return this.#store.write(`a twin of ${mqId}`, async (tx) => {
      const record = await tx.twins.add(draft)
      const after = { twin: record.twin.number, request }
      const entry = { kind: 'twin', subject: mqId, actor, why, before: null, after } as const
      await tx.journal.append(entry, startedAtMs, this.#store.revision)
      return record
    })
  }

  async save(record: TwinRecord): Promise<void> {
    await this.#store.write(`twin ${record.twin.number}`, (tx) => tx.twins.save(record))
  }

  /** @param by whoever cancelled it */
  async saveCancelled(record: TwinRecord, by: Pick<Entry, 'actor' | 'requestId'>, atMs: number): Promise<void> {
    const { number, mqId } = record.twin
    await this.#store.write(`twin ${number}`, async (tx) => {
      await tx.twins.save(record)
      const why = `twin ${number} was cancelled`
      const entry = {
        kind: 'twin-cancelled',
        subject: mqId,
        ...by,
        why,
        before: null,
        after: { twin: number },
      } as const
      await tx.journal.append(entry, atMs, this.#store.revision)
    })
  }

  async find(number: number): Promise<TwinRecord> {
    const record = await this.#store.read.twins.find(number)
    if (record !== undefined) return record
    throw new MqError('MQ_TWIN_UNKNOWN', `there is no workload twin ${number}`, { details: { number } })
  }

  /** Newest first. */
  async list(filter: {
    readonly mqId?: string | undefined
    readonly limit: number
    readonly below?: number | undefined
  }): Promise<TwinRecord[]> {
    return this.#store.read.twins.list(filter)
  }
}

async function newTag(store: Store, deps: Deps): Promise<string> {
  const tag = Math.floor(deps.random() * 36 ** 8)
    .toString(36)
    .padStart(8, '0')
  await store.write('naming the twins', (tx) => tx.settings.set('twin_tag', tag))
  return tag
}
