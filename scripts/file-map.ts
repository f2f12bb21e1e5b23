/**
 * The file map of DESIGN.md: each source file with the first sentence of its own header.
 *
 * A file without a header does not get a line of its own making: it is listed as a problem by `filesWithoutHeader`.
 */
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'

/** `index.ts` lists exports and declaration files describe foreign code: neither is a noun of its own. */
const isNoun = (file: string): boolean => basename(file) !== 'index.ts' && !file.endsWith('.d.ts')

function sources(root: string): string[] {
  return globSync('packages/*/src/**/*.ts', { cwd: root }).filter(isNoun).toSorted()
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
  return sources(root).filter((file) => headerOf(readFileSync(join(root, file), 'utf8')) === undefined)
}

export function fileMap(root: string): string {
  const byPackage = Map.groupBy(sources(root), (file) => file.split('/')[1]!)
  return [...byPackage]
    .map(([name, files]) => {
      const rows = files.map((file) => {
        const header = headerOf(readFileSync(join(root, file), 'utf8')) ?? ''
        return `| \`${file.replace(`packages/${name}/src/`, '')}\` | ${header.replaceAll('|', '\\|')} |`
      })
      return [`### packages/${name}`, '', '| file | what it is |', '| --- | --- |', ...rows, ''].join('\n')
    })
    .join('\n')
}
