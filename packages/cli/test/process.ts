/** The command as a person runs it: a process of its own, with real streams and signals. */
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Ran } from './harness.ts'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

export interface StartOptions {
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  /** Runs as this user. */
  readonly uid?: number
}

export class MqProcess {
  readonly child: ChildProcess
  readonly ended: Promise<Ran>
  stdout = ''
  stderr = ''

  constructor(argv: readonly string[], options: StartOptions) {
    const { MQ_URL: _url, MQ_TOKEN: _token, MQ_CONTEXT: _context, ...env } = process.env
    this.child = spawn(process.execPath, ['--conditions=mq-source', MAIN, ...argv], {
      cwd: options.cwd,
      env: { ...env, XDG_CONFIG_HOME: `${options.cwd}/config`, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.uid }),
    })
    this.child.stdin?.on('error', () => {})
    this.child.stdin?.end(options.stdin ?? '')
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
    })
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject)
      this.child.once('close', (code, signal) => {
        resolve({
          code: code ?? -1,
          stdout: this.stdout,
          stderr: signal === null ? this.stderr : `${this.stderr}[${signal}]`,
        })
      })
    })
  }

  /** Resolves when stdout matches; rejects when the process ends before. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.stdout)
      if (found !== null) return found
      const more = new Promise<'more'>((resolve) => this.child.stdout?.once('data', () => resolve('more')))
      if ((await Promise.race([more, this.ended])) === 'more') continue
      const last = pattern.exec(this.stdout)
      if (last !== null) return last
      throw new Error(`ended without ${pattern}: ${this.stdout}\n${this.stderr}`)
    }
  }
}

export async function mq(argv: readonly string[], options: StartOptions): Promise<Ran> {
  return await new MqProcess(argv, options).ended
}
