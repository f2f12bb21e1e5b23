/**
 * Everything a command touches of the process it runs in, so that tests can hand it something else.
 *
 * O1. A write waits for its stream when that is full: memory stays bounded however slow the reader is.
 * O2. When the reader of stdout goes away (`mq tail x | head`), `interrupt` fires, and nothing is printed about it.
 * O4. A hang-up (SIGHUP) ends a command like SIGTERM, unless the command takes it for something else.
 * O3. Colour only on a terminal, and never with NO_COLOR set or TERM=dumb.
 */
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import picocolors from 'picocolors'

export type Input = Readable & { readonly isTTY?: boolean }
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export interface Io {
  readonly stdin: Input
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
  /** Ctrl-C, SIGTERM or a reader that went away; the reason is an `Interruption`. */
  readonly interrupt: AbortSignal
  /** From now on a hang-up calls this instead of ending the command (O4). */
  readonly onHangUp?: (listener: () => void) => void
}

export type Interruption = 'ctrl-c' | 'terminated' | 'reader-gone'

export type Colors = ReturnType<typeof picocolors.createColors>

export function colorsFor(stream: Output, env: Io['env']): Colors {
  const plain = Boolean(env.NO_COLOR) || env.TERM === 'dumb' || stream.isTTY !== true
  return picocolors.createColors(!plain)
}

/** O1. */
export async function write(stream: Output, text: string | Uint8Array, interrupt?: AbortSignal): Promise<void> {
  if (stream.destroyed || stream.write(text)) return
  await once(stream, 'drain', interrupt === undefined ? {} : { signal: interrupt }).catch((error: unknown) => {
    if (interrupt?.aborted !== true) throw error
  })
}

export async function writeLine(stream: Output, text: string): Promise<void> {
  await write(stream, `${text}\n`)
}

/** What a person types to run this command again. */
export function commandName(env: Io['env']): string {
  // npx puts the command of a project on the PATH for this process only.
  return env.MQ_COMMAND || (env.npm_command === 'exec' ? 'npx mq' : 'mq')
}
