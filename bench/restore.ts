/**
 * `mq measure restore`: backups of a control plane are restored under running applications, on two real clusters.
 *
 * RS1. A seeded run declares, migrates, changes and deletes mQ IDs before a backup and after it; applications send and read all the time.
 * RS2. What is right is what the control plane knew when it ended. After the restore every mQ ID is as it was then, or is unsettled.
 * RS3. Lost, duplicated and reordered come from the checker of the test kit over what the applications wrote down.
 * RS4. The exit code is 1 when a send failed, an mQ ID is neither as it was nor unsettled, or the checker found anything at all.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { installKafka } from '@mq/local'
import type { History, Side } from '../packages/control-plane/test/faults/history.ts'
import { Stage } from '../packages/control-plane/test/faults/stage.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { RestoreResult } from './results.ts'
import { stopOnce } from './stop-once.ts'
import { restoreTable } from './tables.ts'

const USAGE = 'mq measure restore [--seeds 20] [--steps 5] [--seed 1] [--json] [--save] [--date YYYY-MM-DD]'
const flags = readFlags(USAGE, { seeds: 20, steps: 5 })
const GROUP = 'live'
/** mQ IDs with applications in one run. */
const LIVE = 2
const ENOUGH_SENT = 200
const SETTLE_MS = 300_000
const MOST_TRIES = 20

type Run = RestoreResult['runs'][number]

const say = (text: string): void => console.error(`  ${text}`)
const startedMs = performance.now()
// Brokers carry little here: the second compiler of the JVM would take more than they do.
process.env.MQ_KAFKA_JVM_FLAGS ??= '-XX:TieredStopAtLevel=1'

function generator(seed: number): () => number {
  let state = seed * 2_654_435_761
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 2_246_822_519) + 3_266_489_917) | 0
    return ((state ^ (state >>> 13)) >>> 0) / 4_294_967_296
  }
}

/** What is done to mQ IDs around one backup. */
class Changes {
  readonly #stage: Stage
  readonly #prefix: string
  readonly #random: () => number
  readonly live: { readonly history: History; side: Side }[] = []
  /** Without applications: these may be deleted. */
  readonly #idle: string[] = []
  readonly ids: string[] = []
  readonly made: Record<string, number> = { declare: 0, migrate: 0, change: 0, delete: 0 }

  constructor(stage: Stage, prefix: string, random: () => number) {
    this.#stage = stage
    this.#prefix = prefix
    this.#random = random
  }

  async declareLive(): Promise<void> {
    const history = await this.#stage.declare(this.#newId())
    await history.app({ name: 'reader', consume: { group: GROUP } })
    await history.app({ name: 'sender', produce: { perTick: 1 } })
    await history.until('it flows', () => history.handledBy(GROUP) > 20)
    this.live.push({ history, side: 'a' })
  }

  async step(): Promise<void> {
    const kind = this.#pick(['declare', 'migrate', 'migrate', 'change', 'delete'])
    const gone = kind === 'delete' ? this.#idle.pop() : undefined
    if (gone !== undefined) {
      const answer = await fetch(`${this.#stage.url}/v1/ids/${gone}`, { method: 'DELETE' })
      if (!answer.ok) throw new Error(`delete ${gone}: ${await answer.text()}`)
      this.#note('delete')
    } else if (kind === 'migrate') {
      const one = this.#pick(this.live)
      one.side = one.side === 'a' ? 'b' : 'a'
      await this.#migrate(one.history.id, { to: one.side, partitions: 4 + Math.floor(this.#random() * 4) })
      this.#note('migrate')
    } else if (kind === 'change') {
      const retention = `${1 + Math.floor(this.#random() * 20)}d`
      await this.#stage.call('PUT', `/v1/ids/${this.#pick(this.live).history.id}`, { intent: { retention } })
      this.#note('change')
    } else {
      const id = this.#newId()
      await this.#stage.call('PUT', `/v1/ids/${id}`, { intent: {} })
      this.#idle.push(id)
    }
  }

  /** Asked again where a broker of a busy machine was late. */
  async #migrate(id: string, request: { readonly to: Side; readonly partitions: number }): Promise<void> {
    const body = { allowFewerCopies: true, ...request }
    for (let tries = 1; ; tries++) {
      const { status, answer } = await this.#stage.ask('POST', `/v1/ids/${id}/migrations`, body)
      const { migration, retryable } = answer as { migration?: { number: number }; retryable?: boolean }
      if (status === 200 && migration !== undefined) {
        const { state } = await this.#stage.reach(
          migration.number,
          ['open', 'draining', 'retired', 'failed'],
          SETTLE_MS,
        )
        if (state !== 'failed') return
      }
      if ((status !== 200 && retryable !== true) || tries === MOST_TRIES)
        throw new Error(`migrate ${id}: ${JSON.stringify(answer)}`)
      await pause(1_000)
    }
  }

  #newId(): string {
    const id = `${this.#prefix}.n${this.ids.length}`
    this.ids.push(id)
    this.#note('declare')
    return id
  }

  #note(kind: string): void {
    this.made[kind] = (this.made[kind] ?? 0) + 1
  }

  #pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)]!
  }
}

/** Where an mQ ID stands, without what goes on by itself: an old epoch is retired as soon as it is read. */
function standing({ plane }: Stage, id: string): string {
  const record = plane.registry.get(id)
  if (record?.state !== 'active') return record?.state ?? 'unknown'
  const open = record.epochs.find(({ state }) => state === 'open')
  return `epoch ${open?.epoch} on ${open?.cluster}, ${open?.partitions} partitions, ${JSON.stringify(record.spec.intent.retention)}`
}

async function once(stage: Stage, seed: number): Promise<Run> {
  const changes = new Changes(stage, `seed${seed}`, generator(seed))
  try {
    for (let n = 0; n < LIVE; n++) await changes.declareLive()
    for (let n = 0; n < flags.steps; n++) await changes.step()
    const backup = stage.backUp()
    for (let n = 0; n < flags.steps; n++) await changes.step()
    await changes.live[0]!.history.until('the clusters have the copies', () => stage.plane.copies.backlog === 0)
    const truth = new Map(changes.ids.map((id) => [id, standing(stage, id)]))
    const awayMs = performance.now()
    await stage.restore(backup)
    const upMs = performance.now()
    await changes.live[0]!.history.until('everything is looked at', () => !stage.plane.recovery.isRunning)
    const unsettled = stage.plane.recovery.unsettled().map(({ id, why }) => `${id}: ${why}`)
    const settledMs = performance.now()
    const wrong = changes.ids.flatMap((id) => {
      const now = standing(stage, id)
      const isSaid = stage.plane.recovery.unsettled().some((one) => one.id === id)
      return isSaid || now === truth.get(id) ? [] : [`${id}: ${now}, was ${truth.get(id)}`]
    })
    const counts = { lost: 0, duplicated: 0, reordered: 0 }
    const totals = { messages: 0, failedSends: 0, otherViolations: 0 }
    for (const { history } of changes.live) {
      const { acked } = history
      await history.until('sends go on', () => history.acked > acked + ENOUGH_SENT)
      await history.end()
    }
    for (const { history } of changes.live) {
      const reader = await history.app({ name: 'late', consume: { group: GROUP } })
      await history.settled([GROUP], SETTLE_MS)
      await reader.halt()
      const { counts: found } = await history.verdict([GROUP])
      const { lost, duplicated, reordered, ...others } = found
      counts.lost += lost
      counts.duplicated += duplicated
      counts.reordered += reordered
      totals.otherViolations += Object.values(others).reduce((sum, one) => sum + one, 0)
      totals.messages += history.sent
      totals.failedSends += history.failed
    }
    const absentMs = Math.round(upMs - awayMs)
    return {
      ...{ seed, changes: changes.made, ids: changes.ids.length, absentMs, settledMs: Math.round(settledMs - upMs) },
      ...{ unsettled, wrong, ...totals, ...counts },
    }
  } finally {
    for (const { history } of changes.live) await history.end()
  }
}

const stage = await Stage.start({ deleteAfterMs: 0, watchMs: 0 })
const stop = stopOnce(() => stage.stop())
try {
  const runs: Run[] = []
  for (let seed = flags.seed; seed < flags.seed + flags.seeds; seed++) {
    const run = await once(stage, seed)
    say(JSON.stringify(run))
    runs.push(run)
    await pause(500)
  }
  const sum = (of: (run: Run) => number): number => runs.reduce((total, run) => total + of(run), 0)
  const result = RestoreResult.parse({
    measure: 'restore',
    machine: machineFacts((await installKafka()).version, flags.date),
    options: { seeds: flags.seeds, steps: flags.steps, firstSeed: flags.seed },
    messages: sum(({ messages }) => messages),
    failedSends: sum(({ failedSends }) => failedSends),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    reordered: sum(({ reordered }) => reordered),
    otherViolations: sum(({ otherViolations }) => otherViolations),
    ids: sum(({ ids }) => ids),
    unsettled: sum(({ unsettled }) => unsettled.length),
    wrong: sum(({ wrong }) => wrong.length),
    runs,
    seconds: Math.round((performance.now() - startedMs) / 1_000),
  })
  publish(result, restoreTable(result), { ...flags, quiet: flags.json })
  const { failedSends, lost, duplicated, reordered, otherViolations, wrong } = result
  if (failedSends + lost + duplicated + reordered + otherViolations + wrong > 0) process.exitCode = 1
} finally {
  await stop()
}
