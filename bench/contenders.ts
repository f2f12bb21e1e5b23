/** Who takes part, and how each is run: the same job for everyone, each in a process of its own. */
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { javaConsume, javaLatency, javaProduce } from './peers/java.ts'
import { type Consume, type Job, type Latency, PASSING_TROUBLE, type Produce } from './peers/job.ts'
import { ProcessFailure, runProcess } from './peers/process.ts'
import { Percentiles, Run } from './results.ts'
import type { MqSettings, Stage } from './stage.ts'

export type Kind = 'mq' | 'node' | 'java'

export interface ContenderSpec {
  readonly name: string
  readonly kind: Kind
  readonly settings: string
  readonly mq: MqSettings
  produce(stage: Stage, job: Produce): Promise<Run>
  consume(stage: Stage, job: Consume): Promise<Run>
  latency(stage: Stage, job: Latency): Promise<Percentiles>
}

function nodeContender(name: string, kind: Kind, program: string, settings: string, mq: MqSettings): ContenderSpec {
  const script = fileURLToPath(new URL(`peers/${program}`, import.meta.url))
  const ask = async <S extends z.ZodType>(job: Job, shape: S): Promise<z.output<S>> => {
    const { stdout } = await runProcess(process.execPath, [
      '--conditions=mq-source',
      '--no-warnings',
      script,
      JSON.stringify(job),
    ])
    return shape.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
  }
  return {
    name,
    kind,
    settings,
    mq,
    produce: (_stage, job) => ask(job, Run),
    consume: (_stage, job) => ask(job, Run),
    latency: (_stage, job) => ask(job, Percentiles),
  }
}

const MOST_ATTEMPTS = 3

/**
 * One whole run of a contender, on a topic of its own. Other clients than mQ may give up on trouble that passes, such as metadata of a
 * topic that has just been made: such a run measured nothing and is made again, aloud. mQ has to get over that by itself.
 */
export async function attempt<T>(spec: Pick<ContenderSpec, 'name' | 'kind'>, once: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await once()
    } catch (error) {
      const passes = error instanceof ProcessFailure && error.exitCode === PASSING_TROUBLE && spec.kind !== 'mq'
      if (!passes || tries === MOST_ATTEMPTS) throw error
      console.error(`  ${spec.name} gave up on what passes; once more: ${error.message.slice(0, 300)}`)
    }
  }
}

const NONE: MqSettings = { codec: 'none', lingerMs: 5 }

export const mqNone = nodeContender('mQ', 'mq', 'mq.ts', 'send() per message, linger 5 ms, batch 128 KiB', NONE)
export const mqZstd = nodeContender(
  'mQ zstd-1',
  'mq',
  'mq.ts',
  'send() per message, linger 5 ms, batch 128 KiB, zstd 1',
  {
    codec: 'zstd',
    lingerMs: 5,
  },
)
export const mqConsumer = nodeContender('mQ', 'mq', 'mq.ts', 'handler per message, read_committed, commits', NONE)
export const mqLinger0 = nodeContender('mQ', 'mq', 'mq.ts', 'send() per message, linger 0', {
  codec: 'none',
  lingerMs: 0,
})

export const platformatic = nodeContender(
  '@platformatic/kafka',
  'node',
  'platformatic.ts',
  'ready batches of 1,000, 4 under way; stream of buffers',
  NONE,
)
export const kafkajs = nodeContender(
  'kafkajs',
  'node',
  'kafkajs.ts',
  'ready batches of 1,000, 16 under way; eachBatch, 4 partitions at once',
  NONE,
)
export const java: ContenderSpec = {
  name: 'Java',
  kind: 'java',
  settings: 'ProducerPerformance: linger 5 ms (latency: 0), batch 128 KiB; ConsumerPerformance: defaults',
  mq: NONE,
  produce: (stage, job) => javaProduce(stage.install, job),
  consume: (stage, job) => javaConsume(stage.install, job),
  latency: (stage, job) => javaLatency(stage.install, job),
}
