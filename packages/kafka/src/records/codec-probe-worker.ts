/**
 * The thread behind `CodecProbeThread`: holds the records of one round and measures what it is asked to.
 *
 * W1. It answers with numbers only: records come in and never go out.
 * W2. `cpuUs` is everything this thread used since its last answer, its start included.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { StepGate } from '../timing/step-gate.ts'
import { CodecProbe } from './codec-probe.ts'
import type { ProbeAnswer, ProbeRequest } from './codec-probe-thread.ts'

const port = parentPort
const gate = new StepGate(workerData as SharedArrayBuffer)
let probe: CodecProbe | undefined
let answeredUs = 0

function cpuUs(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

function handle(request: Exclude<ProbeRequest, { kind: 'end' }>): ProbeAnswer['result'] {
  if (request.kind === 'load') {
    probe = new CodecProbe(request.batches, cpuUs)
    return null
  }
  return probe?.measure(request.candidate, request.depth) ?? null
}

port?.on('message', (request: ProbeRequest) => {
  if (request.kind === 'end') {
    port.close()
    return
  }
  // The process exits, and nobody waits for an answer.
  if (!gate.enter()) return
  let answer: ProbeAnswer
  try {
    answer = { result: handle(request), cpuUs: 0 }
  } catch (error) {
    answer = { result: null, cpuUs: 0, problem: error instanceof Error ? error.message : String(error) }
  } finally {
    gate.leave()
  }
  const nowUs = cpuUs()
  answer.cpuUs = nowUs - answeredUs
  answeredUs = nowUs
  port.postMessage(answer)
})
