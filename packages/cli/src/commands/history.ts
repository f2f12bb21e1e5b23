/** `mq history [SUBJECT]`: the journal, who changed what, when and why, by which request. */
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { historyText } from '../history-view.ts'
import type { Io } from '../io.ts'
import { apiFor, type OutputFlags, wholeNumber, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

interface Flags extends OutputFlags, TargetFlags {
  readonly limit: number
}

export function historyCommand(program: Command, io: Io): void {
  const command = program
    .command('history')
    .summary('list who changed what, when and why')
    .description(
      'Lists the journal, newest first: every change, who asked for it, why, and the request it came with. The same request stands in the log of the control plane, and in the problem of a request that failed.',
    )
    .argument('[subject]', 'only what is about this mQ ID, cluster, policy or budget')
    .option('--limit <count>', 'at most so many', wholeNumber(1, 10_000), 50)
  withExamples(withTarget(withOutput(command)), [
    ['mq history', 'the last 50 changes'],
    ['mq history orders.placed', 'those of one mQ ID'],
    ['mq history orders.placed -o json', 'with the state before and after each'],
  ]).action(async (subject: string | undefined, flags: Flags) => {
    const query = { limit: String(Math.min(flags.limit, 1_000)), ...(subject === undefined ? {} : { subject }) }
    const answer = await apiFor(io, flags).all('listJournal', { query }, { signal: io.interrupt, atMost: flags.limit })
    await print(io, flags.output, answer, (colors, width) => historyText(answer, colors, Date.now(), width))
  })
}
