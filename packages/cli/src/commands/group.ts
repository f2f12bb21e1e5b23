/** `mq group drop ID GROUP`: nothing waits any more for a group that nobody uses. */
import { MqError } from '@mq/contract'
import type { Command } from 'commander'
import { confirmByName } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { formatCount, plural } from '../units.ts'

interface GroupFlags extends OutputFlags, TargetFlags {
  readonly yes?: boolean
  readonly force?: boolean
}

export function groupCommand(program: Command, io: Io): void {
  const command = program
    .command('group')
    .summary('drop a group that nobody uses any more')
    .description(
      'Takes the positions of a group on an mQ ID away, after you typed its name, so that no migration waits for it. The group may be one that is not of mQ.',
    )
    .usage('[options] drop <id> <group>')
    .argument('<drop>', 'the word drop')
    .argument('<id>', 'an mQ ID')
    .argument('<group>', 'its name in mQ, or the Kafka group id of one that is not of mQ')
    .option('--force', 'also while it has members: they are left alone, and migrations go on without them')
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(command)), [
    ['mq group drop orders.placed old-report', 'nobody runs it any more'],
    ['mq group drop orders.placed my-kcat --force', 'a reader that is not of mQ is left behind on purpose'],
  ]).action(async (word: string, text: string, group: string, flags: GroupFlags) => {
    if (word !== 'drop') throw new MqError('MQ_OPTION_INVALID', `'${word}' is not a word of mq group; it has drop`)
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
