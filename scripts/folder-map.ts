/**
 * The map of folders in DESIGN.md: one line for each folder of source, written by hand and held complete.
 *
 * M1. Every folder under `packages/NAME/src` that holds source has exactly one line, and every line names a folder that is there.
 * M2. What a file is stands in the file: `filesWithoutHeader` lists those that do not open with a comment.
 */
import { globSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** `index.ts` lists exports and declaration files describe foreign code: neither needs a header. */
const needsHeader = (file: string): boolean => basename(file) !== 'index.ts' && !file.endsWith('.d.ts')
const ROW = /^\| `([^`]+)` \|/gm

function sources(root: string): string[] {
  return globSync('packages/*/src/**/*.ts', { cwd: root }).toSorted()
}

/** The folder of a source file as the map names it: `kafka/net` for `packages/kafka/src/net/x.ts`. */
export function folderOf(file: string): string {
  return dirname(file.replaceAll('\\', '/'))
    .replace(/^packages\//, '')
    .replace(/\/src(?=\/|$)/, '')
}

/** What is wrong with the map, in words (M1). */
export function mapProblems(files: readonly string[], map: string): string[] {
  const folders = new Set(files.map(folderOf))
  const rows = [...map.matchAll(ROW)].map(([, folder]) => folder!)
  return [
    ...[...folders].filter((folder) => !rows.includes(folder)).map((folder) => `no line for the folder ${folder}`),
    ...rows.filter((row) => !folders.has(row)).map((row) => `a line for ${row}, which holds no source`),
    ...rows.filter((row, at) => rows.indexOf(row) !== at).map((row) => `two lines for ${row}`),
  ]
}

/** The same for DESIGN.md as it stands. */
export function folderMapProblems(root: string): string[] {
  const design = readFileSync(join(root, 'DESIGN.md'), 'utf8')
  const map = design.slice(design.indexOf('\n## Map of folders'))
  return mapProblems(sources(root), map).map((problem) => `DESIGN.md, map of folders: ${problem}`)
}

/** The first sentence of a file's header comment, or undefined when the file does not open with one. */
export function headerOf(text: string): string | undefined {
  const block = /^(?:#!.*\n)?\/\*\*([\s\S]*?)\*\//.exec(text)?.[1]
  const paragraph = block
    ?.split('\n')
    .map((line) => line.replace(/^ \*/, '').trim())
    .join('\n')
    .trim()
    .split('\n\n')[0]
  if (paragraph === undefined || paragraph === '') return undefined
  const prose = paragraph.replaceAll('\n', ' ')
  return /^.*?\.(?= |$)/.exec(prose)?.[0] ?? prose
}

export function filesWithoutHeader(root: string): string[] {
  return sources(root)
    .filter(needsHeader)
    .filter((file) => headerOf(readFileSync(join(root, file), 'utf8')) === undefined)
}
