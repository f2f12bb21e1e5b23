/** `mq demo`: everything once, on real events, checked, with a report; ends by itself. */
import type { Command } from 'commander'
import { playFlights, startExpected } from '../demo/flights.ts'
import { allChecks, type DemoReport, reportText } from '../demo/report.ts'
import { playShop } from '../demo/shop.ts'
import { Stage } from '../demo/stage.ts'
import { playTuning, TRACKED_ID, tuneOnly } from '../demo/tuning.ts'
import { exitCodes } from '../exit-codes.ts'
import { Exit } from '../failures.ts'
import type { Io } from '../io.ts'
import { addressList, type OutputFlags, wholeNumber, withExamples, withOutput } from '../options.ts'
import { print } from '../output.ts'
import { startProgress } from '../progress.ts'

interface DemoFlags extends OutputFlags {
  readonly flights: number
  readonly seconds: number
  readonly rate: number
  readonly seed: number
  readonly tuning: number
  readonly bootstrap?: readonly string[]
}

const ALL_FLIGHTS = 3_000_000

export function demoCommand(program: Command, io: Io): void {
  const command = program
    .command('demo')
    .summary('run everything once on real events and print a report')
    .description(
      'Starts Kafka and a control plane on free ports in a temporary folder, plays 3,000,000 real US flights and a seeded shop through mQ IDs, moves the busiest of them to a second cluster meanwhile, lets the tuning loop find and prove a cheaper configuration for a service that begins with the defaults of the Java client of Kafka, checks every sum against the source, prints a report and cleans up. Exit code 0 only when every check holds.',
    )
    .option('--flights <n>', 'play only the first so many flights', wholeNumber(1_000, ALL_FLIGHTS), ALL_FLIGHTS)
    .option('--seconds <n>', 'how long the shop is open', wholeNumber(1, 3_600), 10)
    .option('--rate <n>', 'messages a second in the shop', wholeNumber(10, 100_000), 2_000)
    .option('--seed <n>', 'seed of the shop', wholeNumber(0, 4_294_967_295), 7)
    .option(
      '--tuning <seconds>',
      'how long the badly configured service waits for a decision at most; 0 leaves it out',
      wholeNumber(0, 3_600),
      80,
    )
    .option('--bootstrap <addresses>', 'use this Kafka (host:port, commas between) instead of a local one', addressList)
  withExamples(withOutput(command), [
    ['mq demo', 'all of it'],
    ['mq demo --flights 200000 --tuning 0', 'a shorter one, in which nothing is tuned'],
    ['mq demo -o json | jq .ok', 'for programs'],
  ]).action((flags: DemoFlags) => demo(io, flags))
}

async function demo(io: Io, flags: DemoFlags): Promise<void> {
  const startedMs = performance.now()
  const stage = await Stage.create(io)
  const progress = startProgress(io, 'starting Kafka and the control plane', { announce: true })
  const say = (text: string, detail?: string): void => progress.update(text, detail)
  let report: DemoReport
  try {
    const expecting = startExpected(stage, flags.flights)
    const { javaClientDefaults } = await import('@mq/control-plane')
    await stage.start(flags.bootstrap, { [TRACKED_ID]: javaClientDefaults }, say)
    await tuneOnly(stage, TRACKED_ID)
    say('A. flights at full speed')
    const flights = await playFlights(stage, flags.flights, expecting, say)
    say('B. a shop at a steady rate')
    const shop = await playShop(stage, { messagesPerSecond: flags.rate, seconds: flags.seconds, seed: flags.seed }, say)
    const tuning = flags.tuning === 0 ? null : await playTuning(stage, flags.tuning * 1_000, say)
    const checks = allChecks({ flights, shop, tuning })
    const failed = checks.filter((check) => !check.ok)
    const kafka =
      flags.bootstrap === undefined ? 'two local Kafkas of one broker each' : `Kafka at ${flags.bootstrap.join(', ')}`
    report = {
      ok: failed.length === 0,
      durationMs: Math.round(performance.now() - startedMs),
      kafka,
      flights,
      shop,
      tuning,
      failed,
      open: checks.filter((check) => check.isOpen === true),
    }
  } finally {
    progress.update('cleaning up')
    await stage.close()
    progress.stop()
  }
  await print(io, flags.output, report, (colors, width) => reportText(report, colors, width))
  if (!report.ok) throw new Exit(exitCodes.failure)
}
