/**
 * Completion scripts for bash, zsh and fish, made from the commands themselves.
 *
 * K1. Names of commands and options come from the command tree, so a new one completes without a word here.
 * K2. mQ IDs are asked for at the time of the key press (`mq complete-ids`), which is silent when there is no answer.
 */
import type { Command } from 'commander'

export const shells = ['bash', 'zsh', 'fish'] as const
export type ShellName = (typeof shells)[number]

interface Node {
  readonly path: string
  readonly description: string
  readonly subcommands: readonly Node[]
  readonly options: readonly {
    readonly flags: readonly string[]
    readonly description: string
    readonly choices: readonly string[]
  }[]
  readonly takesId: boolean
}

export function completionScript(shell: ShellName, program: Command): string {
  const root = nodeOf(program, '')
  if (shell === 'bash') return bash(root)
  if (shell === 'zsh') return zsh(root)
  return fish(root)
}

function nodeOf(command: Command, path: string): Node {
  const visible = command
    .createHelp()
    .visibleCommands(command)
    .filter((sub) => sub.name() !== 'help')
  return {
    path,
    description: command.summary() || command.description(),
    subcommands: visible.map((sub) => nodeOf(sub, `${path} ${sub.name()}`.trim())),
    options: command
      .createHelp()
      .visibleOptions(command)
      .map((option) => ({
        flags: [option.short, option.long].filter((flag): flag is string => flag !== undefined && flag !== null),
        description: option.description,
        choices: option.argChoices ?? [],
      })),
    takesId: command.registeredArguments.some((argument) => argument.name() === 'id'),
  }
}

function flatten(node: Node): Node[] {
  return [node, ...node.subcommands.flatMap(flatten)]
}

function wordsOf(node: Node): string {
  return [
    ...node.subcommands.map((sub) => sub.path.split(' ').at(-1)!),
    ...node.options.flatMap((option) => option.flags),
  ].join(' ')
}

function choiceCases(node: Node): [string, string][] {
  return flatten(node).flatMap((each) =>
    each.options
      .filter((option) => option.choices.length > 0)
      .map((option): [string, string] => [option.flags.join('|'), option.choices.join(' ')]),
  )
}

function bash(root: Node): string {
  const paths = flatten(root).map(
    (node) => `    '${node.path}') words='${wordsOf(node)}'${node.takesId ? '; ids=1' : ''} ;;`,
  )
  const known = flatten(root)
    .filter((node) => node.path !== '')
    .map((node) => `'${node.path}'`)
  const choices = new Map(choiceCases(root))
  return `# bash completion of mq: source <(mq completion bash)
_mq() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}" path='' words='' ids='' i next
  case "$previous" in
${[...choices].map(([flags, values]) => `    ${flags}) COMPREPLY=($(compgen -W '${values}' -- "$current")); return ;;`).join('\n')}
    -f|--file) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    next="\${path:+$path }\${COMP_WORDS[i]}"
    case "$next" in
      ${known.join('|')}) path="$next" ;;
    esac
  done
  case "$path" in
${paths.join('\n')}
  esac
  if [[ -n "$ids" && "$current" != -* ]]; then words="$words $("\${COMP_WORDS[0]}" complete-ids 2>/dev/null)"; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _mq mq ./mq
`
}

function zsh(root: Node): string {
  return `#compdef mq
# zsh completion of mq: source <(mq completion zsh)
autoload -U +X bashcompinit && bashcompinit
${bash(root).split('\n').slice(1).join('\n')}`
}

function fish(root: Node): string {
  const quote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  const lines = ['# fish completion of mq: mq completion fish | source', 'complete -c mq -f']
  for (const node of flatten(root)) {
    const here = fishCondition(root, node)
    for (const sub of node.subcommands) {
      lines.push(`complete -c mq -n ${quote(here)} -a ${sub.path.split(' ').at(-1)!} -d ${quote(sub.description)}`)
    }
    if (node.takesId) lines.push(`complete -c mq -n ${quote(here)} -a '(mq complete-ids 2>/dev/null)'`)
    for (const option of node.options) {
      const flags = option.flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`))
      const values = option.choices.length === 0 ? '' : ` -x -a ${quote(option.choices.join(' '))}`
      const files = option.flags.includes('--file') ? ' -r -F' : ''
      lines.push(`complete -c mq -n ${quote(here)} ${flags.join(' ')}${values}${files} -d ${quote(option.description)}`)
    }
  }
  return `${lines.join('\n')}\n`
}

function fishCondition(root: Node, node: Node): string {
  if (node === root) return '__fish_use_subcommand'
  const seen = node.path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`)
  const below = node.subcommands.map((sub) => sub.path.split(' ').at(-1)!)
  return [...seen, ...(below.length === 0 ? [] : [`not __fish_seen_subcommand_from ${below.join(' ')}`])].join('; and ')
}
