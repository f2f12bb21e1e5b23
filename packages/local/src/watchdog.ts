/**
 * Ends the brokers of a cluster when the process that started them dies, however it dies.
 *
 * W1. A shell reads a pipe whose other end only this process holds; the kernel closes it when this process ends, even by SIGKILL.
 * W2. It stands in a session of its own, so Ctrl-C in a terminal reaches neither it nor the brokers: the owner decides how they stop.
 */
import { type ChildProcess, spawn } from 'node:child_process'

const SCRIPT = `
pids=
while read -r verb pid; do
  case $verb in
    add) pids="$pids $pid" ;;
    drop) rest=; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids=$rest ;;
    end) exit 0 ;;
  esac
done
[ -z "$pids" ] || kill -9 $pids 2>/dev/null
if [ -n "$1" ]; then sleep 1; rm -rf -- "$1"; fi
`

export class Watchdog {
  readonly #shell: ChildProcess

  /** @param temporaryFolder removed when this process dies without having stopped the cluster */
  constructor(temporaryFolder: string | undefined) {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, 'mq-watchdog', temporaryFolder ?? ''], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    this.#shell.on('error', () => {})
    this.#shell.stdin?.on('error', () => {})
    this.#shell.unref()
    // Node types the stream as a plain Writable; it is a socket that would keep this process alive.
    ;(this.#shell.stdin as unknown as { unref?(): void }).unref?.()
  }

  add(pid: number): void {
    this.#shell.stdin?.write(`add ${pid}\n`)
  }

  drop(pid: number): void {
    this.#shell.stdin?.write(`drop ${pid}\n`)
  }

  end(): void {
    this.#shell.stdin?.end('end\n')
  }
}
