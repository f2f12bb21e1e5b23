/**
 * Measures codecs on a thread of its own, one step at a time, and says what CPU each step took.
 *
 * H1. One request is under way at a time; the thread does nothing between requests and does not keep the process alive.
 * H2. A thread that fails or ends rejects what is asked of it; `close` leaves nothing running.
 * H3. It is asked to end, after the step under way, and never stopped in the middle of one: Node aborts the whole process when a thread
 *     is terminated between the making of a codec and its start. An exit of the process waits for the step, too.
 */
import { Worker } from 'node:worker_threads'
import { MqError, type ShadowSample } from '@mq/contract'
import { StepGate } from '../timing/step-gate.ts'
import type { ProbeBatch, ProbeCandidate } from './codec-probe.ts'

export type ProbeRequest =
  | { readonly kind: 'load'; readonly batches: readonly ProbeBatch[] }
  | { readonly kind: 'measure'; readonly candidate: ProbeCandidate; readonly depth: number }
  /** No answer follows (H3). */
  | { readonly kind: 'end' }

export interface ProbeAnswer {
  result: ShadowSample | null
  cpuUs: number
  problem?: string
}

const HEAP_MB = 64
/** Longer than any step; whoever exits waits no longer. */
const EXIT_LIMIT_MS = 1_000

/** H3: of the threads that run. */
const gates = new Set<StepGate>()
const shutAll = (): void => {
  for (const gate of gates) gate.shut(EXIT_LIMIT_MS)
}

export class CodecProbeThread {
  readonly #worker: Worker
  #waiting: { resolve(answer: ProbeAnswer): void; reject(error: MqError): void } | undefined
  #ended: MqError | undefined
  readonly #exited: Promise<void>
  readonly #gate = new StepGate()

  constructor() {
    // Beside this file, in the language this file is in.
    const file = import.meta.url.endsWith('.ts') ? './codec-probe-worker.ts' : './codec-probe-worker.js'
    this.#worker = new Worker(new URL(file, import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      workerData: this.#gate.memory,
    })
    if (gates.size === 0) process.on('exit', shutAll)
    gates.add(this.#gate)
    this.#worker.unref()
    this.#worker.on('message', (answer: ProbeAnswer) => {
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting?.resolve(answer)
    })
    this.#worker.on('error', (error) => this.#end(error instanceof Error ? error.message : String(error)))
    this.#exited = new Promise((resolve) => {
      this.#worker.on('exit', () => {
        this.#end('it ended')
        gates.delete(this.#gate)
        if (gates.size === 0) process.off('exit', shutAll)
        resolve()
      })
    })
  }

  /** Takes the records to measure; their memory goes with them. @returns the CPU it took, in microseconds */
  async load(batches: readonly ProbeBatch[]): Promise<number> {
    // What shares its memory with something else is copied instead.
    const whole = batches.filter(({ records }) => records.byteLength === records.buffer.byteLength)
    const memory = new Set(whole.map(({ records }) => records.buffer).filter((buffer) => buffer instanceof ArrayBuffer))
    return (await this.#ask({ kind: 'load', batches }, [...memory])).cpuUs
  }

  /** `sample` is null when fewer records than that are loaded. */
  async measure(
    candidate: ProbeCandidate,
    depth: number,
  ): Promise<{ readonly sample: ShadowSample | null; readonly cpuUs: number }> {
    const { result, cpuUs } = await this.#ask({ kind: 'measure', candidate, depth }, [])
    return { sample: result, cpuUs }
  }

  async close(): Promise<void> {
    this.#end('it was closed')
    // Somebody waits from now on.
    this.#worker.ref()
    this.#worker.postMessage({ kind: 'end' } satisfies ProbeRequest)
    await this.#exited
  }

  #ask(request: ProbeRequest, transfer: readonly ArrayBuffer[]): Promise<ProbeAnswer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    if (this.#waiting !== undefined) return Promise.reject(failed('it is busy'))
    return new Promise<ProbeAnswer>((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#worker.postMessage(request, transfer)
    }).then((answer) => {
      if (answer.problem !== undefined) throw failed(answer.problem)
      return answer
    })
  }

  #end(why: string): void {
    this.#ended ??= failed(why)
    this.#waiting?.reject(this.#ended)
    this.#waiting = undefined
  }
}

function failed(why: string): MqError {
  return new MqError('MQ_CODEC_FAILED', `The thread that measures codecs does not measure: ${why}`)
}
