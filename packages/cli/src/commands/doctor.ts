/** `mq doctor`: whether this machine and the control plane are as they should be, and what to do where not. */
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { type Diagnosis, diagnose } from '../diagnosis.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import type { Colors, Io } from '../io.ts'
import { type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print } from '../output.ts'
import { startProgress } from '../progress.ts'

interface DoctorFlags extends OutputFlags, TargetFlags {}

export function doctorCommand(program: Command, io: Io): void {
  const command = program
    .command('doctor')
    .summary('check this machine, the control plane and its clusters')
    .description(
      'Checks Node, Java, Maven, the Kafka cache, disk, port, context file, control plane, clusters and clock. Every line is ok, warn or fail, with what to do. Exit code 1 when one fails.',
    )
  withExamples(withTarget(withOutput(command)), [
    ['mq doctor', 'before the first mq dev, and when something is odd'],
    ['mq doctor -o json', 'to attach to a report'],
  ]).action(async (flags: DoctorFlags) => {
    const progress = startProgress(io, 'looking around')
    const checks = await diagnose(io, flags).finally(() => progress.stop())
    const ok = checks.every((check) => check.status !== 'fail')
    await print(io, flags.output, { ok, checks }, (colors) => diagnosisText(checks, colors))
    if (!ok) throw new Exit(exitCodes.failure)
  })
}

function diagnosisText(checks: readonly Diagnosis[], colors: Colors): string {
  const paint = { ok: colors.green, warn: colors.yellow, fail: colors.red } as const
  const width = Math.max(...checks.map((check) => check.name.length))
  return checks
    .flatMap((check) => {
      const line = `${paint[check.status](check.status.padEnd(4))}  ${check.name.padEnd(width)}  ${check.message}`
      return check.action === null ? [line] : [line, `${' '.repeat(width + 8)}${colors.cyan('->')} ${check.action}`]
    })
    .join('\n')
}
