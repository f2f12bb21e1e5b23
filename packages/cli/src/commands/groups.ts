/** `mq groups [ID]`: all consumer groups, with how far each is behind. */
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { groupsText } from '../group-view.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

export function groupsCommand(program: Command, io: Io): void {
  const command = program
    .command('groups')
    .summary('list consumer groups, and how far each is behind')
    .description(
      'Lists the consumer groups of all mQ IDs, or of one, whether or not they run. Lag is what the brokers say: the distance between the position that a group committed and the end of the log. Unfinished is what its clients hold and have not finished.',
    )
    .argument('[id]', 'an mQ ID')
  withExamples(withTarget(withOutput(command)), [
    ['mq groups', 'of all mQ IDs'],
    ['mq groups orders.placed -o json', 'of one, for a program'],
  ]).action(async (text: string | undefined, flags: OutputFlags & TargetFlags) => {
    const query: Record<string, string> = text === undefined ? {} : { id: checkMqId(text) }
    const answer = await apiFor(io, flags).all('listGroups', { query }, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors) => groupsText(answer.groups, colors, Date.now()))
  })
}
