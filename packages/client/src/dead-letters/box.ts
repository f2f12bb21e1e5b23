/**
 * The dead letters of one group on one mQ ID: looked at, handed to the group again, discarded.
 *
 * DB1. Looking changes nothing.
 * DB2. A redrive writes the message to the way back of its group, and once that is acknowledged a marker beside its letter. Killed in
 *      between it is resumed by running it again: what is on the way back counts as handed out. So nothing is lost, and nothing is handed
 *      out twice, save by two redrives at the same time, or when the way back was moved and its old epoch removed in between.
 * DB3. A letter that was handed out again `MAX_REDRIVES` times is passed over unless that is forced.
 * DB4. Who did what to how many letters stands in the journal: when it began and when it ended. Without a journal nothing is done.
 */
import {
  type DeadLetterAction,
  type DeadLetterFacts,
  DeadLetterFold,
  letterOf,
  MAX_REDRIVES,
  REDRIVEN_HEADER,
  SETTLED_HEADER,
  type SettledMarker,
} from '@mq/contract'
import { type Deps, pause } from '@mq/kafka'
import type { SendOptions } from '../api/types.ts'
import type { MessageRecord } from '../formats/message.ts'
import { headersWith, letterOfRecord } from './letter.ts'
import type { Acted, ActOptions, DeadLetterBox, DeadLetterFilter, DeadLetterView, RedriveOptions } from './types.ts'

/** Sent together, and settled together: at most so many are between the two when a redrive is killed. */
const CHUNK = 100

export interface DeadLetterBoxParts {
  readonly app: string
  readonly deps: Deps
  /** Everything written about letters, to the end of now; nothing where there is no place for them yet. */
  letters(signal?: AbortSignal): AsyncIterable<MessageRecord>
  /** Everything on the way back. */
  redriven(signal?: AbortSignal): AsyncIterable<MessageRecord>
  ensureRedrive(): Promise<unknown>
  send(to: 'dead-letters' | 'redrive', value: Uint8Array | null, options: SendOptions): Promise<unknown>
  note(action: DeadLetterAction): Promise<void>
}

export class GroupDeadLetters implements DeadLetterBox {
  readonly #parts: DeadLetterBoxParts

  constructor(parts: DeadLetterBoxParts) {
    this.#parts = parts
  }

  /** What is kept and chosen, oldest first; facts only (DB1). */
  async list(filter: DeadLetterFilter = {}, signal?: AbortSignal): Promise<DeadLetterFacts[]> {
    const names = await this.#choose(filter, signal)
    return [...names.values()]
  }

  /** The letters themselves (DB1). */
  async *show(filter: DeadLetterFilter = {}, signal?: AbortSignal): AsyncGenerator<DeadLetterView> {
    yield* this.#read(await this.#choose(filter, signal), signal)
  }

  /** Hands messages to their group again (DB2). */
  async redrive(filter: DeadLetterFilter = {}, options: RedriveOptions = {}): Promise<Acted> {
    const { force = false, ratePerSecond } = options
    const all = await this.#choose({ ...filter, ...noLimit }, options.signal)
    const chosen = new Map(
      [...all].filter(([, { redrives }]) => force || redrives < MAX_REDRIVES).slice(0, filter.limit ?? all.size),
    )
    const tooOften = force ? 0 : [...all.values()].filter(({ redrives }) => redrives >= MAX_REDRIVES).length
    const { deps } = this.#parts
    if (chosen.size > 0) await this.#parts.ensureRedrive()
    const startedMs = deps.clock.monotonicMs()
    let paced = 0
    const size = ratePerSecond === undefined ? CHUNK : Math.max(1, Math.min(CHUNK, Math.floor(ratePerSecond / 2)))
    const done = await this.#act('redrive', filter, chosen, size, options, async (letters) => {
      await Promise.all(
        letters.map(({ facts, key, valueBytes, headers }) => {
          const again = { ...facts, redrives: facts.redrives + 1 }
          return this.#parts.send('redrive', valueBytes, { key, headers: headersWith(headers, REDRIVEN_HEADER, again) })
        }),
      )
      paced += letters.length
      if (ratePerSecond === undefined) return
      const aheadMs = (paced / ratePerSecond) * 1_000 - (deps.clock.monotonicMs() - startedMs)
      if (aheadMs > 0) await pause(deps, aheadMs, options.signal)
    })
    return { done, tooOften, left: chosen.size - done }
  }

  /** Lets letters go: they are passed over from now on, and removed when their retention is over. */
  async discard(filter: DeadLetterFilter = {}, options: ActOptions = {}): Promise<Acted> {
    const chosen = await this.#choose(filter, options.signal)
    const done = await this.#act('discard', filter, chosen, CHUNK, options, async () => {})
    return { done, tooOften: 0, left: chosen.size - done }
  }

  /** @param before what is done with letters before they count as settled */
  async #act(
    action: DeadLetterAction['action'],
    filter: DeadLetterFilter,
    chosen: ReadonlyMap<string, DeadLetterFacts>,
    size: number,
    { by, signal, onProgress }: ActOptions,
    before: (letters: readonly DeadLetterView[]) => Promise<void>,
  ): Promise<number> {
    if (chosen.size === 0) return 0
    const told = { action, filter: textOf(filter), by: by ?? this.#parts.app }
    await this.#parts.note({ ...told, letters: chosen.size, state: 'begun' })
    let done = 0
    let isWhole = false
    try {
      let chunk: DeadLetterView[] = []
      const settle = async (): Promise<void> => {
        await before(chunk)
        await Promise.all(chunk.map((view) => this.#mark(view, action === 'redrive' ? 'redriven' : 'discarded')))
        done += chunk.length
        chunk = []
        onProgress?.(done, chosen.size)
      }
      for await (const view of this.#read(chosen, signal)) {
        if (signal?.aborted === true) break
        chunk.push(view)
        if (chunk.length >= size) await settle()
      }
      if (chunk.length > 0 && signal?.aborted !== true) await settle()
      isWhole = done === chosen.size
      return done
    } finally {
      await this.#parts.note({ ...told, letters: done, state: isWhole ? 'ended' : 'broken-off' }).catch(() => {})
    }
  }

  #mark({ letter, facts }: DeadLetterView, as: SettledMarker['as']): Promise<unknown> {
    const atMs = Math.round(this.#parts.deps.clock.nowMs())
    const marker: SettledMarker = { v: 1, letter, as, atMs, lastFailedAtMs: facts.lastFailedAtMs }
    return this.#parts.send('dead-letters', null, { key: letter, headers: headersWith([], SETTLED_HEADER, marker) })
  }

  async #choose(filter: DeadLetterFilter, signal?: AbortSignal): Promise<Map<string, DeadLetterFacts>> {
    const fold = new DeadLetterFold((facts) => facts)
    const keys = new Map<string, string | null>()
    for await (const record of this.#parts.letters(signal)) {
      fold.take(record)
      if (filter.key === undefined) continue
      const letter = letterOfRecord(record)
      if (letter !== undefined) keys.set(letterOf(letter.facts), record.keyString())
    }
    for await (const record of this.#parts.redriven(signal)) fold.takeRedriven(record)
    signal?.throwIfAborted()
    const chosen = new Map<string, DeadLetterFacts>()
    for (const facts of fold.kept()) {
      const name = letterOf(facts)
      if (chosen.size >= (filter.limit ?? Number.POSITIVE_INFINITY)) break
      if (filter.key !== undefined && keys.get(name) !== filter.key) continue
      if (isChosen(facts, name, filter)) chosen.set(name, facts)
    }
    return chosen
  }

  async *#read(chosen: ReadonlyMap<string, DeadLetterFacts>, signal?: AbortSignal): AsyncGenerator<DeadLetterView> {
    const wanted = new Set(chosen.keys())
    if (wanted.size === 0) return
    for await (const record of this.#parts.letters(signal)) {
      const found = letterOfRecord(record)
      if (found === undefined) continue
      const letter = letterOf(found.facts)
      if (!wanted.delete(letter)) continue
      // The newest of those that were written for this message: the message is the same in all of them.
      const facts = chosen.get(letter)!
      // Views into a fetched batch, which is let go when the next one comes.
      const key = found.key === null ? null : Buffer.from(found.key)
      const valueBytes = found.value === null ? null : Buffer.from(found.value)
      const headers = found.headers.map(({ key: name, value }) => ({ key: name, value: value && Buffer.from(value) }))
      yield { letter, facts, key, valueBytes, headers }
      if (wanted.size === 0) return
    }
  }
}

const noLimit = { limit: Number.POSITIVE_INFINITY }

function isChosen({ lastFailedAtMs, reason }: DeadLetterFacts, name: string, filter: DeadLetterFilter): boolean {
  const { sinceMs, untilMs, letters } = filter
  if (sinceMs !== undefined && lastFailedAtMs < sinceMs) return false
  if (untilMs !== undefined && lastFailedAtMs >= untilMs) return false
  if (letters !== undefined && !letters.includes(name)) return false
  if (filter.reason === undefined) return true
  const text = [reason.name, reason.code ?? '', reason.kind, reason.message].join('\n').toLowerCase()
  return text.includes(filter.reason.toLowerCase())
}

/** For the journal: keys stay out of it. */
function textOf({ key, reason, sinceMs, untilMs, letters, limit }: DeadLetterFilter): string {
  const parts = [
    ...(key === undefined ? [] : ['one key']),
    ...(reason === undefined ? [] : [`reason '${reason.slice(0, 200)}'`]),
    ...(sinceMs === undefined ? [] : [`since ${new Date(sinceMs).toISOString()}`]),
    ...(untilMs === undefined ? [] : [`until ${new Date(untilMs).toISOString()}`]),
    ...(letters === undefined
      ? []
      : [`letters ${letters.slice(0, 10).join(', ')}${letters.length > 10 ? ', ...' : ''}`]),
    ...(limit === undefined ? [] : [`at most ${limit}`]),
  ]
  return parts.length === 0 ? 'all' : parts.join(', ')
}
