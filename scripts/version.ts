/**
 * The version of mQ: one for all packages, which the root's package.json has.
 *
 * V1. Every package has it, and names the others with exactly it.
 * V2. CHANGELOG.md has a heading for it.
 *
 * `node scripts/version.ts` says it, `node scripts/version.ts 0.2.0` sets it everywhere.
 */
import { execFileSync } from 'node:child_process'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { manifestAt } from './published.ts'

const VERSION = /^\d+\.\d+\.\d+(?:-[a-z0-9.]+)?$/
const IN_CLIENT = 'packages/client/src/version.ts'
const CONSTANT = /VERSION = '([^']*)'/

const workspaces = (root: string): string[] =>
  globSync(['packages/*/package.json', 'examples/*/package.json', 'bench/package.json'], { cwd: root }).toSorted()

/** What does not have the version of the root, in words. */
export function versionProblems(root: string): string[] {
  const { version } = manifestAt(root)
  const problems: string[] = []
  for (const file of workspaces(root)) {
    const manifest = manifestAt(join(root, file, '..'))
    if (manifest.version !== version) problems.push(`${file} is ${manifest.version}, not ${version}`)
    for (const [name, wanted] of Object.entries(manifest.dependencies ?? {})) {
      if (name.startsWith('@mq/') && wanted !== version)
        problems.push(`${file} wants ${name} ${wanted}, not ${version}`)
    }
  }
  const told = CONSTANT.exec(readFileSync(join(root, IN_CLIENT), 'utf8'))?.[1]
  if (told !== version) problems.push(`${IN_CLIENT} says ${told}, not ${version}`)
  const changes = readFileSync(join(root, 'CHANGELOG.md'), 'utf8')
  if (!changes.split('\n').some((line) => line.startsWith(`## ${version}`))) {
    problems.push(`CHANGELOG.md has no heading for ${version}`)
  }
  return problems
}

function setVersion(root: string, version: string): void {
  for (const file of ['package.json', ...workspaces(root)]) {
    const path = join(root, file)
    const text = readFileSync(path, 'utf8')
      .replace(/^ {2}"version": "[^"]*"/m, `  "version": "${version}"`)
      .replaceAll(/^( {4}"@mq\/[^"]+": )"[^"]*"/gm, `$1"${version}"`)
    writeFileSync(path, text)
  }
  const path = join(root, IN_CLIENT)
  writeFileSync(path, readFileSync(path, 'utf8').replace(CONSTANT, `VERSION = '${version}'`))
  const flags = ['install', '--package-lock-only', '--ignore-scripts', '--no-audit', '--no-fund']
  execFileSync('npm', flags, { cwd: root, stdio: 'inherit' })
  execFileSync(process.execPath, [join(root, 'scripts', 'lock-platforms.ts')], { cwd: root, stdio: 'inherit' })
}

if (import.meta.main) {
  const root = fileURLToPath(new URL('..', import.meta.url))
  const [wanted] = process.argv.slice(2)
  if (wanted !== undefined && !VERSION.test(wanted)) {
    console.error(`'${wanted}' is not a version such as 0.2.0`)
    process.exit(2)
  }
  if (wanted !== undefined) setVersion(root, wanted)
  console.log(manifestAt(root).version)
  for (const problem of versionProblems(root)) console.error(problem)
}
