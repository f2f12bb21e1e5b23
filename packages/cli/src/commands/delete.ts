/** `mq delete ID`: an mQ ID, after a question; `mq undelete ID` brings it back. */
import type { Command } from 'commander'
import { confirmByName } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import { commandName, type Io, writeLine } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table } from '../output.ts'

interface DeleteFlags extends OutputFlags, TargetFlags {
  readonly yes?: boolean
  readonly force?: boolean
  readonly now?: boolean
}

export function deleteCommand(program: Command, io: Io): void {
  const command = program
    .command('delete')
    .summary('delete an mQ ID; mq undelete brings it back for a day')
    .description(
      'Deletes an mQ ID, after you typed its name. It is refused while applications or groups use it. Its records are kept for a day: until then mq undelete brings everything back. Dead letters of its groups go and come back with it.',
    )
    .argument('<id>', 'an mQ ID')
    .option('-y, --yes', 'do not ask')
    .option('--force', 'also while it is in use: what uses it fails from then on')
    .option('--now', 'let its records go at once; also for an mQ ID that was deleted and is still kept')
  withExamples(withTarget(withOutput(command)), [
    ['mq delete orders.placed', 'asks first'],
    ['mq delete orders.placed --yes', 'for scripts'],
    ['mq undelete orders.placed', 'as it was before'],
  ]).action(async (text: string, flags: DeleteFlags) => {
    const id = checkMqId(text)
    const api = apiFor(io, flags)
    if (flags.yes !== true) {
      if (flags.now !== true) {
        const { deadLetters } = await api.call('getId', { params: { id } }, { signal: io.interrupt })
        const groups = deadLetters.map(({ group }) => group)
        if (groups.length > 0) {
          const what = `Dead letters of ${groups.slice(0, 5).join(', ')} are deleted with it, and come back with it`
          await writeLine(io.stderr, `${what}: ${commandName(io.env)} dlq list ${id} shows them.`)
        }
      }
      const what = flags.now === true ? `Deleting ${id} and all its records` : `Deleting ${id}`
      await confirmByName(io, what, id, flags.now === true)
    }
    const query = {
      ...(flags.force === true ? { force: 'true' } : {}),
      ...(flags.now === true ? { now: 'true' } : {}),
    }
    const answer = await api.call('deleteId', { params: { id }, query }, { signal: io.interrupt })
    await print(io, flags.output, { id, ...answer }, () =>
      answer.keptUntilMs === null
        ? `Deleted ${id} and its records.`
        : `Deleted ${id}. Its records are kept until ${new Date(answer.keptUntilMs).toISOString()}: ${commandName(io.env)} undelete ${id} brings it back.`,
    )
  })
}

export function undeleteCommand(program: Command, io: Io): void {
  const command = program
    .command('undelete')
    .summary('bring a deleted mQ ID back, with its records')
    .description(
      'Brings a deleted mQ ID back as it was, with its records and the places of its groups, while they are kept. Without an mQ ID it lists those that can be brought back.',
    )
    .argument('[id]', 'an mQ ID')
  withExamples(withTarget(withOutput(command)), [
    ['mq undelete', 'what can be brought back, and until when'],
    ['mq undelete orders.placed', 'bring it back'],
  ]).action(async (text: string | undefined, flags: OutputFlags & TargetFlags) => {
    const api = apiFor(io, flags)
    if (text === undefined) {
      const answer = await api.all('listDeleted', {}, { signal: io.interrupt })
      await print(io, flags.output, answer, (colors) =>
        answer.ids.length === 0
          ? 'No deleted mQ ID is kept.'
          : table(
              [{ head: 'ID' }, { head: 'DELETED' }, { head: 'KEPT UNTIL' }],
              answer.ids.map((one) => [
                one.id,
                new Date(one.deletedAtMs).toISOString(),
                new Date(one.keptUntilMs).toISOString(),
              ]),
              colors,
            ),
      )
      return
    }
    const id = checkMqId(text)
    const detail = await api.call('undeleteId', { params: { id } }, { signal: io.interrupt })
    await print(io, flags.output, detail, () => `${id} is back, with its records.`)
  })
}
