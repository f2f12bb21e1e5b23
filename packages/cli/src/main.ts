#!/usr/bin/env node
/**
 * The entry of the `mq` command: hands the process to `runCli` and ends it with the exit code.
 *
 * E1. The first Ctrl-C or SIGTERM asks the command to end, the second one ends the process at once.
 * E2. A reader of stdout that goes away ends the command in silence (`mq tail x | head`).
 */
import './check-node.ts'
import { exitCodes } from './exit-codes.ts'
import type { Interruption, Io } from './io.ts'

const interrupting = new AbortController()
const interrupt = (reason: Interruption): void => {
  interrupting.abort(reason)
}
let asked = false
/** E1. */
const stop = (reason: 'ctrl-c' | 'terminated'): void => {
  if (asked) process.exit(reason === 'ctrl-c' ? exitCodes.interrupted : exitCodes.terminated)
  asked = true
  interrupt(reason)
}
let hangUp = (): void => interrupt('terminated')
process.on('SIGINT', () => stop('ctrl-c'))
process.on('SIGTERM', () => stop('terminated'))
process.on('SIGHUP', () => hangUp())
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  interrupt('reader-gone')
})
process.stderr.on('error', () => {})

const io: Io = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  cwd: process.cwd(),
  interrupt: interrupting.signal,
  onHangUp: (listener) => {
    hangUp = listener
  },
}

// Loaded after the check of Node: what it loads an older one does not have.
const { runCli } = await import('./program.ts')
const exitCode = await runCli(process.argv.slice(2), io)
await Promise.all([process.stdout, process.stderr].map((stream) => new Promise((resolve) => stream.write('', resolve))))
process.exit(exitCode)
