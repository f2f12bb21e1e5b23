/**
 * `mq measure against REV`: sending and reading of this clone beside those of another commit, in one run.
 *
 * V1. Both run the same program (peers/mq.ts of this clone), each against its own sources, in processes of their own, on one broker. Pairs are
 *     interleaved, and who goes first takes turns: what the machine does meanwhile hits both alike.
 * V2. A figure is the median of the ratios within pairs; the interval is that of order statistics, 95 %, from six pairs on, and before that
 *     the lowest and the highest.
 * V3. The other commit is checked out into a folder of its own, which is removed afterwards. It runs with the libraries that are installed
 *     here; where its package-lock.json names others, that is said.
 * V4. A run that sends counts only when the broker holds exactly what was sent.
 */
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { mqConsumer, mqNone, mqZstd } from './contenders.ts'
import { machineFacts } from './machine.ts'
import type { Consume, Produce } from './peers/job.ts'
import { runProcess } from './peers/process.ts'
import { publish } from './publish.ts'
import { AgainstResult, Run } from './results.ts'
import { Stage } from './stage.ts'
import { median, medianInterval, round } from './statistics.ts'

const USAGE = `mq measure against REV [options]
  --pairs N           runs of each, of each kind (10)
  --messages N        in each run that sends; twice as many are read (1000000)
  --only NAME         produce, produce-zstd or consume; all when left out
  --partitions N      (4)
  --payload-bytes N   (200)
  --bootstrap LIST    a Kafka that runs already
  --json              one JSON object on the last line
  --save              keep it under bench/results`

const ROOT = fileURLToPath(new URL('../', import.meta.url))
/** The same load for both. */
const OWN_PROGRAMS = ['bench/peers/mq.ts', 'bench/peers/job.ts', 'bench/payloads.ts', 'bench/statistics.ts']
const SEED = 1
/** From so many on order statistics have ranks inside (V2). */
const ENOUGH_PAIRS = 6

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pairs: { type: 'string', default: '10' },
    messages: { type: 'string', default: '1000000' },
    only: { type: 'string' },
    partitions: { type: 'string', default: '4' },
    'payload-bytes': { type: 'string', default: '200' },
    bootstrap: { type: 'string' },
    date: { type: 'string', default: new Date().toISOString().slice(0, 10) },
    json: { type: 'boolean', default: false },
    save: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const [rev] = positionals
if (flags.help || rev === undefined) {
  console.log(USAGE)
  process.exit(flags.help ? 0 : 2)
}

const messages = Math.ceil(Number(flags.messages) / 1_000) * 1_000
const warmupMessages = Math.ceil(messages / 5_000) * 1_000
const git = (...args: readonly string[]): string => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim()

type Side = 'this' | 'other'
type Kind = 'produce' | 'produce-zstd' | 'consume'

/** V3. @returns where it is, and how to remove it */
function checkOut(commit: string): { readonly root: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), 'mq-against-'))
  const root = join(folder, 'clone')
  const remove = (): void => {
    execFileSync('git', ['worktree', 'remove', '--force', root], { cwd: ROOT, stdio: 'ignore' })
    rmSync(folder, { recursive: true, force: true })
  }
  git('worktree', 'add', '--detach', '--quiet', root, commit)
  const modules = join(root, 'node_modules')
  mkdirSync(join(modules, '@mq'), { recursive: true })
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@mq') symlinkSync(join(ROOT, 'node_modules', name), join(modules, name))
  }
  for (const name of readdirSync(join(root, 'packages')))
    symlinkSync(join(root, 'packages', name), join(modules, '@mq', name))
  for (const path of OWN_PROGRAMS) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    copyFileSync(join(ROOT, path), join(root, path))
  }
  return { root, remove }
}

async function runOnce(root: string, job: Produce | Consume): Promise<Run> {
  const script = join(root, 'bench/peers/mq.ts')
  const args = ['--conditions=mq-source', '--no-warnings', script, JSON.stringify(job)]
  const { stdout } = await runProcess(process.execPath, args)
  return Run.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''))
}

async function produce(stage: Stage, root: string, zstd: boolean): Promise<Run> {
  const place = await stage.freshTopic((zstd ? mqZstd : mqNone).mq)
  const { payloadFile } = stage
  const run = await runOnce(root, { role: 'produce', ...place, payloadFile, messages, warmupMessages })
  await stage.verifyStored(place.topic, messages + warmupMessages)
  await stage.dropTopic(place.topic)
  return run
}

/** What both read: written once, by this clone. */
async function filled(stage: Stage): Promise<Omit<Consume, 'group'>> {
  const place = await stage.freshTopic(mqConsumer.mq)
  const { payloadFile } = stage
  await runOnce(ROOT, { role: 'produce', ...place, payloadFile, messages: messages * 2, warmupMessages: 0 })
  return { role: 'consume', ...place, messages: messages * 2 }
}

const figures = (run: Run) => ({
  messagesPerSecond: run.messages / run.seconds,
  cpuUsPerMessage: run.cpuUs === null ? Number.NaN : run.cpuUs / run.messages,
})

function ratioOf(pairs: readonly Readonly<Record<Side, Run>>[], of: (run: Run) => number) {
  const ratios = pairs.map((pair) => of(pair.this) / of(pair.other))
  const known = ratios.length >= ENOUGH_PAIRS ? medianInterval(ratios) : undefined
  const [low, high] = known === undefined ? [Math.min(...ratios), Math.max(...ratios)] : [known.low, known.high]
  return { median: round(median(ratios), 3), low: round(low, 3), high: round(high, 3) }
}

const commit = git('rev-parse', '--verify', `${rev}^{commit}`)
const kinds = (['produce', 'produce-zstd', 'consume'] as const).filter(
  (kind) => flags.only === undefined || flags.only === kind,
)
const other = checkOut(commit)
const stage = await Stage.open({
  bootstrap: flags.bootstrap?.split(','),
  partitions: Number(flags.partitions),
  payloadBytes: Number(flags['payload-bytes']),
  seed: SEED,
})
try {
  const sameLibraries = git('diff', '--name-only', commit, 'HEAD', '--', 'package-lock.json') === ''
  if (!sameLibraries)
    console.error(`${rev} names other libraries in its package-lock.json: both run with those of this clone`)
  const roots: Readonly<Record<Side, string>> = { this: ROOT, other: other.root }
  const results = []
  for (const kind of kinds) {
    const source = kind === 'consume' ? await filled(stage) : undefined
    const once = (side: Side, group: string): Promise<Run> =>
      source === undefined
        ? produce(stage, roots[side], kind === 'produce-zstd')
        : runOnce(roots[side], { ...source, group })
    const pairs: Record<Side, Run>[] = []
    for (let pair = 0; pair < Number(flags.pairs); pair++) {
      const order: readonly Side[] = pair % 2 === 0 ? ['other', 'this'] : ['this', 'other']
      const runs = {} as Record<Side, Run>
      for (const side of order) runs[side] = await once(side, `against-${process.pid}-${pair}-${side}`)
      pairs.push(runs)
      const [own, theirs] = [figures(runs.this), figures(runs.other)]
      console.error(
        `  ${kind} ${pair + 1}/${flags.pairs}: ${round(own.cpuUsPerMessage, 3)} us a message beside ${round(theirs.cpuUsPerMessage, 3)}`,
      )
    }
    const sideOf = (side: Side) => ({
      messagesPerSecond: Math.round(median(pairs.map((pair) => figures(pair[side]).messagesPerSecond))),
      cpuUsPerMessage: round(median(pairs.map((pair) => figures(pair[side]).cpuUsPerMessage)), 3),
    })
    results.push({
      kind: kind as Kind,
      this: sideOf('this'),
      other: sideOf('other'),
      throughputRatio: ratioOf(pairs, (run) => figures(run).messagesPerSecond),
      cpuRatio: ratioOf(pairs, (run) => figures(run).cpuUsPerMessage),
    })
    if (source !== undefined) await stage.dropTopic(source.topic)
  }
  const result = AgainstResult.parse({
    measure: 'against',
    machine: machineFacts(stage.install.version, flags.date),
    options: {
      rev,
      commit,
      ofThis: git('rev-parse', 'HEAD'),
      pairs: Number(flags.pairs),
      messages,
      partitions: Number(flags.partitions),
      payloadBytes: Number(flags['payload-bytes']),
      sameLibraries,
    },
    results,
  })
  const lines = result.results.map(
    ({ kind, this: own, other: theirs, throughputRatio: speed, cpuRatio: cpu }) =>
      `${kind.padEnd(14)} ${own.messagesPerSecond.toLocaleString('en')} messages/s beside ${theirs.messagesPerSecond.toLocaleString('en')}: ${speed.median}x (${speed.low} to ${speed.high}); CPU ${own.cpuUsPerMessage} us a message beside ${theirs.cpuUsPerMessage}: ${cpu.median}x (${cpu.low} to ${cpu.high})`,
  )
  publish(
    result,
    [`This clone beside ${rev} (${commit.slice(0, 7)}), ${flags.pairs} pairs of runs`, ...lines].join('\n'),
    flags,
  )
} finally {
  await stage.close()
  other.remove()
}
process.exit(0)
