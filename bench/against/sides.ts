/** The two sides of a comparison: this clone, and another commit in a folder of its own (V3). */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export type Side = 'this' | 'other'
export type Roots = Readonly<Record<Side, string>>

export const ROOT = fileURLToPath(new URL('../../', import.meta.url))
/** The same load for both. */
const OWN_PROGRAMS = ['bench/peers/mq.ts', 'bench/peers/job.ts', 'bench/payloads.ts', 'bench/statistics.ts']

export const git = (...args: readonly string[]): string =>
  execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()

/** @returns where it is, and how to remove it */
export function checkOut(commit: string): { readonly root: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'mq-against-'))
  const root = join(folder, 'clone')
  const remove = (): void => {
    execFileSync('git', ['worktree', 'remove', '--force', root], { cwd: ROOT, stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }
  git('worktree', 'add', '--detach', '--quiet', root, commit)
  const modules = join(root, 'node_modules')
  mkdirSync(join(modules, '@mq'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@mq') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const name of readdirSync(join(root, 'packages')))
    symlinkSync(join(root, 'packages', name), join(modules, '@mq', name))
  for (const path of OWN_PROGRAMS) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    copyFileSync(join(ROOT, path), join(root, path))
  }
  return { root, remove }
}

/** Interleaved, and who goes first takes turns (V1). */
export async function inPairs<T>(
  pairs: number,
  run: (side: Side, pair: number) => Promise<T>,
  onPair: (pair: Readonly<Record<Side, T>>, number: number) => void,
): Promise<Readonly<Record<Side, T>>[]> {
  const all: Record<Side, T>[] = []
  for (let pair = 0; pair < pairs; pair++) {
    const order: readonly Side[] = pair % 2 === 0 ? ['other', 'this'] : ['this', 'other']
    const runs = {} as Record<Side, T>
    for (const side of order) runs[side] = await run(side, pair)
    all.push(runs)
    onPair(runs, pair + 1)
  }
  return all
}
