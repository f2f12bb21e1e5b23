/**
 * `mq group reset|skip|replay ID GROUP`: moves the positions of a group, after a preview and a question.
 *
 * G1. What would be done is asked of the control plane and shown first; nothing is changed before somebody said yes.
 * G2. The command ends when the change is over, and fails with the reason when it did not come true.
 */

import { userInfo } from 'node:os'
import type { ApiClient } from '@mq/api-client'
import { type GroupAction, type GroupChange, isMqErrorCode, MqError, parseDurationMs } from '@mq/contract'
import { sleep, systemDeps } from '@mq/contract/timing'
import { type Command, InvalidArgumentError } from 'commander'
import { confirmChange } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import { changeText, doubtsOf } from '../group-change-view.ts'
import { colorsFor, type Io, writeLine } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { timeArgument } from '../time-argument.ts'

const POLL_MS = 500
const CALL_MS = 60_000
const GROUP = 'its name in mQ, or the Kafka group id of one that is not of mQ'

interface ChangeFlags extends OutputFlags, TargetFlags {
  readonly yes?: boolean
  readonly dryRun?: boolean
  readonly partition?: number
  readonly epoch?: number
}
interface ResetFlags extends ChangeFlags {
  readonly to?: GroupAction
  readonly shiftBy?: number
}
interface SkipFlags extends ChangeFlags {
  readonly offset: number
}
interface ReplayFlags extends ChangeFlags {
  readonly since: number
  readonly until?: number
}

export function groupChangeCommands(group: Command, io: Io): void {
  const reset = withScope(
    group
      .command('reset')
      .description(
        'Moves the positions of a group. What it would read again or skip is shown first, and asked. A group that runs is let go on by itself: its clients finish what they do, leave, and come back at the new positions.',
      )
      .argument('<id>', 'an mQ ID')
      .argument('<group>', GROUP)
      .option(
        '--to <where>',
        'earliest, latest, an offset (with --partition), a time such as 2026-01-31T09:00Z, or an age such as 1h-ago',
        targetOf,
      )
      .option('--shift-by <n>', 'so many records forward, or back when below 0', shiftOf),
  )
  withExamples(reset, [
    ['mq group reset orders.placed billing --to 1h-ago', 'read the last hour again, or skip what is older'],
    ['mq group reset orders.placed billing --to earliest --dry-run', 'only say what would be read again'],
    ['mq group reset orders.placed billing --shift-by -100 --partition 3 --yes', 'for scripts'],
  ]).action(async (id: string, name: string, flags: ResetFlags) => {
    const { to, shiftBy } = flags
    if ((to === undefined) === (shiftBy === undefined)) {
      throw new MqError('MQ_OPTION_INVALID', 'Give --to or --shift-by, one of them')
    }
    await change(io, checkMqId(id), name, to ?? { kind: 'shift', records: shiftBy! }, flags)
  })
  const skip = withScope(
    group
      .command('skip')
      .description(
        'Passes exactly one record that a group cannot handle. Records before it stay unfinished, and those after it that are finished stay so.',
      )
      .argument('<id>', 'an mQ ID')
      .argument('<group>', GROUP)
      .requiredOption('--offset <n>', 'the offset of the record', wholeNumber(0)),
  )
  withExamples(skip, [
    ['mq group skip orders.placed billing --partition 2 --offset 4711', 'that record and no other'],
  ]).action(async (id: string, name: string, flags: SkipFlags) => {
    if (flags.partition === undefined) {
      throw new MqError('MQ_OPTION_INVALID', '--offset needs --partition: each partition counts its own offsets')
    }
    await change(io, checkMqId(id), name, { kind: 'skip', offset: String(flags.offset) }, flags)
  })
  const replay = withScope(
    group
      .command('replay')
      .description(
        'Lets a group read a stretch of time again. It never moves forward: what the group has not read yet stays unread, and with --until what it finished later stays finished.',
      )
      .argument('<id>', 'an mQ ID')
      .argument('<group>', GROUP)
      .requiredOption(
        '--since <time>',
        'records of this age or newer: 15m, 2h, or a time such as 2026-01-31T09:00Z',
        timeArgument,
      )
      .option('--until <time>', 'records before this age or time', timeArgument),
  )
  withExamples(replay, [
    ['mq group replay orders.placed billing --since 1h', 'the last hour once more'],
    ['mq group replay orders.placed billing --since 2h --until 1h', 'the hour before it, and nothing after that'],
  ]).action(async (id: string, name: string, flags: ReplayFlags) => {
    const action = { kind: 'replay', sinceMs: flags.since, untilMs: flags.until ?? null } as const
    await change(io, checkMqId(id), name, action, flags)
  })
}

function withScope(command: Command): Command {
  command
    .option('--partition <n>', 'only this partition (of the epoch that is open)', wholeNumber(0))
    .option('--epoch <n>', 'only this epoch', wholeNumber(1))
    .option('--dry-run', 'only say what would change')
    .option('-y, --yes', 'do not ask')
  return withTarget(withOutput(command))
}

/** G1, G2 */
async function change(io: Io, id: string, group: string, action: GroupAction, flags: ChangeFlags): Promise<void> {
  const api = apiFor(io, flags)
  const { partition, epoch } = flags
  const ask = (plan: boolean): Promise<GroupChange> =>
    api.call(
      'changeGroup',
      {
        params: { id },
        body: {
          ...{ group, action, plan, ...whoAmI() },
          ...(partition === undefined ? {} : { partition }),
          ...(epoch === undefined ? {} : { epoch }),
        },
      },
      { signal: io.interrupt, deadlineMs: CALL_MS },
    )
  const plan = await ask(true)
  if (flags.dryRun === true || plan.moves.length === 0) {
    await print(io, flags.output, plan, (colors) => changeText(plan, colors))
    return
  }
  if (flags.yes !== true) await confirmChange(io, changeText(plan, colorsFor(io.stderr, io.env)), doubtsOf(plan))
  const done = await followed(io, api, await ask(false))
  if (done.problem !== null) {
    const { code, message } = done.problem
    throw new MqError(isMqErrorCode(code) ? code : 'MQ_INTERNAL', message, { details: { change: done.number } })
  }
  await print(io, flags.output, done, (colors) => changeText(done, colors))
}

async function followed(io: Io, api: ApiClient, first: GroupChange): Promise<GroupChange> {
  let change = first
  let told = -1
  while (change.state === 'waiting' || change.state === 'applying') {
    if (io.stderr.isTTY === true && change.members.length !== told) {
      told = change.members.length
      await writeLine(
        io.stderr,
        `Change ${change.number}: ${told} members of ${change.group} are to leave for a moment ...`,
      )
    }
    await sleep(systemDeps, POLL_MS, io.interrupt)
    const params = { number: change.number! }
    change = await api.call('getGroupChange', { params }, { signal: io.interrupt, deadlineMs: CALL_MS })
  }
  return change
}

/** A process without a user of its own, as in some containers, says nothing. */
function whoAmI(): { by?: string } {
  try {
    return { by: userInfo().username }
  } catch {
    return {}
  }
}

function targetOf(text: string): GroupAction {
  if (text === 'earliest') return { kind: 'to-earliest' }
  if (text === 'latest') return { kind: 'to-latest' }
  if (/^\d+$/.test(text)) return { kind: 'to-offset', offset: text }
  const age = /^(.+?)[- ]ago$/.exec(text)?.[1]
  if (age !== undefined) return { kind: 'to-time', timeMs: timeArgument(age) }
  if (parseDurationMs(text) !== undefined) {
    throw new InvalidArgumentError(`Write ${text}-ago for an age.`)
  }
  return { kind: 'to-time', timeMs: timeArgument(text) }
}

function shiftOf(text: string): number {
  const records = Number(text)
  if (/^[+-]?\d+$/.test(text) && Number.isSafeInteger(records) && records !== 0) return records
  throw new InvalidArgumentError('It is a whole number other than 0, such as -100.')
}
