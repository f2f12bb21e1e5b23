/**
 * One push stream of bindings, kept alive for as long as it is wanted.
 *
 * E1. Whenever the stream ends, fails or is silent for three heartbeats, it is opened again after a pause with full jitter.
 * E2. It resumes from the last event it saw; after a change of its mQ IDs it starts afresh, because an event id says
 *     nothing about an mQ ID that was not asked for.
 * E3. An event that cannot be read is reported and skipped: the stream goes on.
 * E4. A first success resets the pause only once an event or heartbeat came through, so that a server that accepts and
 *     drops connections is not hammered.
 */
import { HEARTBEAT_MS, MqError } from '@mq/contract'
import { type BackoffLimits, backoffMs, type Deps, pause } from '@mq/kafka'
import { createParser } from 'eventsource-parser'
import type { ControlPlaneClient } from './control-plane-client.ts'

const RECONNECT: BackoffLimits = { baseMs: 250, maxMs: 15_000 }
const MAX_EVENT_CHARS = 4 * 1_048_576
/** mQ IDs of one stream: what stands in a request line without trouble anywhere on the way. */
const MAX_QUERY_CHARS = 6_000

export interface BindingStreamOptions {
  readonly client: ControlPlaneClient
  readonly deps: Deps
  readonly heartbeatMs?: number
  onBinding(candidate: unknown): void
  onUnreadable(problem: string): void
  onDown(error: MqError | undefined): void
}

export class BindingStream {
  readonly #options: BindingStreamOptions
  readonly #closed = new AbortController()
  readonly #ids: string[] = []
  #chars = 0
  #attempt = new AbortController()
  #lastEventId: string | undefined
  #fresh = true
  #live = false
  #failures = 0
  #loop: Promise<void> | undefined

  constructor(options: BindingStreamOptions) {
    this.#options = options
  }

  /** Whether it hears from the control plane now. */
  get live(): boolean {
    return this.#live
  }

  get mqIds(): readonly string[] {
    return this.#ids
  }

  /** @returns false when this stream is full: open another one */
  add(mqId: string): boolean {
    if (this.#chars > 0 && this.#chars + mqId.length + 3 > MAX_QUERY_CHARS) return false
    this.#chars += mqId.length + 3
    this.#ids.push(mqId)
    this.#fresh = true
    if (this.#loop === undefined) this.#loop = this.#run()
    else this.#attempt.abort()
    return true
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const closed = this.#closed.signal
    // mQ IDs usually come several at a time: one turn of the event loop gathers them into one request.
    await pause(this.#options.deps, 5, closed)
    while (!closed.aborted) {
      this.#attempt = new AbortController()
      const error = await this.#readOnce(AbortSignal.any([this.#attempt.signal, closed]))
      if (closed.aborted) return
      if (this.#fresh && error === undefined) continue
      this.#live = false
      this.#failures++
      this.#options.onDown(error)
      const cut = AbortSignal.any([this.#attempt.signal, closed])
      await pause(this.#options.deps, backoffMs(this.#failures, this.#options.deps.random, RECONNECT, 'full'), cut)
    }
  }

  /** Reads until the stream ends. Answers with an error only when the end was not our own doing. */
  async #readOnce(signal: AbortSignal): Promise<MqError | undefined> {
    const silence = new AbortController()
    const { timers } = this.#options.deps
    const limitMs = 3 * (this.#options.heartbeatMs ?? HEARTBEAT_MS)
    let timer = timers.setTimeout(() => silence.abort(new Error(`silent for ${limitMs} ms`)), limitMs)
    const heard = (): void => {
      this.#live = true
      this.#failures = 0
      timers.clearTimeout(timer)
      timer = timers.setTimeout(() => silence.abort(new Error(`silent for ${limitMs} ms`)), limitMs)
    }
    const both = AbortSignal.any([signal, silence.signal])
    try {
      if (this.#fresh) this.#lastEventId = undefined
      this.#fresh = false
      const response = await this.#options.client.stream(this.#ids, this.#lastEventId, both)
      await this.#read(response, heard)
      return undefined
    } catch (error) {
      return this.#attempt.signal.aborted ? undefined : brokenOff(error)
    } finally {
      timers.clearTimeout(timer)
      silence.abort()
    }
  }

  async #read(response: Response, heard: () => void): Promise<void> {
    if (response.body === null) return
    const parser = createParser({
      maxBufferSize: MAX_EVENT_CHARS,
      onComment: heard,
      onEvent: (event) => {
        heard()
        if (event.event === 'binding') this.#take(event.data)
        if (event.id !== undefined && event.id !== '') this.#lastEventId = event.id
      },
    })
    const decoder = new TextDecoder()
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      parser.feed(decoder.decode(chunk, { stream: true }))
    }
  }

  #take(data: string): void {
    let candidate: unknown
    try {
      candidate = JSON.parse(data)
    } catch {
      this.#options.onUnreadable(`an event of ${data.length} characters is not JSON`)
      return
    }
    this.#options.onBinding(candidate)
  }
}

/** A stream that breaks in the middle breaks with an error of the HTTP client. */
function brokenOff(error: unknown): MqError {
  if (error instanceof MqError) return error
  const reason = error instanceof Error ? error.message : String(error)
  return new MqError('MQ_CONTROL_PLANE_AWAY', `The stream of bindings broke off: ${reason}`, { cause: error })
}
