/**
 * What the measurement of migrations asks of its application processes, and what they say.
 *
 * J1. A process gets its job as JSON in its first argument and writes its history to a file. While it runs it prints one JSON
 *     line four times a second; when its input ends it comes to an end in order.
 * J2. Times are microseconds of the machine's monotonic clock, the same in every process.
 */
interface Common {
  readonly url: string
  readonly mqId: string
  readonly cacheDir: string
  readonly history: string
}

export interface ProducerJob extends Common {
  /** One instance of the SDK for each, with keys of its own. */
  readonly producers: readonly string[]
  readonly messagesPerSecond: number
  readonly keys: number
  readonly payloadBytes: number
}

export interface ConsumerJob extends Common {
  readonly group: string
  readonly member: string
  /** Of every `everyMs` the handlers wait for `waitMs`; 0 for a group that keeps up. */
  readonly waitMs: number
  readonly everyMs: number
}

/** Counts since the start. */
export interface Progress {
  readonly sent: number
  readonly acked: number
  readonly failed: number
  readonly handled: number
  /** The newest complaint of the SDK's log, if it had one. */
  readonly complaint: string | null
}

/** What is sent. */
export interface Event {
  readonly producer: string
  readonly n: number
  readonly pad: string
}

const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()

/** J2 */
export function nowUs(): number {
  return Math.round((performance.now() + offsetMs) * 1_000)
}

/** Prints progress until the input ends; resolves then. */
export async function runUntilTold(progress: () => object): Promise<void> {
  const say = (): void => void process.stdout.write(`${JSON.stringify(progress())}\n`)
  say()
  const timer = setInterval(say, 250)
  process.stdin.resume()
  await new Promise((resolve) => process.stdin.once('end', resolve))
  clearInterval(timer)
}

/** Keeps the last of what the SDK has to say that is not well. */
export class Complaints {
  last: string | null = null
  readonly debug = (): void => {}
  readonly info = (): void => {}
  readonly warn = (message: string): void => {
    this.last = message
    process.stderr.write(`warn: ${message}\n`)
  }
  readonly error = (message: string): void => {
    this.last = message
    process.stderr.write(`error: ${message}\n`)
  }
}
