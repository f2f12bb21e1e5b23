/**
 * The engine: looks at the world, lets the loops propose, asks the policy, and carries decisions on.
 *
 * G1. Loops propose, policy gates, the writer records, the steps apply, the verdicts measure, and what did not pay is undone.
 * G2. One step of a decision at a time, and one decision after the other for each mQ ID.
 * G3. A failing step never ends the engine: the next tick tries again, and says so in the log.
 * G4. With the autopilot off nothing is proposed and nothing begun; what is under way is rolled back, watching goes on.
 * G5. The loops work on a few mQ IDs at a time, so that thousands of them never hold up a request.
 * G6. A repair that waits is dropped once what it is to mend was in time for a whole spell.
 */

import type { LoopDefinition, Proposal, World } from '@mq/autopilot'
import {
  assessWith,
  type DecisionRecord,
  Looks,
  newRecord,
  serialise,
  viewOf,
  worldAbout,
  worstMsOf,
} from '@mq/autopilot'
import { type Decision, decisionTransition, isUnderWay, MqError, type Outlook } from '@mq/contract'
import { type Deps, sleep } from '@mq/kafka'
import { errorFacts, type Logger } from '../logger.ts'
import { KeyedMutex } from '../mutex.ts'
import { every, measured, type OnRound } from '../rounds.ts'
import type { WorldSources } from './context.ts'
import { markedForRollback } from './rollback-mark.ts'
import { activeOf } from './standing.ts'
import { step } from './steps.ts'
import { lookOf, worldOf } from './world-view.ts'

const IDS_AT_A_TIME = 20
const MAX_OUTLOOKS = 50_000

export interface EngineOptions extends WorldSources {
  readonly loops: readonly LoopDefinition[]
  readonly onLoop?: OnRound | undefined
}

export class Engine {
  readonly #options: EngineOptions
  readonly #locks = new KeyedMutex()
  readonly #outlooks = new Map<string, Outlook>()
  /** By mQ ID, when the loops last assessed it. */
  readonly #assessedAtMs = new Map<string, number>()
  readonly #looks = new Looks()
  readonly #busy = new Set<number>()
  readonly #stops: (() => Promise<void>)[] = []
  #closed = false

  constructor(options: EngineOptions) {
    this.#options = options
  }

  get #deps(): Deps {
    return this.#options.deps
  }

  get #logger(): Logger {
    return this.#options.logger
  }

  start(): void {
    const { times, onLoop } = this.#options
    const failed = (error: unknown): void => this.#logger.warn(errorFacts(error), 'a look at decisions failed')
    this.#stops.push(
      every(
        this.#deps,
        () => times.tickMs,
        measured(this.#deps, 'decisions', onLoop, () => this.tick()),
        failed,
      ),
    )
    this.#stops.push(
      every(
        this.#deps,
        () => times.proposeMs,
        measured(this.#deps, 'proposals', onLoop, () => this.propose()),
        failed,
      ),
    )
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await Promise.all(this.#stops.map((stop) => stop()))
    this.#options.writer.close()
  }

  /** Carries every decision on as far as it goes now (G2, G3). */
  async tick(): Promise<void> {
    await Promise.all(this.#options.decisions.live().map(({ number, mqId }) => this.#step(number, mqId)))
  }

  async #step(number: number, mqId: string): Promise<void> {
    // A step that hangs in a request is not waited for by the next tick.
    if (this.#closed || this.#busy.has(number)) return
    this.#busy.add(number)
    try {
      await this.#locks.run(mqId, () => step(this.#options, number))
    } catch (error) {
      if (!this.#closed)
        this.#logger.warn(
          { decision: number, mqId, ...errorFacts(error) },
          'a decision could not go on; it is tried again',
        )
    } finally {
      this.#busy.delete(number)
    }
  }

  /** Runs the loops once over everything (G1, G5). */
  async propose(): Promise<void> {
    const { registry, policies, decisions } = this.#options
    decisions.forget(this.#deps.clock.nowMs())
    const all = registry
      .all()
      .flatMap(({ id, state }) => (state === 'active' && registry.unsettled(id) === undefined ? [id] : []))
    const known = new Set(all)
    for (const [key, { mqId }] of this.#outlooks) if (!known.has(mqId)) this.#outlooks.delete(key)
    for (const id of this.#assessedAtMs.keys()) if (!known.has(id)) this.#assessedAtMs.delete(id)
    this.#looks.forget((id) => known.has(id))
    const ids = all.filter((id) => this.#isDue(id))
    for (let from = 0; from < ids.length && !this.#closed; from += IDS_AT_A_TIME) {
      const some = ids.slice(from, from + IDS_AT_A_TIME)
      const world = worldOf(this.#options, this.#looks, some, false)
      await this.#dropNeedless(world)
      const first = assessWith(this.#options.loops, world)
      for (const id of some) this.#assessedAtMs.set(id, world.nowMs)
      const worth = new Set(first.flatMap(({ proposal }) => proposal?.mqId ?? []))
      for (const { outlook } of first) if (!worth.has(outlook.mqId)) this.#say(outlook, policies.autopilot.on)
      if (worth.size > 0)
        await this.#consider(worldOf(this.#options, this.#looks, [...worth], true), policies.autopilot.on)
      if (ids.length > IDS_AT_A_TIME) await sleep(this.#deps, 0)
    }
  }

  /** What a repair was to mend may mend itself while it waits: then nothing dearer is rolled out (G6). */
  async #dropNeedless({ ids, nowMs }: World): Promise<void> {
    const { writer, traffic } = this.#options
    for (const { id, intent, looks, decisions } of ids) {
      const waits = decisions.filter(({ state, work }) => work.repair !== null && isUntouched(state))
      if (waits.length === 0 || looks.length > 0) continue
      const nowTakesMs = worstMsOf(lookOf(traffic, id, nowMs))
      if (nowTakesMs === 0 || nowTakesMs > intent.latencyP99Ms) continue
      const note = `the p99 is met again: ${Math.round(nowTakesMs)} ms where ${intent.latencyP99Ms} ms are allowed`
      for (const { number } of waits) {
        await this.#locks.run(id, async () => {
          if (isUntouched(this.#options.decisions.current(number)?.state))
            await writer.transition(number, { event: 'supersede', note, actor: 'mq' })
        })
      }
    }
  }

  async #consider(world: World, isOn: boolean): Promise<void> {
    const taken = new Set<string>()
    for (const { proposal, outlook } of assessWith(this.#options.loops, world)) {
      this.#say(outlook, isOn)
      if (!isOn || proposal === undefined || taken.has(proposal.mqId)) continue
      if (await this.#locks.run(proposal.mqId, () => this.#record(world, proposal))) taken.add(proposal.mqId)
    }
  }

  /** @returns whether it is a new one: what waits already keeps no other loop from speaking */
  async #record(world: World, proposal: Proposal): Promise<boolean> {
    const { writer, decisions } = this.#options
    const one = world.ids.find(({ id }) => id === proposal.mqId)!
    const active = activeOf(this.#options, proposal.mqId)
    if (this.#closed || active === undefined || active.spec.producer !== one.producer) return false
    const open = decisions.of(proposal.mqId).filter(({ state }) => state === 'proposed' || state === 'waiting')
    const same = open.find(({ change }) => JSON.stringify(change) === JSON.stringify(proposal.change))
    if (same !== undefined) return false
    const older = open.filter(({ kind, loop }) => kind === proposal.change.kind && loop === proposal.loop)
    const record = newRecord(world, one, active.spec.choices, proposal)
    const recorded = { world: serialise(worldAbout(world, proposal.mqId)), proposal: serialise(proposal) }
    const inserted = await writer.insert(record, recorded)
    for (const { number } of older) {
      const note = `decision ${inserted.number} is better on newer figures`
      await writer.transition(number, { event: 'supersede', note, actor: 'mq' })
    }
    return true
  }

  /** Whether there may be something new to say about it. */
  #isDue(id: string): boolean {
    const { loops, times } = this.#options
    const lastMs = this.#assessedAtMs.get(id)
    if (lastMs === undefined) return true
    const ageMs = this.#deps.clock.nowMs() - lastMs
    return loops.some(({ name, cadence }) => ageMs >= cadence(times, this.#outlooks.get(`${name} ${id}`)?.state))
  }

  #say(outlook: Omit<Outlook, 'atMs'>, isOn: boolean): void {
    const key = `${outlook.loop} ${outlook.mqId}`
    if (this.#outlooks.size >= MAX_OUTLOOKS && !this.#outlooks.has(key)) return
    const said = isOn
      ? outlook
      : { ...outlook, state: 'off' as const, reason: `the autopilot is off; otherwise: ${outlook.reason}` }
    this.#outlooks.set(key, { ...said, atMs: this.#deps.clock.nowMs() })
  }

  /** Why nothing is proposed just now; of one mQ ID, or of all. */
  outlooks(mqId?: string): Outlook[] {
    return [...this.#outlooks.values()].filter((one) => mqId === undefined || one.mqId === mqId)
  }

  view(record: DecisionRecord): Decision {
    return viewOf(record)
  }

  /** A person says yes. @throws MqError MQ_DECISION_OVER, MQ_DECISION_UNDER_WAY, MQ_AUTOPILOT_OFF */
  async approve(number: number, actor: string): Promise<Decision> {
    const { policies, writer } = this.#options
    const { mqId } = await this.#open(number, 'accept')
    if (!policies.autopilot.on) {
      throw new MqError(
        'MQ_AUTOPILOT_OFF',
        `decision ${number} cannot begin: the autopilot was turned off by ${policies.autopilot.changedBy ?? 'somebody'}`,
      )
    }
    return this.#locks.run(mqId, async () => {
      await writer.transition(number, { event: 'accept', note: `approved by ${actor}`, actor }, (row) => ({
        ...row,
        approvedBy: actor,
      }))
      await step(this.#options, number).catch((error: unknown) => this.#later(number, error))
      return viewOf(await this.#options.decisions.find(number))
    })
  }

  /** A person wants it undone, or says no where nothing was touched yet. @throws MqError MQ_DECISION_OVER, MQ_DECISION_OVERTAKEN */
  async undo(number: number, actor: string): Promise<Decision> {
    const { writer, decisions } = this.#options
    const { mqId } = await this.#open(number, 'undo')
    return this.#locks.run(mqId, async () => {
      const record = decisions.current(number)
      if (record === undefined) return viewOf(await decisions.find(number))
      const later = decisions
        .of(mqId)
        .find(
          (one) => one.number > number && one.kind === record.kind && (one.state === 'kept' || isUnderWay(one.state)),
        )
      if (record.state === 'kept' && later !== undefined) {
        throw new MqError(
          'MQ_DECISION_OVERTAKEN',
          `decision ${later.number} changed the same settings of '${mqId}' after decision ${number} and is ${later.state}`,
          { details: { number, later: later.number } },
        )
      }
      const reason = `asked for by ${actor}`
      const nowMs = this.#deps.clock.nowMs()
      await writer.transition(number, { event: 'undo', note: reason, actor }, (row) =>
        decisionTransition(row.state, 'undo').kind === 'go' &&
        row.state !== 'proposed' &&
        row.state !== 'waiting' &&
        row.state !== 'approved'
          ? markedForRollback(row, nowMs, 'undone', reason, actor)
          : row,
      )
      await step(this.#options, number).catch((error: unknown) => this.#later(number, error))
      return viewOf(await decisions.find(number))
    })
  }

  async turn(on: boolean, actor: string): Promise<void> {
    await this.#options.policies.turn(on, actor)
    if (!on) await this.tick()
  }

  /** The record, when the event may be raised in its state. */
  async #open(number: number, event: 'accept' | 'undo'): Promise<DecisionRecord> {
    const record = await this.#options.decisions.find(number)
    const answer = decisionTransition(record.state, event)
    if (answer.kind === 'refuse') {
      throw new MqError(answer.code, `decision ${number} about '${record.mqId}' is ${record.state}: ${record.status}`, {
        details: { number, state: record.state },
      })
    }
    return record
  }

  /** What was asked for stands in the store; the next tick carries it on. */
  #later(number: number, error: unknown): void {
    this.#logger.warn({ decision: number, ...errorFacts(error) }, 'a decision goes on later')
  }
}

function isUntouched(state: DecisionRecord['state'] | undefined): boolean {
  return state === 'proposed' || state === 'waiting' || state === 'approved'
}
