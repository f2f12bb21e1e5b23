/** `mq completion SHELL`, and the hidden command its scripts ask for mQ IDs. */
import { Argument, type Command } from 'commander'
import { completionScript, type ShellName, shells } from '../completion-script.ts'
import { type Io, write } from '../io.ts'
import { apiFor, withExamples } from '../options.ts'

const KEY_PRESS_DEADLINE_MS = 800

export function completionCommand(program: Command, io: Io): void {
  const command = program
    .command('completion')
    .summary('print the completion script of a shell')
    .description('Prints a completion script: commands, options, values and the mQ IDs of the current control plane.')
    .addArgument(new Argument('<shell>', 'which shell').choices([...shells]))
  withExamples(command, [
    ['source <(mq completion bash)', 'in ~/.bashrc'],
    ['source <(mq completion zsh)', 'in ~/.zshrc'],
    ['mq completion fish | source', 'in ~/.config/fish/config.fish'],
  ]).action((shell: ShellName) => write(io.stdout, completionScript(shell, program)))
  program.command('complete-ids', { hidden: true }).action(async () => {
    try {
      const { ids } = await apiFor(io, {}).all('listIds', {}, { deadlineMs: KEY_PRESS_DEADLINE_MS })
      await write(io.stdout, ids.map((id) => `${id.id}\n`).join(''))
    } catch {
      // Nobody reads an error in the middle of a key press.
    }
  })
}
