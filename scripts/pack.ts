/**
 * `mq pack`: tarballs of the packages, as npm publishes and installs them.
 *
 * K1. What is packed was built from what lies there now.
 * K2. With `--check` publint and arethetypeswrong look at the tarballs; a complaint of either fails the run. The packages are modules of
 *     ECMAScript only: how older resolvers of TypeScript and `require` before Node 22 see them is left out.
 *
 * `--out DIR`: where they go (`dist/` of the source tree). `--build`: build only, which is what `npm pack` in a package runs first.
 */
import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { buildPackages } from './build-packages.ts'
import { published } from './published.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))
const USAGE = `usage: mq pack [--out DIR] [--check] [--build]

  --out DIR   where the tarballs go (dist/ of the source tree)
  --check     look at them with publint and arethetypeswrong
  --build     build only
`

interface Packed {
  readonly filename: string
  readonly size: number
  readonly entryCount: number
}

/** @returns the path of the tarball */
async function pack(folder: string, out: string): Promise<Packed> {
  const flags = ['pack', '--json', '--ignore-scripts', '--pack-destination', out]
  const { stdout } = await run('npm', flags, { cwd: folder, maxBuffer: 64 * 1_048_576 })
  const [packed] = JSON.parse(stdout) as [Packed]
  return { ...packed, filename: join(out, packed.filename.replace('@', '').replace('/', '-')) }
}

/** K2. @returns what the tools complain of */
async function complaints(tarball: string): Promise<string[]> {
  const tool = (name: string): string => join(root, 'node_modules', '.bin', name)
  const checks: readonly (readonly [string, readonly string[]])[] = [
    ['publint', ['run', tarball, '--strict']],
    ['attw', [tarball, '--profile', 'esm-only', '--no-definitely-typed', '--format', 'ascii', '--no-color']],
  ]
  const found = checks.map(async ([name, flags]) => {
    try {
      await run(tool(name), flags, { cwd: root, maxBuffer: 64 * 1_048_576 })
      return []
    } catch (error) {
      const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
      return [`${name}:\n${`${stdout}${stderr}`.trim() || String(error)}`]
    }
  })
  return (await Promise.all(found)).flat()
}

async function main(): Promise<number> {
  const { values: flags } = parseArgs({
    options: {
      out: { type: 'string' },
      check: { type: 'boolean', default: false },
      build: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (flags.help) {
    process.stdout.write(USAGE)
    return 0
  }
  buildPackages(root)
  if (flags.build) return 0
  const out = resolve(flags.out ?? join(root, 'dist'))
  mkdirSync(out, { recursive: true })
  let failed = 0
  for (const { path } of published(root)) {
    const packed = await pack(path, out)
    const size = `${Math.ceil(packed.size / 1_024)} KiB, ${packed.entryCount} files`
    console.log(`${packed.filename}  ${size}`)
    if (!flags.check) continue
    for (const text of await complaints(packed.filename)) {
      failed++
      console.log(text.replaceAll(/^/gm, '    '))
    }
  }
  if (flags.check) console.log(failed === 0 ? 'publint and arethetypeswrong: clean' : `${failed} complaints`)
  console.log(`\nIn an empty folder: npm install --prefix . ${out}/*.tgz`)
  return failed === 0 ? 0 : 1
}

process.exitCode = await main()
