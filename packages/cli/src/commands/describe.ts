/** `mq describe ID`: the intent, what mQ chose and why, and how it goes. */
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { describeText } from '../describe-view.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

interface DescribeFlags extends OutputFlags, TargetFlags {}

export function describeCommand(program: Command, io: Io): void {
  const command = program
    .command('describe')
    .summary('show one mQ ID: intent, choices and their reasons, traffic')
    .description('Shows one mQ ID: its intent, what mQ chose for it and why, and the traffic of the last minutes.')
    .argument('<id>', 'an mQ ID')
  withExamples(withTarget(withOutput(command)), [
    ['mq describe orders.placed', 'for people'],
    ['mq describe orders.placed -o json', 'for programs'],
  ]).action(async (id: string, flags: DescribeFlags) => {
    const detail = await apiFor(io, flags).call('getId', { params: { id: checkMqId(id) } }, { signal: io.interrupt })
    await print(io, flags.output, detail, (colors, width) => describeText(detail, colors, Date.now(), width))
  })
}
