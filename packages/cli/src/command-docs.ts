/**
 * The help of every command as Markdown, for the reference page: the page shows what the command says, word for word.
 */
import { Readable, Writable } from 'node:stream'
import type { Command } from 'commander'
import { exitCodeMeanings } from './exit-codes.ts'
import type { Io } from './io.ts'
import { buildProgram } from './program.ts'

const PAGE_WIDTH = 100

export function commandDocs(): string {
  const program = buildProgram(nowhere())
  return leaves(program)
    .map(({ words, command }) => `### mq ${words}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`)
    .join('\n')
}

export function exitCodeDocs(): string {
  const rows = exitCodeMeanings.map(({ code, meaning }) => `| ${code} | ${meaning} |`)
  return ['| exit code | meaning |', '| --- | --- |', ...rows, ''].join('\n')
}

function leaves(command: Command, words = ''): { words: string; command: Command }[] {
  const subcommands = command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help')
  return subcommands.flatMap((sub) => {
    const path = `${words} ${sub.name()}`.trim()
    return sub.commands.length === 0 ? [{ words: path, command: sub }] : leaves(sub, path)
  })
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => PAGE_WIDTH })
  command.outputHelp()
  return text.trimEnd()
}

function nowhere(): Io {
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
  return {
    stdin: Readable.from([]),
    stdout: sink,
    stderr: sink,
    env: {},
    cwd: '.',
    interrupt: new AbortController().signal,
  }
}
