/**
 * Builds the packages: JavaScript, types and maps in each `dist`, with the licence beside them.
 *
 * B1. A file whose source is gone is gone from `dist`, too: nothing old is packed.
 * B2. It writes nothing to stdout: `npm pack --json` runs it and prints its own answer there.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, globSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { published } from './published.ts'

export function buildPackages(root: string): void {
  const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-b', join(root, 'tsconfig.build.json')], { cwd: root, stdio: ['ignore', 2, 2] })
  for (const { path } of published(root)) {
    removeOld(path)
    copyFileSync(join(root, 'LICENSE'), join(path, 'LICENSE'))
  }
}

/** B1 */
function removeOld(folder: string): void {
  for (const file of globSync('dist/**/*.{js,d.ts,js.map,d.ts.map}', { cwd: folder })) {
    const source = file.replace(/^dist/, 'src').replace(/\.(?:d\.ts|js)(?:\.map)?$/, '.ts')
    if (!existsSync(join(folder, source))) rmSync(join(folder, file))
  }
}
