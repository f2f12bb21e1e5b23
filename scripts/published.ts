/**
 * The packages of mQ that people install.
 *
 * P1. What one of them needs of mQ is published, too, in the same version.
 */
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Manifest {
  readonly name: string
  readonly version: string
  readonly private?: boolean
  readonly license?: string
  readonly engines?: { readonly node?: string }
  readonly files?: readonly string[]
  readonly scripts?: Readonly<Record<string, string>>
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

export interface Published {
  /** Of `packages/`. */
  readonly folder: string
  readonly path: string
  readonly manifest: Manifest
}

export function manifestAt(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
}

/** Every package that is not private, after those it needs. */
export function published(root: string): Published[] {
  const all = globSync('packages/*', { cwd: root })
    .map((folder) => ({ folder: folder.slice('packages/'.length), path: join(root, folder) }))
    .filter(({ path }) => existsSync(join(path, 'package.json')))
    .map((each) => ({ ...each, manifest: manifestAt(each.path) }))
    .filter(({ manifest }) => manifest.private !== true)
    .toSorted((a, b) => a.folder.localeCompare(b.folder))
  const ordered: Published[] = []
  const add = (each: Published): void => {
    if (ordered.includes(each)) return
    for (const name of Object.keys(each.manifest.dependencies ?? {})) {
      const needed = all.find(({ manifest }) => manifest.name === name)
      if (needed !== undefined) add(needed)
    }
    ordered.push(each)
  }
  for (const each of all) add(each)
  return ordered
}
