/**
 * One line on stderr that says what is going on, for anything longer than a second.
 *
 * R1. Without a terminal it is silent, unless told to `announce` (then each new step is one plain line).
 * R2. It shows nothing in its first second and always clears itself.
 */
import { colorsFor, type Io } from './io.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const
const FRAME_MS = 80
const QUIET_MS = 1_000

export interface Progress {
  /** @param detail what changes many times a second: a terminal shows it, a log does not */
  update(text: string, detail?: string): void
  /** Clears the line; more output may follow. */
  stop(): void
}

export interface ProgressOptions {
  /** Without a terminal, print each new step as a line of its own: for commands that run for long. */
  readonly announce?: boolean
  readonly quiet?: boolean
}

export function startProgress(io: Io, text: string, options: ProgressOptions = {}): Progress {
  if (options.quiet === true) return { update: () => {}, stop: () => {} }
  if (io.stderr.isTTY !== true) return plainProgress(io, text, options.announce === true)
  const colors = colorsFor(io.stderr, io.env)
  const startedMs = performance.now()
  let current = text
  let frame = 0
  let shown = false
  const timer = setInterval(() => {
    if (performance.now() - startedMs < QUIET_MS && options.announce !== true) return
    const width = (io.stderr.columns ?? 80) - 4
    frame = (frame + 1) % FRAMES.length
    shown = true
    io.stderr.write(`\r\u001b[2K${colors.cyan(FRAMES[frame]!)} ${current.slice(0, width)}`)
  }, FRAME_MS)
  timer.unref()
  return {
    update: (next, detail) => {
      current = detail === undefined ? next : `${next} ${detail}`
    },
    stop: () => {
      clearInterval(timer)
      if (shown) io.stderr.write('\r\u001b[2K')
      shown = false
    },
  }
}

function plainProgress(io: Io, text: string, announce: boolean): Progress {
  let last = ''
  const say = (next: string): void => {
    if (announce && next !== last) io.stderr.write(`${next}\n`)
    last = next
  }
  say(text)
  return { update: say, stop: () => {} }
}
