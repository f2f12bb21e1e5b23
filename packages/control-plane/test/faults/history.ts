/**
 * What happened to one mQ ID over a test: its applications, what they wrote down, and what the checker says of it.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ConnectOptions } from '@mq/client'
import type { Migration, MigrationPlace } from '@mq/contract'
import { checkHistory, type HistoryEvent, type Verdict } from '@mq/testkit'
import { App, type AppOptions, nowUs } from './app.ts'

const APP = fileURLToPath(new URL('app.ts', import.meta.url))
/** Limits of waits are meant for an idle machine; only what hangs may reach them on a busy one. */
export const PATIENCE = 4
const POLL_MS = 50

/** An application in a process of its own. */
export class AppProcess {
  readonly #child: ChildProcess

  constructor(child: ChildProcess) {
    this.#child = child
  }

  /** Freezes it; nothing of it runs, and its connections stay open. */
  stop(): void {
    this.#child.kill('SIGSTOP')
  }

  wake(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    await this.#gone()
  }

  /** Lets it end in order. */
  async end(): Promise<void> {
    this.#child.stdin!.end()
    await this.#gone()
  }

  async #gone(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await once(this.#child, 'exit')
  }
}

/** What a test lets happen, because the fault it makes does not go without it. */
export interface Allowed {
  /** Messages may be handed out again. */
  readonly again?: boolean
  /** Sends that may fail. */
  readonly failed?: number
  /** Groups that are no judge of what is lost, because they began late. */
  readonly partly?: readonly string[]
  /** A foreign producer whose records stand in the log and are for nobody. */
  readonly unread?: string
}

/** Its way to the control plane is the plain one when left out. */
type Given = Omit<AppOptions, 'id' | 'url'> & { readonly url?: string }

/** The two clusters of a stage. */
export type Side = 'a' | 'b'

/** What a history needs of the stage it plays on. */
export interface HistoryStage {
  readonly url: string
  read(side: Side, topic: string): Promise<{ partition: number; offset: number; value: string }[]>
}

export class History {
  readonly id: string
  readonly #stage: HistoryStage
  readonly #folder: string
  readonly #events: HistoryEvent[] = []
  readonly #files: { readonly path: string; position: number; rest: string }[] = []
  readonly #apps: App[] = []
  readonly #processes: AppProcess[] = []
  readonly #places = new Map<number, MigrationPlace>()
  readonly #handled = new Map<string, Set<string>>()
  sent = 0
  acked = 0
  failed = 0

  constructor(stage: HistoryStage, id: string, folder: string) {
    this.#stage = stage
    this.id = id
    this.#folder = folder
  }

  /** An application in this process. */
  async app(options: Given, connecting: Partial<ConnectOptions> = {}): Promise<App> {
    const { url } = this.#stage
    const app = await App.start({ url, id: this.id, ...options }, (event) => this.#add(event), connecting)
    this.#apps.push(app)
    return app
  }

  /** An application in a process of its own, which a fault may hit. */
  async process(options: Given): Promise<AppProcess> {
    const path = join(this.#folder, `${this.id}.${options.name}.jsonl`)
    closeSync(openSync(path, 'a'))
    this.#files.push({ path, position: 0, rest: '' })
    const given = { url: this.#stage.url, id: this.id, file: path, ...options }
    const child = spawn(process.execPath, ['--conditions=mq-source', APP, JSON.stringify(given)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const app = new AppProcess(child)
    this.#processes.push(app)
    const [said] = (await once(child.stdout!, 'data')) as [Buffer]
    assert.equal(String(said), 'ready\n')
    return app
  }

  /** Messages the group has handled, each counted once. */
  handledBy(group: string): number {
    return this.#handled.get(group)?.size ?? 0
  }

  /** Waits until it holds; what happens meanwhile in processes is taken in. */
  async until(what: string, condition: () => boolean | Promise<boolean>, limitMs = 120_000): Promise<void> {
    const endMs = performance.now() + limitMs * PATIENCE
    for (;;) {
      this.#pull()
      if (await condition()) return
      if (performance.now() > endMs) {
        const handled = [...this.#handled].map(([group, names]) => `${group} ${names.size}`)
        throw new Error(
          `${this.id} waited ${limitMs * PATIENCE} ms in vain: ${what} (sent ${this.sent}, acked ${this.acked}, failed ${this.failed}, handled ${handled.join(', ')})`,
        )
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MS))
    }
  }

  /** Waits until everything is acknowledged and handled by these groups. */
  async settled(groups: readonly string[], limitMs = 120_000): Promise<void> {
    await this.until('all sends are settled', () => this.acked + this.failed === this.sent, limitMs)
    await this.until('all is handled', () => groups.every((group) => this.handledBy(group) >= this.acked), limitMs)
    // What should not come would come now.
    await new Promise((resolve) => setTimeout(resolve, 300))
    this.#pull()
  }

  /** Remembers where a migration found and left the records, for the audit. */
  moved({ from, to, endOffsets }: Migration): void {
    this.#places.set(from.epoch, from)
    this.#places.set(to.epoch, to)
    for (const [partition, end] of (endOffsets ?? []).entries()) {
      this.#add({ type: 'seal', tUs: nowUs(), epoch: from.epoch, partition, offset: Number(end) })
    }
  }

  /** What the history holds of one kind. */
  of<T extends HistoryEvent['type']>(type: T): Extract<HistoryEvent, { type: T }>[] {
    this.#pull()
    return this.#events.filter((event): event is Extract<HistoryEvent, { type: T }> => event.type === type)
  }

  /** What was sent from a moment on, as one group took it. */
  since(fromUs: number, group: string): HistoryEvent[] {
    this.#pull()
    const sent = new Set<string>()
    for (const event of this.#events) {
      if (event.type === 'send' && event.tUs > fromUs) sent.add(`${event.producer}#${event.n}`)
    }
    return this.#events.filter((event) => {
      if (!('n' in event) || !sent.has(`${event.producer}#${event.n}`)) return false
      return event.type !== 'handle' || event.group === group
    })
  }

  /** Messages that somebody else wrote and that count like our own. */
  noteForeign(producer: string, count: number): void {
    for (let n = 0; n < count; n++) {
      this.#add({ type: 'send', tUs: 0, producer, n, key: producer })
      this.#add({ type: 'ack', tUs: 0, producer, n })
    }
  }

  /** Reads every log, and asks the checker. */
  async verdict(groups: readonly string[]): Promise<Verdict> {
    return (await this.#judge(groups)).verdict
  }

  /** Nothing is lost, repeated, out of order, ahead of its gate, behind a seal or failed. */
  async assertPerfect(groups: readonly string[], allowed: Allowed = {}): Promise<void> {
    const { events, verdict } = await this.#judge(groups, allowed)
    assert.ok(this.failed <= (allowed.failed ?? 0), `${this.failed} of ${this.sent} sends failed`)
    assert.equal(this.acked + this.failed, this.sent)
    if (allowed.again !== true) {
      assert.deepEqual(verdict.violations.slice(0, 5), [], JSON.stringify(verdict.counts))
      return
    }
    const { duplicated: _again, ...others } = verdict.counts
    const broken = Object.entries(others).filter(([, count]) => count > 0)
    assert.deepEqual(
      broken,
      [],
      JSON.stringify(verdict.violations.filter(({ rule }) => rule !== 'duplicated').slice(0, 5)),
    )
    assert.deepEqual(checkHistory(withoutAgain(events), groups).violations.slice(0, 5), [])
  }

  async end(): Promise<void> {
    for (const app of this.#processes) app.wake()
    await Promise.all(this.#processes.map((app) => app.kill()))
    await Promise.all(this.#apps.map((app) => app.halt()))
  }

  async #judge(
    groups: readonly string[],
    { partly = [], unread }: Allowed = {},
  ): Promise<{ events: HistoryEvent[]; verdict: Verdict }> {
    this.#pull()
    const events = this.#events.filter((event) => !('group' in event) || !partly.includes(event.group))
    for (const { epoch, cluster, topic } of this.#places.values()) {
      for (const { partition, offset, value } of await this.#stage.read(cluster as Side, topic)) {
        const own = parsed(value)
        if (own !== undefined && own.producer !== unread)
          events.push({ type: 'log', tUs: nowUs(), ...own, epoch, partition, offset })
      }
    }
    return { events, verdict: checkHistory(events, groups) }
  }

  #add(event: HistoryEvent): void {
    this.#events.push(event)
    if (event.type === 'send') this.sent++
    else if (event.type === 'ack') this.acked++
    else if (event.type === 'nack') this.failed++
    else if (event.type === 'handle') {
      const names = this.#handled.get(event.group) ?? new Set()
      this.#handled.set(event.group, names.add(`${event.producer}#${event.n}`))
    }
  }

  #pull(): void {
    const chunk = Buffer.alloc(1 << 20)
    for (const file of this.#files) {
      const descriptor = openSync(file.path, 'r')
      for (;;) {
        const bytes = readSync(descriptor, chunk, 0, chunk.length, file.position)
        if (bytes === 0) break
        file.position += bytes
        const lines = (file.rest + chunk.toString('latin1', 0, bytes)).split('\n')
        file.rest = lines.pop()!
        for (const line of lines) this.#add(JSON.parse(line) as HistoryEvent)
      }
      closeSync(descriptor)
    }
  }
}

/** The history as it looks when every group took each message once. */
function withoutAgain(events: readonly HistoryEvent[]): HistoryEvent[] {
  const seen = new Set<string>()
  return events
    .toSorted((a, b) => a.tUs - b.tUs)
    .filter((event) => {
      if (event.type !== 'handle') return true
      const name = `${event.group} ${event.producer}#${event.n}`
      return seen.size < seen.add(name).size
    })
}

function parsed(value: string): { producer: string; n: number } | undefined {
  try {
    const { producer, n } = JSON.parse(value) as { producer?: unknown; n?: unknown }
    return typeof producer === 'string' && typeof n === 'number' ? { producer, n } : undefined
  } catch {
    return undefined
  }
}
