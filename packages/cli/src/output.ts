/**
 * The three ways a command answers: a table for people, JSON and YAML for programs.
 *
 * U1. JSON and YAML carry the same object, whose shape is the contract's; a table may leave fields out.
 * U2. A table has no borders and no colour when it goes to a file or a pipe, so that `awk` and `cut` work on it.
 */
import Table from 'cli-table3'
import { stringify } from 'yaml'
import { type Colors, colorsFor, type Io, write } from './io.ts'

export const outputFormats = ['table', 'json', 'yaml'] as const
export type OutputFormat = (typeof outputFormats)[number]

/** Prints `data` in the wanted format; `table` makes the text for people. */
export async function print(
  io: Io,
  format: OutputFormat,
  data: unknown,
  table: (colors: Colors, width: number) => string,
): Promise<void> {
  if (format === 'json') return write(io.stdout, `${JSON.stringify(data, null, 2)}\n`)
  if (format === 'yaml') return write(io.stdout, stringify(JSON.parse(JSON.stringify(data))))
  const text = table(colorsFor(io.stdout, io.env), widthOf(io))
  await write(io.stdout, text.endsWith('\n') ? text : `${text}\n`)
}

/** Columns to fill: the terminal's, and without one as many as it takes, because nothing is worse to parse than wrapped text. */
export function widthOf(io: Io): number {
  return io.stdout.isTTY === true ? Math.max(60, io.stdout.columns ?? 100) : Number.POSITIVE_INFINITY
}

/** Lines of at most `width` characters, broken between words. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}

export type Align = 'left' | 'right'
export interface Column {
  readonly head: string
  readonly align?: Align
}

const NO_LINES = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
} as const

/** The last column is wrapped to what is left of `width`. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  colors: Colors,
  width = Number.POSITIVE_INFINITY,
): string {
  const last = columns.length - 1
  const taken = columns.slice(0, last).reduce((sum, column, index) => {
    return sum + 2 + Math.max(column.head.length, ...rows.map((row) => row[index]?.length ?? 0))
  }, 0)
  const room = Math.max(20, width - taken)
  const view = new Table({
    chars: NO_LINES,
    head: columns.map((column) => colors.dim(column.head)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
  })
  view.push(...rows.map((row) => row.map((text, index) => (index === last ? wrap(text, room).join('\n') : text))))
  return trimLines(view.toString())
}

/** Two columns without a head: names and what they are, which is wrapped to what is left of `width`. */
export function fields(
  rows: readonly (readonly [string, string])[],
  colors: Colors,
  width = Number.POSITIVE_INFINITY,
): string {
  const names = Math.max(...rows.map(([name]) => name.length))
  return rows
    .flatMap(([name, value]) =>
      (width === Number.POSITIVE_INFINITY ? [value] : wrap(value, Math.max(20, width - names - 4))).map((line, nth) =>
        `  ${colors.dim((nth === 0 ? name : '').padEnd(names))}  ${line}`.trimEnd(),
      ),
    )
    .join('\n')
}

function trimLines(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}
