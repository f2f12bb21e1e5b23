/**
 * A load on this machine to hold tests against: `node scripts/busy.ts [--loops 4] [--seconds 600]`, beside `./mq test` or one test file.
 *
 * L1. Loops that never wait, each in a process of its own, and one writer that brings 1 MiB to disk at a time, as fast as the disk takes it.
 * L2. Everything ends with this process, however that ends: after its time, at Ctrl-C, killed. Nothing is left on disk.
 *
 * It runs with the priority that it is started with: `nice -n 19 node scripts/busy.ts` beside tests at the same.
 */
import { spawn } from 'node:child_process'
import { closeSync, fsyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const WRITE_BYTES = 1 << 20
const FILE_BYTES = 256 << 20

function loop(parent: number): void {
  while (process.ppid === parent) for (let round = 0; round < 10_000_000; round++);
}

function write(parent: number, folder: string): void {
  const file = openSync(join(folder, 'written'), 'w')
  const block = Buffer.alloc(WRITE_BYTES, 7)
  for (let at = 0; process.ppid === parent; at = (at + WRITE_BYTES) % FILE_BYTES) {
    writeSync(file, block, 0, WRITE_BYTES, at)
    fsyncSync(file)
  }
  closeSync(file)
  rmSync(folder, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { loops: { type: 'string', default: '4' }, seconds: { type: 'string', default: '600' } },
  })
  const [loops, seconds] = [Number(values.loops), Number(values.seconds)]
  if (!Number.isInteger(loops) || loops < 0 || !(seconds > 0)) {
    console.error('node scripts/busy.ts [--loops N] [--seconds N]')
    process.exit(2)
  }
  const folder = mkdtempSync(join(tmpdir(), 'mq-busy-'))
  const self = fileURLToPath(import.meta.url)
  const start = (as: string, ...rest: string[]) =>
    spawn(process.execPath, [self, as, String(process.pid), ...rest], { stdio: ['ignore', 'inherit', 'inherit'] })
  const children = [...Array.from({ length: loops }, () => start('as-loop')), start('as-writer', folder)]
  const ended = new Promise<void>((resolve) => {
    setTimeout(resolve, seconds * 1_000)
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
  })
  console.log(`${loops} loops and a writer for ${seconds} s; Ctrl-C ends them`)
  await ended
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit()
}

// The parent by its number: it may be gone before a child has started.
const [, , role, parent, folder = ''] = process.argv
if (role === 'as-loop') loop(Number(parent))
else if (role === 'as-writer') write(Number(parent), folder)
else await main()
