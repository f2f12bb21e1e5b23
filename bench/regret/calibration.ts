/**
 * The constants of the model on this machine, from a workload that is none of the tested ones.
 */
import { calibrated, codecName, DEFAULT_CONSTANTS, type ModelConstants, type Workload } from '@mq/economics'
import { type Calibration, type CalibrationRun, calibrate } from '../../packages/control-plane/src/twin/calibrate.ts'
import { agreeing, merged } from '../../packages/control-plane/src/twin/calibrations.ts'
import { consumerSettings, type ProducerKnobs, producerSettings } from './grids.ts'
import type { Sweeper, TrialFigures, Windows } from './sweep.ts'
import { openWorkload, type WorkloadSource } from './workloads.ts'

const KIB = 1_024
const NONE = { codec: 'none', codecLevel: null } as const
const ZSTD = { codec: 'zstd', codecLevel: 1 } as const
const RUNS: readonly ProducerKnobs[] = [
  { ...NONE, lingerMs: 0, batchBytes: 16 * KIB },
  { ...ZSTD, lingerMs: 0, batchBytes: 16 * KIB },
  { ...NONE, lingerMs: 5, batchBytes: 16 * KIB },
  { ...ZSTD, lingerMs: 20, batchBytes: 256 * KIB },
  { ...NONE, lingerMs: 100, batchBytes: 256 * KIB },
  { codec: 'lz4', codecLevel: null, lingerMs: 50, batchBytes: 64 * KIB },
]
/** Each constant is the median of so many, less those that a bad moment set far apart from the calmest. */
const ROUNDS = 3
const FETCH = { fetchMinBytes: 1, fetchMaxWaitMs: 500 }

export interface CalibrationOptions {
  readonly seed: number
  readonly windows: Windows
  /** Runs everything once before it counts: compilers on both sides take their time. */
  readonly isRehearsed: boolean
}

/** @param known what telemetry says of the calibration workload */
export async function calibrateHere(
  sweeper: Sweeper,
  known: Workload,
  { seed, windows, isRehearsed }: CalibrationOptions,
): Promise<ModelConstants> {
  const source: WorkloadSource = { kind: 'calibration', seed }
  const workload = await openWorkload(source)
  const trials = RUNS.map((knobs) => ({ producer: producerSettings(knobs), consumers: [consumerSettings(FETCH)] }))
  if (isRehearsed) {
    await sweeper.run({ workload, source, trials, windows: { ...windows, windowMs: 1_500 }, seed, alone: true })
    sweeper.forget()
  }
  await sweeper.measureIdle(isRehearsed ? 2_000 : 500)
  const dryUsPerMs = await sweeper.dryCpuUsPerMs(source, 1_500)
  const rounds: Calibration[] = []
  for (let round = 0; round < (isRehearsed ? ROUNDS : 1); round++) {
    const figures = await sweeper.run({ workload, source, trials, windows, seed: seed + 1 + round, alone: true })
    rounds.push(calibrate(figures.map((one, n) => runOf(sweeper, one, n, known, dryUsPerMs))))
  }
  return calibrated(DEFAULT_CONSTANTS, merged(agreeing(rounds)))
}

function runOf(sweeper: Sweeper, one: TrialFigures, n: number, known: Workload, dryUsPerMs: number): CalibrationRun {
  const knobs = RUNS[n]!
  const cpu = sweeper.cpuOf(one)
  const name = codecName(knobs.codec, knobs.codecLevel)
  return {
    configuration: { ...knobs, ...FETCH },
    framedBytes: known.framedBytes,
    curve: known.curves.find((each) => codecName(each.codec, each.codecLevel) === name) ?? null,
    sent: one.sent,
    heard: one.heard[0]!,
    senderCpuUs: Math.max(0, one.sent.cpuUs - dryUsPerMs * one.sent.windowMs),
    readerCpuUs: cpu.readerUs[0]!,
    brokerCpuUs: cpu.brokerProduceUs + cpu.brokerFetchUs[0]!,
  }
}
