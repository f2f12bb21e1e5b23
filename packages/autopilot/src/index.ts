/** What `@mq/autopilot` offers: loops, verdicts, guardrails and what they are made of; all of it pure. */
export { kept } from './baseline.ts'
export { CANARY_SHARE, type Canary, chooseCanary, chooseReaders, untried } from './canary.ts'
export { oddClocks } from './clock-skew.ts'
export { type ReaderGuardrailInput, readerGuardrails } from './consumer-guardrails.ts'
export {
  type ConsumerWindow,
  type GroupReporting,
  isPlausibleReading,
  type PriceReading,
  readingOf,
  readingP99Of,
  reportingOf,
  whyNoReaders,
} from './consumer-samples.ts'
export { DecisionRecord, isLive, pastOf, type Repair, UsualFetches, viewOf } from './decision-record.ts'
export { type Feedback, feedbackOf } from './feedback.ts'
export { percent, seconds } from './format.ts'
export { type ComparedP99, type EndToEndLimit, type GroupP99, slowestOf, worstGroupOf } from './group-latency.ts'
export { type GuardrailInput, guardrails, lag, reading } from './guardrails.ts'
export { Looks } from './latency-history.ts'
export { type Lateness, latenessOf, mayBeSlower, rememberedFactor, spellMs, worstMsOf } from './lateness.ts'
export { assessWith, type LoopDefinition, proposalsOf } from './loop-definition.ts'
export { devTimes, type LoopTimes, usualTimes } from './loop-times.ts'
export { loops } from './loops/list.ts'
export { partitions } from './loops/partitions.ts'
export { placement } from './loops/placement.ts'
export { retention } from './loops/retention.ts'
export { LATENCY_MARGIN, sendLimitMs } from './loops/settings.ts'
export { tuning } from './loops/tuning.ts'
export { errorOf, measuredOutcome } from './outcome.ts'
export { type PastDecision, pastDecisionOf } from './past-decision.ts'
export { newRecord } from './policy-gate.ts'
export { judgeWatch, type WatchFacts } from './post-rollout-verdict.ts'
export { type PricedTraffic, pricerFor, readingPricerFor, usualFetchesOf } from './pricing.ts'
export { type Assessment, type Proposal, predictedOutcome } from './proposal.ts'
export { changesToday } from './readiness.ts'
export {
  type Difference,
  type Replay,
  readWorld,
  replay,
  serialise,
  WORLD_FORMAT,
  worldAbout,
} from './recorded-world.ts'
export {
  isPlausible,
  type Latencies,
  type PriceWindow,
  type ProducerWindow,
  type Sample,
  type Subject,
  sampleOf,
  whoOf,
} from './samples.ts'
export { mannWhitneyLess, medianChange } from './statistics.ts'
export { judgeTrial, type TrialFacts, type Verdict } from './verdict.ts'
export { type VerdictReason, verdictText } from './verdict-reason.ts'
export { type WindowKind, type Windows, windowsOf } from './windows.ts'
export type { IdWorld, LatencyLook, Stretch, World } from './world.ts'
