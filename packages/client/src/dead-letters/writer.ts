/**
 * Writes dead letters of one group on one mQ ID.
 *
 * DW1. The mQ ID they go to is made by the control plane when the group first asks. Once its binding is known, here or in the cache, the
 *      control plane is not needed.
 * DW2. A letter is written like any message of mQ: acknowledged by all replicas in sync, stored once, carried over a migration.
 */
import { DEAD_LETTER_HEADER, MqError, sideIdOf } from '@mq/contract'
import type { SendOptions } from '../api/types.ts'
import type { LetterPort } from './giving-up.ts'
import { type DeadLetter, headersWith } from './letter.ts'

/** A handler's place is taken meanwhile; after it the letter waits without one. */
const WRITE_MS = 5_000

export interface DeadLetterWriterParts {
  readonly mqId: string
  readonly group: string
  /** Asks the control plane for the place. */
  ensure(): Promise<unknown>
  isBound(id: string): boolean
  /** Loads the binding, from wherever it can be had. */
  resolve(id: string): Promise<unknown>
  send(id: string, value: Uint8Array | null, options: SendOptions): Promise<unknown>
}

export class DeadLetterWriter implements LetterPort {
  readonly id: string
  readonly #parts: DeadLetterWriterParts
  #ensuring: Promise<void> | undefined

  constructor(parts: DeadLetterWriterParts) {
    this.#parts = parts
    this.id = sideIdOf({ mqId: parts.mqId, group: parts.group, role: 'dead-letters' })
  }

  /** Has the place at hand before it is needed; what fails is tried again with the first letter. */
  async prepare(): Promise<void> {
    try {
      await this.#ensure()
      await this.#parts.resolve(this.id)
    } catch {
      // Said when a letter cannot be written.
    }
  }

  async write({ facts, key, value, headers }: DeadLetter): Promise<void> {
    await this.#ensure()
    const options = { key, headers: headersWith(headers, DEAD_LETTER_HEADER, facts), deadlineMs: WRITE_MS }
    await this.#parts.send(this.id, value, options)
  }

  #ensure(): Promise<void> {
    if (this.#parts.isBound(this.id)) return Promise.resolve()
    this.#ensuring ??= this.#ask().finally(() => {
      this.#ensuring = undefined
    })
    return this.#ensuring
  }

  async #ask(): Promise<void> {
    try {
      await this.#parts.ensure()
    } catch (error) {
      // The cache may have it; where it has not, the send says that nothing is known.
      if (error instanceof MqError && error.code === 'MQ_CONTROL_PLANE_AWAY') return
      throw error
    }
  }
}
