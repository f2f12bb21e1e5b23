/**
 * Limits of tests that hold on a busy machine: how much slower than by itself this machine does a known piece of work, meanwhile.
 *
 * PC1. On an idle machine a limit is what it says: work on an own core takes as long as the processor time it uses.
 * PC2. Where processes share cores, or wait for the disk, the limit grows by what the same kind of work waited in the same time.
 * PC3. What is quick is not slowed down by looking: the first look comes after a fifth of a second, or when a limit is passed.
 * PC4. Only upper limits grow. That something waited at least so long is true on any machine.
 */
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Longer than a scheduler lets a process run that just woke up, so that a busy machine shows. */
const WORK_MS = 15
const EVERY_MS = 200
/** Brokers bring some of what they change to disk, each step after the other. */
const DISK_STEPS = 20

/**
 * Runs the work, and fails when it took longer than the limit.
 *
 * @param limitMs on an idle machine
 */
export async function within<T>(limitMs: number, work: () => Promise<T>): Promise<T> {
  const pace = new Pace()
  try {
    const startedAtMs = performance.now()
    const result = await work()
    pace.check(performance.now() - startedAtMs, limitMs)
    return result
  } finally {
    pace.stop()
  }
}

/** Fails when the work, which waits for nothing, takes more processor time than the limit. */
export function withinCpu<T>(limitMs: number, work: () => T): T {
  const before = process.threadCpuUsage()
  const result = work()
  const { user, system } = process.threadCpuUsage(before)
  const tookMs = (user + system) / 1_000
  if (tookMs > limitMs)
    throw new Error(`took ${tookMs.toFixed(0)} ms of processor time, at most ${limitMs} are allowed`)
  return result
}

/** Watches the machine from its creation to `stop()`. */
export class Pace {
  #slowness = 1
  #diskMs = 0
  #isStopped = false

  constructor() {
    void this.#watch()
  }

  /** How many times its processor time work took at worst since the creation. */
  get slowness(): number {
    this.#look()
    return this.#slowness
  }

  /** What a limit of an idle machine is on this one, as busy as it was since the creation. */
  limitMs(limitMs: number): number {
    this.#look()
    return limitMs * this.#slowness + this.#diskMs * DISK_STEPS
  }

  /** @throws when it took longer than the limit, in this machine's pace */
  check(tookMs: number, limitMs: number): void {
    if (tookMs <= limitMs) return
    const allowedMs = this.limitMs(limitMs)
    if (tookMs <= allowedMs) return
    throw new Error(
      `took ${tookMs.toFixed(0)} ms; ${limitMs} are allowed on an idle machine, and ${allowedMs.toFixed(0)} on this one: ${this.toString()}`,
    )
  }

  toString(): string {
    return `work takes ${this.#slowness.toFixed(1)} times its processor time, and a write to disk ${this.#diskMs.toFixed(1)} ms`
  }

  stop(): void {
    this.#isStopped = true
  }

  async #watch(): Promise<void> {
    for (;;) {
      await sleep(EVERY_MS, undefined, { ref: false })
      if (this.#isStopped) return
      this.#look()
    }
  }

  #look(): void {
    this.#slowness = Math.max(this.#slowness, slownessOfWork())
    this.#diskMs = Math.max(this.#diskMs, writeToDiskMs())
  }
}

/** Time over processor time of a piece of work. */
function slownessOfWork(): number {
  const before = process.threadCpuUsage()
  const startedAtMs = performance.now()
  let usedMs = 0
  for (let value = 0; usedMs < WORK_MS; ) {
    for (let round = 0; round < 100_000; round++) value = (value * 31 + round) % 1_000_003
    const { user, system } = process.threadCpuUsage(before)
    usedMs = (user + system) / 1_000 + (value < 0 ? 1 : 0)
  }
  return Math.max(1, (performance.now() - startedAtMs) / usedMs)
}

function writeToDiskMs(): number {
  const folder = mkdtempSync(join(tmpdir(), 'mq-pace-'))
  try {
    const file = openSync(join(folder, 'probe'), 'w')
    try {
      const startedAtMs = performance.now()
      writeSync(file, Buffer.alloc(4_096))
      fsyncSync(file)
      return performance.now() - startedAtMs
    } finally {
      closeSync(file)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
