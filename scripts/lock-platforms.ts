/**
 * Completes package-lock.json with the platform packages of tools (Biome, oxlint) that the registry in use did not offer.
 *
 * L1. `npm ci` refuses a lock file that lacks an optional package its tree asks for, on every platform, so each must be named.
 * L2. What is added holds the exact version the tool pins and the platform its name says, and nothing that was not known: without an
 *     integrity the machine of that platform takes what its registry has under that version.
 *
 * Run it after `npm install` changed one of those tools: `node scripts/lock-platforms.ts` (`--check` only says).
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

interface LockedPackage {
  readonly version?: string
  readonly dev?: boolean
  readonly license?: string
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

interface Lock {
  packages: Record<string, LockedPackage & Record<string, unknown>>
}

const EXACT = /^\d+\.\d+\.\d+$/
const SYSTEMS = ['android', 'darwin', 'freebsd', 'linux', 'openharmony', 'win32']
const PROCESSORS = ['arm64', 'arm', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x']

/** @returns the names it added */
export function completeLock(lock: Lock): string[] {
  const added: string[] = []
  for (const owner of Object.values(lock.packages)) {
    for (const [name, version] of Object.entries(owner.optionalDependencies ?? {})) {
      const key = `node_modules/${name}`
      const parts = name.split(/[/-]/)
      const os = SYSTEMS.find((system) => parts.includes(system))
      const cpu = PROCESSORS.find((processor) => parts.includes(processor))
      if (lock.packages[key] !== undefined || os === undefined || cpu === undefined || !EXACT.test(version)) continue
      lock.packages[key] = {
        version,
        cpu: [cpu],
        ...(owner.dev === true ? { dev: true } : {}),
        ...(name.includes('musl') ? { libc: ['musl'] } : {}),
        ...(owner.license === undefined ? {} : { license: owner.license }),
        optional: true,
        os: [os],
      }
      added.push(name)
    }
  }
  lock.packages = Object.fromEntries(Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1)))
  return added
}

if (import.meta.main) {
  const path = join(dirname(fileURLToPath(import.meta.url)), '..', 'package-lock.json')
  const lock = JSON.parse(readFileSync(path, 'utf8')) as Lock
  const added = completeLock(lock)
  for (const name of added) console.log(`package-lock.json lacked ${name}`)
  if (added.length > 0 && process.argv.includes('--check')) {
    console.log('Mend it with: node scripts/lock-platforms.ts')
    process.exitCode = 1
  } else if (added.length > 0) {
    writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
  }
}
