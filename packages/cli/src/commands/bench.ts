/** `mq bench ID`: a workload twin on a shadow topic; configurations ranked by what they measurably give for a dollar. */

import type { ApiClient } from '@mq/api-client'
import { MqError, type Twin, type TwinState } from '@mq/contract'
import { sleep, systemDeps } from '@mq/contract/timing'
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { startProgress } from '../progress.ts'
import { twinProgress, twinText } from '../twin-view.ts'

interface BenchFlags extends OutputFlags, TargetFlags {
  readonly top: number
  readonly seconds: number
  readonly rounds: number
  readonly last?: boolean
}

const POLL_MS = 500
const OVER: readonly TwinState[] = ['done', 'failed', 'cancelled']

export function benchCommand(program: Command, io: Io): void {
  const command = program
    .command('bench')
    .summary('try configurations on a copy of the workload and rank them')
    .description(
      'Replays made-up traffic of the same shape (sizes, keys, rate, how well it compresses) on a shadow topic, measures the cheapest configurations beside the current one, and ranks them by what they give for a dollar. The mQ ID itself is neither written, read nor changed. Ctrl-C ends it and removes the shadow topic.',
    )
    .argument('<id>', 'an mQ ID with traffic')
    .option('--top <count>', 'how many of the cheapest by the model are tried', wholeNumber(1, 20), 5)
    .option('--seconds <count>', 'how long each is measured in a round', wholeNumber(1, 60), 5)
    .option('--rounds <count>', 'rounds; they take turns in each', wholeNumber(1, 10), 2)
    .option('--last', 'show the last one instead of beginning another')
  withExamples(withTarget(withOutput(command)), [
    ['mq bench orders.placed', 'about a minute and a half'],
    ['mq bench orders.placed --top 10 --seconds 10', 'longer and surer'],
    ['mq bench orders.placed --last --json', 'the last result again, for programs'],
  ]).action(async (text: string, flags: BenchFlags) => bench(io, checkMqId(text), flags))
}

async function bench(io: Io, id: string, flags: BenchFlags): Promise<void> {
  const api = apiFor(io, flags)
  const twin = flags.last === true ? await lastOf(api, id, io.interrupt) : await run(io, api, id, flags)
  await print(io, flags.output, twin, (colors, width) => twinText(twin, colors, width))
  if (twin.state === 'failed' || twin.state === 'cancelled') throw new Exit(exitCodes.refused)
}

async function lastOf(api: ApiClient, id: string, signal: AbortSignal): Promise<Twin> {
  const { twins } = await api.call('listTwins', { query: { id, limit: '1' } }, { signal })
  const [last] = twins
  if (last === undefined) throw new MqError('MQ_TWIN_UNKNOWN', `no workload twin of '${id}' was ever run`)
  return last
}

async function run(io: Io, api: ApiClient, id: string, flags: BenchFlags): Promise<Twin> {
  const { top, seconds, rounds } = flags
  let twin = await api.call('startTwin', { params: { id }, body: { top, seconds, rounds } }, { signal: io.interrupt })
  const params = { number: String(twin.number) }
  const progress = startProgress(io, twinProgress(twin), { announce: true })
  try {
    while (!OVER.includes(twin.state)) {
      await sleep(systemDeps, POLL_MS, io.interrupt)
      twin = await api.call('getTwin', { params }, { signal: io.interrupt })
      progress.update(twinProgress(twin))
    }
    return twin
  } catch (error) {
    // Whoever waits for it is gone: so is the reason to load the cluster.
    if (io.interrupt.aborted) await api.call('cancelTwin', { params }, {}).catch(() => undefined)
    throw error
  } finally {
    progress.stop()
  }
}
