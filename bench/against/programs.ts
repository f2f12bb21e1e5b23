/**
 * Times of both sides, by the measuring programs that each of them has: how long a change takes to its clients, how long migrations hold up
 * producers and consumers, how long a control plane and a command take to start.
 *
 * W1. A side runs its own program, which knows its own interfaces; only what both print is compared.
 * W2. A run that fails is made once more: on a machine that is busy for a while, clients of either side may give up.
 * W3. Both migrate on the version of Kafka that the other side starts when it is not asked for one.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { MigrationResult, PropagationResult } from '../results.ts'
import { inPairs, type Roots, type Side } from './sides.ts'

const run = promisify(execFile)
/** A program that hangs ends the measurement, instead of the time of the person. */
const DEADLINE_MS = 300_000
const FLAGS = ['--conditions=mq-source', '--no-warnings']
/** What a control plane starts with nothing of, and a list shows. */
const LISTED_IDS = 50
/** What a machine carries besides two clusters: pauses do not depend on it. */
const MIGRATED_PER_SECOND = 5_000
const LISTS = 3

export const TIMES = ['propagation', 'migration', 'start'] as const
export type Time = (typeof TIMES)[number]
/** Milliseconds by name. */
export type Times = Readonly<Record<string, number>>

export interface TimeOptions {
  readonly roots: Roots
  readonly pairs: number
  readonly changes: number
  readonly migrations: number
}

export async function measureTime(time: Time, options: TimeOptions): Promise<Readonly<Record<Side, Times>>[]> {
  const once = { propagation, migration, start }[time](options)
  return await inPairs(
    options.pairs,
    async (side) => {
      const root = options.roots[side]
      return await once(root).catch((error: unknown) => {
        console.error(
          `  ${time} of ${side === 'this' ? 'this clone' : 'the other commit'} failed, once more: ${String(error)}`,
        )
        return once(root)
      })
    },
    (runs, number) => {
      const texts = Object.keys(runs.this).map((name) => `${name} ${runs.this[name]} beside ${runs.other[name]}`)
      console.error(`  ${time} ${number}/${options.pairs}: ${texts.join(', ')}`)
    },
  )
}

/** W1. @returns what stands on the last line that it prints */
async function printedBy(root: string, program: string, args: readonly string[], env = {}): Promise<unknown> {
  const script = join(root, 'bench', program)
  const { stdout } = await run(process.execPath, [...FLAGS, script, '--json', ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    timeout: DEADLINE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 16 * 1_048_576,
  })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '')
}

function propagation({ changes }: TimeOptions): (root: string) => Promise<Times> {
  const Printed = PropagationResult.pick({ p50Ms: true, p99Ms: true, reconnectAllMs: true })
  return async (root) => {
    const { p50Ms, p99Ms, reconnectAllMs } = Printed.parse(
      await printedBy(root, 'propagation.ts', ['--changes', String(changes)]),
    )
    return {
      'a change to 1,000 clients, p50': p50Ms,
      'a change to 1,000 clients, p99': p99Ms,
      '1,000 clients connect': reconnectAllMs,
    }
  }
}

function migration({ migrations }: TimeOptions): (root: string) => Promise<Times> {
  const Printed = MigrationResult.pick({
    writePauseMs: true,
    consumerGapMs: true,
    machine: true,
    failedSends: true,
    lost: true,
  })
  let kafka: string | undefined
  return async (root) => {
    const printed = Printed.parse(
      await printedBy(root, 'migration.ts', ['--runs', String(migrations), '--rate', String(MIGRATED_PER_SECOND)], {
        ...(kafka === undefined ? {} : { MQ_KAFKA_VERSION: kafka }),
      }),
    )
    kafka ??= printed.machine.kafka
    if (printed.machine.kafka !== kafka)
      throw new Error(`one side migrated on Kafka ${kafka}, the other on ${printed.machine.kafka}`)
    return {
      'write pause of a migration, p50': printed.writePauseMs.p50,
      'write pause of a migration, longest': printed.writePauseMs.max,
      'consumer gap of a migration, p50': printed.consumerGapMs.p50,
    }
  }
}

/** A control plane with a cluster in memory, from nothing to its address; `mq list` of 50 mQ IDs. */
function start(): (root: string) => Promise<Times> {
  return async (root) => {
    const startedMs = performance.now()
    const server = spawn(process.execPath, [...FLAGS, join(root, 'bench', 'propagation-server.ts')], {
      cwd: root,
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    try {
      const ended = once(server, 'exit').then(() => Promise.reject(new Error('the control plane ended')))
      ended.catch(() => {})
      const [url] = (await Promise.race([once(createInterface(server.stdout), 'line'), ended])) as [string]
      const upMs = performance.now() - startedMs
      for (let n = 0; n < LISTED_IDS; n++) await declare(url, `bench.start${n}`)
      const listMs: number[] = []
      for (let n = 0; n < LISTS; n++) listMs.push(await listed(root, url))
      return { 'start of the control plane': Math.round(upMs), 'mq list': Math.round(Math.min(...listMs)) }
    } finally {
      server.stdin.end()
      if (server.exitCode === null) await once(server, 'exit')
    }
  }
}

async function declare(url: string, id: string): Promise<void> {
  const answer = await fetch(new URL(`/v1/ids/${id}`, url), {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ intent: {} }),
  })
  if (!answer.ok) throw new Error(`${id} was refused: ${await answer.text()}`)
}

async function listed(root: string, url: string): Promise<number> {
  const main = join(root, 'packages', 'cli', 'src', 'main.ts')
  const startedMs = performance.now()
  const { stdout } = await run(process.execPath, [...FLAGS, main, 'list', '-o', 'json'], {
    cwd: root,
    env: { ...process.env, MQ_URL: url },
    timeout: DEADLINE_MS,
  })
  const tookMs = performance.now() - startedMs
  const shown = new Set(stdout.match(/bench\.start\d+/g))
  if (shown.size !== LISTED_IDS) throw new Error(`mq list shows ${shown.size} of ${LISTED_IDS} mQ IDs`)
  return tookMs
}
