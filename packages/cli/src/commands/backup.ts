/** `mq backup` and `mq restore`: a whole copy of a control plane's store, taken while it runs, and put back while it does not. */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Command } from 'commander'
import { commandName, type Io } from '../io.ts'
import { type OutputFlags, withExamples, withOutput } from '../options.ts'
import { print } from '../output.ts'
import { plural } from '../units.ts'

interface StoreFlags extends OutputFlags {
  readonly data: string
}

export function backupCommand(program: Command, io: Io): void {
  const command = program
    .command('backup')
    .summary("copy a control plane's store while it runs")
    .description(
      'Copies the store of a control plane on this machine into one file, also while it runs. Copying control-plane.sqlite by hand misses what is still in its log.',
    )
    .argument('<file>', 'where to; nothing is replaced')
    .option('--data <folder>', 'data folder of the control plane, or of mq dev', '.mq/dev')
  withExamples(withOutput(command), [
    ['mq backup /backups/mq-2026-01-31.backup', 'of mq dev here'],
    ['mq backup mq.backup --data /var/lib/mq', 'of another data folder'],
  ]).action(async (file: string, flags: StoreFlags) => {
    const { backupStore } = await import('@mq/control-plane')
    const facts = await backupStore(storeFolder(io, flags.data), resolve(io.cwd, file))
    await print(
      io,
      flags.output,
      { file, ...facts },
      () => `Backed up ${plural(facts.mqIds, 'mQ ID')} at revision ${facts.revision} to ${file}.`,
    )
  })
}

export function restoreCommand(program: Command, io: Io): void {
  const command = program
    .command('restore')
    .summary("put a backup in place of a control plane's store")
    .description(
      'Puts a backup in place of the store of a control plane that does not run. What was there is set aside. At its next start the control plane asks clusters and clients what they know better.',
    )
    .argument('<file>', 'a file that mq backup made')
    .option('--data <folder>', 'data folder of the control plane, or of mq dev', '.mq/dev')
  withExamples(withOutput(command), [
    ['mq restore /backups/mq-2026-01-31.backup', 'into mq dev here'],
    ['mq restore mq.backup --data /var/lib/mq', 'into another data folder'],
  ]).action(async (file: string, flags: StoreFlags) => {
    const { restoreStore } = await import('@mq/control-plane')
    const facts = restoreStore(storeFolder(io, flags.data), resolve(io.cwd, file), Date.now())
    await print(io, flags.output, { file, ...facts }, () =>
      [
        `Restored ${plural(facts.mqIds, 'mQ ID')} at revision ${facts.revision}.`,
        ...(facts.setAside === null ? [] : [`What was there is in ${facts.setAside}.`]),
        `Start the control plane, then see \`${commandName(io.env)} list\` for what it still has to find out.`,
      ].join('\n'),
    )
  })
}

/** `mq dev` keeps the store in a folder of its own below its data folder. */
function storeFolder(io: Io, data: string): string {
  const folder = resolve(io.cwd, data)
  const inner = join(folder, 'control-plane')
  return existsSync(join(folder, 'control-plane.sqlite')) || !existsSync(inner) ? folder : inner
}
