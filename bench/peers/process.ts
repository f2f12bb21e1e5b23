/**
 * Runs one contender as a process of its own and reads its CPU time and peak memory.
 *
 * X1. A process that ends badly, or not within its deadline, is an error with what it printed last and its exit code.
 * X2. CPU and memory come from /proc, sampled while it runs; without /proc they are null.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'

export interface Finished {
  readonly stdout: string
  readonly cpuUs: number | null
  readonly rssMb: number | null
}

const SAMPLE_MS = 20
const DEADLINE_MS = 300_000
// Linux reports CPU time in ticks, and there are 100 of them in a second on every platform Node runs on.
const TICK_US = 10_000

export class ProcessFailure extends Error {
  readonly exitCode: number | null

  constructor(message: string, exitCode: number | null) {
    super(message)
    this.exitCode = exitCode
  }
}

export async function runProcess(program: string, args: readonly string[]): Promise<Finished> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  let cpuUs: number | null = null
  let rssMb: number | null = null
  const sampler = setInterval(() => {
    cpuUs = readCpuUs(child.pid) ?? cpuUs
    rssMb = readPeakRssMb(child.pid) ?? rssMb
  }, SAMPLE_MS)
  const deadline = setTimeout(() => child.kill('SIGKILL'), DEADLINE_MS)
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    if (code !== 0) {
      throw new ProcessFailure(`${program} ended with ${code}: ${(stderr || stdout).slice(-2_000)}`, code)
    }
    return { stdout, cpuUs, rssMb }
  } finally {
    clearInterval(sampler)
    clearTimeout(deadline)
  }
}

function readCpuUs(pid: number | undefined): number | null {
  const stat = readProc(pid, 'stat')
  if (stat === null) return null
  // The program's name stands in parentheses and may hold anything, so fields are counted from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_US
}

function readPeakRssMb(pid: number | undefined): number | null {
  const peak = /VmHWM:\s+(\d+) kB/.exec(readProc(pid, 'status') ?? '')?.[1]
  return peak === undefined ? null : Number(peak) / 1_024
}

function readProc(pid: number | undefined, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8')
  } catch {
    return null
  }
}
