/** Sending and reading of both sides, by one program against the sources of each, on one broker (V1, V4). */
import { join } from 'node:path'
import { mqConsumer, mqNone, mqZstd } from '../contenders.ts'
import type { Consume, Produce } from '../peers/job.ts'
import { runProcess } from '../peers/process.ts'
import { Run } from '../results.ts'
import type { Stage } from '../stage.ts'
import { round } from '../statistics.ts'
import { inPairs, ROOT, type Roots, type Side } from './sides.ts'

export const LOADS = ['produce', 'produce-zstd', 'consume'] as const
export type Load = (typeof LOADS)[number]

export interface LoadOptions {
  readonly roots: Roots
  readonly messages: number
  readonly pairs: number
}

export const figuresOf = (run: Run) => ({
  messagesPerSecond: run.messages / run.seconds,
  cpuUsPerMessage: run.cpuUs === null ? Number.NaN : run.cpuUs / run.messages,
})

export async function measureLoad(
  stage: Stage,
  load: Load,
  options: LoadOptions,
): Promise<Readonly<Record<Side, Run>>[]> {
  const source = load === 'consume' ? await filled(stage, options.messages) : undefined
  const pairs = await inPairs(
    options.pairs,
    (side, pair) =>
      source === undefined
        ? produce(stage, options.roots[side], load === 'produce-zstd', options.messages)
        : runOnce(options.roots[side], { ...source, group: `against-${process.pid}-${pair}-${side}` }),
    (runs, number) => {
      const [own, theirs] = [figuresOf(runs.this), figuresOf(runs.other)]
      console.error(
        `  ${load} ${number}/${options.pairs}: ${round(own.cpuUsPerMessage, 3)} us a message beside ${round(theirs.cpuUsPerMessage, 3)}`,
      )
    },
  )
  if (source !== undefined) await stage.dropTopic(source.topic)
  return pairs
}

async function runOnce(root: string, job: Produce | Consume): Promise<Run> {
  const script = join(root, 'bench/peers/mq.ts')
  const args = ['--conditions=mq-source', '--no-warnings', script, JSON.stringify(job)]
  const { stdout } = await runProcess(process.execPath, args)
  return Run.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
}

async function produce(stage: Stage, root: string, zstd: boolean, messages: number): Promise<Run> {
  const place = await stage.freshTopic((zstd ? mqZstd : mqNone).mq)
  const { payloadFile } = stage
  const warmupMessages = Math.ceil(messages / 5_000) * 1_000
  const run = await runOnce(root, { role: 'produce', ...place, payloadFile, messages, warmupMessages })
  await stage.verifyStored(place.topic, messages + warmupMessages)
  await stage.dropTopic(place.topic)
  return run
}

/** What both read: written once, by this clone. */
async function filled(stage: Stage, messages: number): Promise<Omit<Consume, 'group'>> {
  const place = await stage.freshTopic(mqConsumer.mq)
  const { payloadFile } = stage
  await runOnce(ROOT, { role: 'produce', ...place, payloadFile, messages: messages * 2, warmupMessages: 0 })
  return { role: 'consume', ...place, messages: messages * 2 }
}
