/** `mq group`: one consumer group, seen and changed. */
import type { Command } from 'commander'
import { confirmByName } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import { groupText } from '../group-view.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { formatCount, plural } from '../units.ts'
import { groupChangeCommands } from './group-change.ts'

interface DropFlags extends OutputFlags, TargetFlags {
  readonly yes?: boolean
  readonly force?: boolean
}

export const GROUP = 'its name in mQ, or the Kafka group id of one that is not of mQ'

export function groupCommand(program: Command, io: Io): void {
  const command = program
    .command('group')
    .summary('show a consumer group, move its positions, or drop it')
    .description('One consumer group of an mQ ID.')
  const show = command
    .command('show')
    .description('Shows where a group stands in every partition of every epoch, as the brokers know it now.')
    .argument('<id>', 'an mQ ID')
    .argument('<group>', GROUP)
  withExamples(withTarget(withOutput(show)), [['mq group show orders.placed billing', 'members and positions']]).action(
    async (text: string, group: string, flags: OutputFlags & TargetFlags) => {
      const id = checkMqId(text)
      const request = { params: { id }, query: { group } }
      const detail = await apiFor(io, flags).call('getGroup', request, { signal: io.interrupt, deadlineMs: 60_000 })
      await print(io, flags.output, detail, (colors) => groupText(detail, colors, Date.now()))
    },
  )
  groupChangeCommands(command, io)
  dropCommand(command, io)
}

function dropCommand(command: Command, io: Io): void {
  const drop = command
    .command('drop')
    .description(
      'Takes the positions of a group on an mQ ID away, after you typed its name, so that no migration waits for it. The group may be one that is not of mQ.',
    )
    .argument('<id>', 'an mQ ID')
    .argument('<group>', GROUP)
    .option('--force', 'also while it has members: they are left alone, and migrations go on without them')
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(drop)), [
    ['mq group drop orders.placed old-report', 'nobody runs it any more'],
    ['mq group drop orders.placed my-kcat --force', 'a reader that is not of mQ is left behind on purpose'],
  ]).action(async (text: string, group: string, flags: DropFlags) => {
    const id = checkMqId(text)
    const api = apiFor(io, flags)
    if (flags.yes !== true) await confirmByName(io, `Dropping group ${group} of ${id}`, group)
    const dropped = await api.call(
      'dropGroup',
      { params: { id }, body: { group, force: flags.force === true } },
      { signal: io.interrupt, deadlineMs: 60_000 },
    )
    await print(io, flags.output, dropped, () => {
      const left = dropped.remaining === '0' ? '' : `, with ${formatCount(Number(dropped.remaining))} records to read`
      const on =
        dropped.migrations.length === 0
          ? ''
          : `; ${plural(dropped.migrations.length, 'migration goes', 'migrations go')} on without it`
      return `Dropped group ${group} of ${id}${left}: ${plural(dropped.positions, 'position')} taken away${on}.`
    })
  })
}
