/**
 * The push stream: who listens for which mQ IDs, and the frames they get.
 *
 * X1. A binding is serialised once, however many listen.
 * X2. Frames of one stream rise in revision, so the last event id a client saw says exactly what it has.
 * X3. A listener that does not read is dropped once MAX_BACKLOG_BYTES wait for it; it reconnects and resumes.
 * X5. Once it ends its streams it takes no new one.
 * X4. A heartbeat comment goes to every stream each HEARTBEAT_MS.
 */
import { type Binding, bindingVersion, HEARTBEAT_MS } from '@mq/contract'
import type { Deps } from '@mq/kafka'
import { every } from '../rounds.ts'

export const MAX_BACKLOG_BYTES = 1_048_576
export const MAX_LISTENERS = 20_000
const HEARTBEAT = ':\n\n'

/** The part of a response a stream needs; Node's `ServerResponse` has it. */
export interface PushSink {
  readonly writableLength: number
  write(frame: string | Uint8Array): boolean
  end(): void
  destroy(): void
}

export interface Position {
  readonly incarnation: number
  readonly revision: number
}

/** `incarnation.revision` as a client repeats it, or undefined when it is something else. */
export function parsePosition(text: unknown): Position | undefined {
  const match = typeof text === 'string' ? /^(\d{1,15})\.(\d{1,15})$/.exec(text.trim()) : null
  return match === null ? undefined : { incarnation: Number(match[1]), revision: Number(match[2]) }
}

interface Listener {
  readonly sink: PushSink
  readonly ids: readonly string[]
  /** As the application called itself, where it did. */
  readonly app: string | undefined
}

export class PushHub {
  readonly #byId = new Map<string, Set<Listener>>()
  readonly #listeners = new Set<Listener>()
  readonly #frames = new Map<string, { version: string; frame: Buffer }>()
  readonly #stopHeartbeat: () => Promise<void>
  #published = 0
  #dropped = 0
  #ended = false

  constructor(deps: Deps) {
    this.#stopHeartbeat = every(
      deps,
      () => HEARTBEAT_MS,
      async () => {
        for (const listener of [...this.#listeners]) this.#write(listener, HEARTBEAT)
      },
      () => {},
    )
  }

  /** X5 */
  get isEnded(): boolean {
    return this.#ended
  }

  get size(): number {
    return this.#listeners.size
  }

  get published(): number {
    return this.#published
  }

  get dropped(): number {
    return this.#dropped
  }

  /** Whether anybody listens for the mQ ID. */
  hears(id: string): boolean {
    return this.#byId.has(id)
  }

  /** The applications that listen for the mQ ID now; one that gave no name is told as that. */
  appsOf(id: string): string[] {
    const names = [...(this.#byId.get(id) ?? [])].map(({ app }) => app ?? 'an application without a name')
    return [...new Set(names)].toSorted()
  }

  /**
   * Starts a stream: what `current` holds beyond `since` goes out at once, everything later follows.
   * @returns a function that ends the listening
   */
  listen(
    sink: PushSink,
    ids: readonly string[],
    current: readonly Binding[],
    since: Position | undefined,
    app?: string,
  ): () => void {
    const listener: Listener = { sink, ids: [...new Set(ids)], app }
    const newer = current
      .filter(
        (binding) =>
          since === undefined || binding.incarnation !== since.incarnation || binding.revision > since.revision,
      )
      .toSorted((a, b) => a.revision - b.revision)
    this.#listeners.add(listener)
    for (const id of listener.ids) {
      const set = this.#byId.get(id) ?? new Set()
      set.add(listener)
      this.#byId.set(id, set)
    }
    // The first bytes are a comment, so that a client knows at once that the stream stands, also when nothing is new.
    this.#write(listener, Buffer.concat([Buffer.from(HEARTBEAT), ...newer.map((binding) => this.#frame(binding))]))
    return () => this.#forget(listener)
  }

  /** Sends a binding to everyone who listens for it (X1). */
  publish(binding: Binding): void {
    const listeners = this.#byId.get(binding.mqId)
    const frame = this.#frame(binding)
    if (listeners === undefined) return
    for (const listener of [...listeners]) {
      this.#write(listener, frame)
      this.#published++
    }
  }

  async close(): Promise<void> {
    this.#ended = true
    await this.#stopHeartbeat()
    for (const listener of [...this.#listeners]) {
      this.#forget(listener)
      listener.sink.end()
    }
  }

  #frame(binding: Binding): Buffer {
    const version = bindingVersion(binding)
    const cached = this.#frames.get(binding.mqId)
    if (cached?.version === version) return cached.frame
    const frame = Buffer.from(`id: ${version}\nevent: binding\ndata: ${JSON.stringify(binding)}\n\n`)
    this.#frames.set(binding.mqId, { version, frame })
    return frame
  }

  #write(listener: Listener, frame: string | Uint8Array): void {
    if (listener.sink.writableLength > MAX_BACKLOG_BYTES) {
      this.#dropped++
      this.#forget(listener)
      listener.sink.destroy()
      return
    }
    listener.sink.write(frame)
  }

  #forget(listener: Listener): void {
    if (!this.#listeners.delete(listener)) return
    for (const id of listener.ids) {
      const set = this.#byId.get(id)
      set?.delete(listener)
      if (set?.size === 0) this.#byId.delete(id)
    }
  }
}
