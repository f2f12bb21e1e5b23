/** `mq delete ID`: an mQ ID and its records, after a question. */
import type { Command } from 'commander'
import { confirmByName } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

interface DeleteFlags extends OutputFlags, TargetFlags {
  readonly yes?: boolean
}

export function deleteCommand(program: Command, io: Io): void {
  const command = program
    .command('delete')
    .summary('delete an mQ ID and its records')
    .description('Deletes an mQ ID and every record in it, after you typed its name.')
    .argument('<id>', 'an mQ ID')
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(command)), [
    ['mq delete orders.placed', 'asks first'],
    ['mq delete orders.placed --yes', 'for scripts'],
  ]).action(async (text: string, flags: DeleteFlags) => {
    const id = checkMqId(text)
    const api = apiFor(io, flags)
    if (flags.yes !== true) {
      await api.call('getId', { params: { id } }, { signal: io.interrupt })
      await confirmByName(io, `Deleting ${id} and all its records`, id)
    }
    const { topics } = await api.call('deleteId', { params: { id } }, { signal: io.interrupt })
    await print(io, flags.output, { id, deleted: true, topics }, () => `Deleted ${id} and its records.`)
  })
}
