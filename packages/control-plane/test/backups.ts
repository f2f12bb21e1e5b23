/** Backups of a store, their restoring, and chance that comes out the same every time. */
import assert from 'node:assert/strict'
import { copyFileSync, existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Harness, temporaryFolder } from './harness.ts'
import type { World } from './migration-on-fakes.ts'

const STORE = 'control-plane.sqlite'

/** A consistent copy of the store of a running control plane. */
export function backUp(t: TestContext, plane: Harness): string {
  const file = join(temporaryFolder(t), 'backup.sqlite')
  plane.store.sqlite.exec(`VACUUM INTO '${file}'`)
  return file
}

/** The backup takes the place of the store, whose folder keeps its mark. */
export function restore(world: World, backup: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(join(world.dataDir, STORE + suffix), { force: true })
  copyFileSync(backup, join(world.dataDir, STORE))
  assert.ok(existsSync(join(world.dataDir, STORE)))
}

export function generator(seed: number): () => number {
  let state = seed * 2_654_435_761
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
  }
}
