/**
 * `mq measure throughput`: messages per second, CPU per message and memory, of mQ and of other clients.
 *
 * T1. All contenders run in the same rounds on the same broker, in turn (A B C, A B C ...); figures are medians over the rounds.
 * T2. A produce run counts only when the broker holds exactly what was sent.
 * T3. Consumers all read the same records, written once by Java's producer.
 */
import { attempt, type ContenderSpec, java, kafkajs, mqConsumer, mqNone, mqZstd, platformatic } from './contenders.ts'
import { readFlags } from './flags.ts'
import { machineFacts } from './machine.ts'
import { publish } from './publish.ts'
import { type Contender, type Run, ThroughputResult } from './results.ts'
import { Stage } from './stage.ts'
import { round, roundedSpread } from './statistics.ts'
import { throughputTable } from './tables.ts'

const USAGE = `mq measure throughput [--json] [--save] [--rounds 3] [--messages 1000000] [--partitions 4]
  [--payload-bytes 200] [--seed 1] [--bootstrap host:port] [--date YYYY-MM-DD]`

const flags = readFlags(USAGE, { messages: 1_000_000 })
// Whole batches of 1,000, because that is how the other Node clients are fed.
const thousands = (messages: number): number => Math.ceil(messages / 1_000) * 1_000
const PRODUCE_MESSAGES = thousands(flags.messages)
const WARMUP_MESSAGES = thousands(flags.messages / 5)
const CONSUME_MESSAGES = PRODUCE_MESSAGES * 2
const producers = [mqNone, mqZstd, platformatic, kafkajs, java]
const consumers = [mqConsumer, platformatic, kafkajs, java]

function say(text: string): void {
  console.error(text)
}

async function produceOnce(stage: Stage, spec: ContenderSpec): Promise<Run> {
  const place = await stage.freshTopic(spec.mq)
  const run = await spec.produce(stage, {
    role: 'produce',
    ...place,
    payloadFile: stage.payloadFile,
    messages: PRODUCE_MESSAGES,
    warmupMessages: WARMUP_MESSAGES,
  })
  await stage.verifyStored(place.topic, PRODUCE_MESSAGES + WARMUP_MESSAGES)
  await stage.dropTopic(place.topic)
  return run
}

async function rounds(specs: readonly ContenderSpec[], once: (spec: ContenderSpec) => Promise<Run>) {
  const runs = new Map<ContenderSpec, Run[]>(specs.map((spec) => [spec, []]))
  for (let n = 1; n <= flags.rounds; n++) {
    for (const spec of specs) {
      const run = await attempt(spec, () => once(spec))
      runs.get(spec)!.push(run)
      say(
        `  round ${n}/${flags.rounds}  ${spec.name.padEnd(20)} ${round(run.messages / run.seconds).toLocaleString('en')} messages/s`,
      )
    }
  }
  return [...runs].map(([spec, list]) => ({ spec, summary: summarise(spec, list) }))
}

function summarise(spec: ContenderSpec, runs: Run[]): Contender {
  const known = (values: (number | null)[]) =>
    values.includes(null) ? null : roundedSpread(values.map((value) => value!))
  return {
    name: spec.name,
    settings: spec.settings,
    messagesPerSecond: roundedSpread(
      runs.map((run) => run.messages / run.seconds),
      0,
    ),
    cpuUsPerMessage: known(runs.map((run) => (run.cpuUs === null ? null : run.cpuUs / run.messages))),
    rssMb: known(runs.map((run) => run.rssMb)),
    runs,
  }
}

type Ranked = Awaited<ReturnType<typeof rounds>>

function fastestNode(ranked: Ranked): Contender {
  const node = ranked.filter(({ spec }) => spec.kind === 'node').map(({ summary }) => summary)
  return node.reduce((best, next) => (next.messagesPerSecond.median > best.messagesPerSecond.median ? next : best))
}

function summaryOf(ranked: Ranked, spec: ContenderSpec): Contender {
  return ranked.find((entry) => entry.spec === spec)!.summary
}

const stage = await Stage.open(flags)
try {
  say(`produce: ${PRODUCE_MESSAGES.toLocaleString('en')} messages a run, ${flags.rounds} rounds`)
  const produced = await rounds(producers, (spec) => produceOnce(stage, spec))

  say(`consume: ${CONSUME_MESSAGES.toLocaleString('en')} messages a run, ${flags.rounds} rounds`)
  const source = await stage.freshTopic(mqConsumer.mq)
  await java.produce(stage, {
    role: 'produce',
    ...source,
    payloadFile: stage.payloadFile,
    messages: CONSUME_MESSAGES,
    warmupMessages: 1,
  })
  let groups = 0
  const consumed = await rounds(consumers, (spec) => {
    groups += 1
    return spec.consume(stage, {
      role: 'consume',
      ...source,
      group: `bench-${process.pid}-${groups}`,
      messages: CONSUME_MESSAGES,
    })
  })

  const rates = (ranked: Ranked, mq: ContenderSpec) => ({
    mq: summaryOf(ranked, mq).messagesPerSecond.median,
    fastestNode: fastestNode(ranked).messagesPerSecond.median,
    java: summaryOf(ranked, java).messagesPerSecond.median,
  })
  const produce = rates(produced, mqNone)
  const consume = rates(consumed, mqConsumer)
  const cpu = (ranked: Ranked, spec: ContenderSpec): number => summaryOf(ranked, spec).cpuUsPerMessage!.median
  const result = ThroughputResult.parse({
    measure: 'throughput',
    machine: machineFacts(stage.kafkaVersion, flags.date),
    options: {
      messages: PRODUCE_MESSAGES,
      consumeMessages: CONSUME_MESSAGES,
      payloadBytes: flags.payloadBytes,
      partitions: flags.partitions,
      rounds: flags.rounds,
      seed: flags.seed,
    },
    produce,
    consume,
    ratios: {
      produceOverFastestNode: round(produce.mq / produce.fastestNode, 2),
      produceOverJava: round(produce.mq / produce.java, 2),
      consumeOverFastestNode: round(consume.mq / consume.fastestNode, 2),
      consumeOverJava: round(consume.mq / consume.java, 2),
    },
    cpuUsPerMessage: {
      produceNone: cpu(produced, mqNone),
      produceZstd1: cpu(produced, mqZstd),
      consume: cpu(consumed, mqConsumer),
    },
    rssMb: summaryOf(produced, mqNone).rssMb!.max,
    fastestNode: { produce: fastestNode(produced).name, consume: fastestNode(consumed).name },
    contenders: { produce: produced.map(({ summary }) => summary), consume: consumed.map(({ summary }) => summary) },
  })
  publish(result, throughputTable(result), flags)
} finally {
  await stage.close()
}
