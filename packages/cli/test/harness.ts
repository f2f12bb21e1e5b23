/** A run of the command inside the test process, and a control plane that answers what a test says. */
import { mkdtempSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { runCli } from '../src/index.ts'
import type { Io } from '../src/io.ts'

class Sink extends Writable {
  text = ''
  readonly isTTY: boolean
  readonly columns = 100

  onText: (text: string) => void = () => {}

  constructor(isTTY: boolean) {
    super()
    this.isTTY = isTTY
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString('utf8')
    this.onText(this.text)
    done()
  }
}

export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string | Uint8Array
  readonly cwd?: string
  readonly tty?: boolean
  readonly interrupt?: AbortSignal
  /** Hears everything that stdout holds so far. */
  readonly onOutput?: (text: string) => void
}

export function freshFolder(): string {
  return mkdtempSync(join(tmpdir(), 'mq-cli-test-'))
}

export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const stdout = new Sink(options.tty === true)
  const stderr = new Sink(options.tty === true)
  if (options.onOutput !== undefined) stdout.onText = options.onOutput
  const cwd = options.cwd ?? freshFolder()
  const stdin = Object.assign(Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]), {
    isTTY: options.tty === true,
  })
  const io: Io = {
    stdin,
    stdout,
    stderr,
    env: { XDG_CONFIG_HOME: join(cwd, 'config'), ...options.env },
    cwd,
    interrupt: options.interrupt ?? new AbortController().signal,
  }
  const code = await runCli(argv, io)
  return { code, stdout: stdout.text, stderr: stderr.text }
}

export interface Seen {
  readonly method: string
  readonly path: string
  readonly authorization: string | undefined
  readonly body: unknown
}

export interface FakeControlPlane {
  readonly url: string
  readonly seen: readonly Seen[]
  close(): Promise<void>
}

export type Reply = { readonly status?: number; readonly body: unknown; readonly raw?: string; readonly date?: string }

/** Answers each request with what `reply` says. */
export async function fakeControlPlane(reply: (request: Seen) => Reply | undefined): Promise<FakeControlPlane> {
  const seen: Seen[] = []
  const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const one: Seen = {
      method: request.method ?? '',
      path: request.url ?? '',
      authorization: request.headers.authorization,
      body: text === '' ? undefined : JSON.parse(text),
    }
    seen.push(one)
    const answer = reply(one)
    if (answer === undefined) return
    response.writeHead(answer.status ?? 200, {
      'content-type': 'application/json',
      ...(answer.date === undefined ? {} : { date: answer.date }),
    })
    response.end(answer.raw ?? JSON.stringify(answer.body))
  }
  const server = createServer((request, response) => void respond(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}

export async function withPlane<T>(
  reply: (seen: Seen) => Reply | undefined,
  work: (url: string, seen: readonly Seen[]) => Promise<T>,
): Promise<T> {
  const plane = await fakeControlPlane(reply)
  try {
    return await work(plane.url, plane.seen)
  } finally {
    await plane.close()
  }
}
