/** `mq settle ID`: a person says where an mQ ID stands that a restored control plane could not settle. */
import { type Command, Option } from 'commander'
import { confirmByName } from '../confirm.ts'
import type { TargetFlags } from '../contexts.ts'
import type { Io } from '../io.ts'
import { apiFor, checkMqId, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'

interface SettleFlags extends OutputFlags, TargetFlags {
  readonly as: 'stored' | 'deleted'
  readonly yes?: boolean
}

export function settleCommand(program: Command, io: Io): void {
  const command = program
    .command('settle')
    .summary('say where an mQ ID stands after a restore')
    .description(
      'After a restore from a backup the control plane asks its clusters where every mQ ID stands. One that no cluster can settle ' +
        'stays unsettled: applications keep what they have, and nothing is changed. This command says what holds.',
    )
    .argument('<id>', 'an mQ ID that `mq list` shows as unsettled')
    .addOption(
      new Option('--as <state>', 'stored: what the restored store says holds; deleted: the mQ ID is gone')
        .choices(['stored', 'deleted'])
        .makeOptionMandatory(),
    )
    .option('-y, --yes', 'do not ask')
  withExamples(withTarget(withOutput(command)), [
    ['mq settle orders.placed --as stored', 'publishes what the store says, asks first'],
    ['mq settle orders.placed --as deleted --yes', 'its topic is lost; it can be declared again'],
  ]).action(async (text: string, flags: SettleFlags) => {
    const id = checkMqId(text)
    const api = apiFor(io, flags)
    if (flags.yes !== true) {
      const what = flags.as === 'stored' ? 'Publishing what the restored store says of' : 'Giving up'
      await confirmByName(io, `${what} ${id}`, id)
    }
    const answer = await api.call('settleId', { params: { id }, body: { as: flags.as } }, { signal: io.interrupt })
    await print(io, flags.output, { id, as: flags.as, ...answer }, () => `${id} is settled as ${flags.as}.`)
  })
}
