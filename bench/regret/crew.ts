/**
 * Sender processes, kept from one job to the next.
 *
 * C1. A process has one job at a time. One that dies fails its job and is replaced.
 * C2. `close` leaves no process behind; when this process dies, the senders end by themselves.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SentFigures } from '../../packages/control-plane/src/twin/replay.ts'
import type { SendAnswer, SendJob } from './sender-process.ts'
import type { WorkloadSource } from './workloads.ts'

const PROGRAM = fileURLToPath(new URL('./sender-process.ts', import.meta.url))

export class Crew {
  readonly #idle: ChildProcess[] = []
  readonly #all = new Set<ChildProcess>()

  /** Has at least this many processes ready. */
  async muster(count: number): Promise<void> {
    const missing = count - this.#idle.length
    if (missing <= 0) return
    this.#idle.push(...(await Promise.all(Array.from({ length: missing }, () => this.#start()))))
  }

  /** Has every process that is ready make the messages of the workload now, so that none is late for its first moment. */
  async prepare(workload: WorkloadSource): Promise<void> {
    const dry = { workload, bootstrap: [], target: null, startAtMs: 0, warmMs: 0, windowMs: 1, seed: 1 }
    await Promise.all(Array.from({ length: this.#idle.length }, () => this.run(dry)))
  }

  async run(job: SendJob): Promise<SentFigures> {
    const child = this.#idle.pop() ?? (await this.#start())
    const answer = await new Promise<SendAnswer>((resolve, reject) => {
      const onExit = (code: number | null): void => reject(new Error(`a sender ended with ${code}`))
      child.once('exit', onExit)
      child.once('message', (message: SendAnswer) => {
        child.off('exit', onExit)
        resolve(message)
      })
      child.send(job)
    })
    this.#idle.push(child)
    if (answer.kind !== 'done') throw new Error(answer.kind === 'failed' ? answer.why : 'a sender started twice')
    if (answer.figures.failures > 0) {
      throw new Error(
        `${answer.figures.failures} records of ${job.target?.topic} were not stored: ${answer.lastFailure}`,
      )
    }
    return answer.figures
  }

  async close(): Promise<void> {
    await Promise.all(
      [...this.#all].map(
        (child) =>
          new Promise<void>((resolve) => {
            child.once('exit', () => resolve())
            child.kill('SIGKILL')
          }),
      ),
    )
  }

  async #start(): Promise<ChildProcess> {
    const child = fork(PROGRAM, [], { execArgv: ['--conditions=mq-source'], serialization: 'advanced' })
    this.#all.add(child)
    child.once('exit', () => {
      this.#all.delete(child)
      const at = this.#idle.indexOf(child)
      if (at >= 0) this.#idle.splice(at, 1)
    })
    await new Promise<void>((resolve, reject) => {
      child.once('message', () => resolve())
      child.once('exit', (code) => reject(new Error(`a sender could not be started: it ended with ${code}`)))
    })
    return child
  }
}
