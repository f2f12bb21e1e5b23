/** The whole public surface of `@mq/contract`. */
export { AppConsumes, AppInstance, Application, AppProduces, ForeignUse } from './applications.ts'
export {
  Binding,
  BindingGroup,
  bindingVersion,
  ClusterAddress,
  Codec,
  ConsumerSettings,
  compareBindings,
  Epoch,
  EpochState,
  HostPort,
  OffsetText,
  openEpoch,
  ProducerSettings,
  SaslMechanism,
  SecurityProtocol,
  sealedEnds,
  settingsFor,
  TimestampLimits,
  Trial,
} from './binding.ts'
export { ClusterEconomics } from './cluster-economics.ts'
export { ClusterSite, Labels, Region } from './cluster-site.ts'
export { Budget, BudgetRequest, BudgetState, CostBy, CostLine, CostParts, CostQuery, CostReport } from './cost.ts'
export {
  DeadLetterFold,
  factsIn,
  type HeaderLike,
  type LetterPlace,
  parseDeadLetterFacts,
} from './dead-letter-fold.ts'
export {
  DEAD_LETTER_HEADER,
  DEAD_LETTER_HEADER_BYTES,
  DEAD_LETTER_RETENTION_MS,
  DeadLetterAction,
  DeadLetterFacts,
  DeadLetterQueue,
  FailureReason,
  letterOf,
  MAX_REDRIVES,
  REDRIVEN_HEADER,
  ReasonKind,
  SETTLED_HEADER,
  SettledMarker,
} from './dead-letters.ts'
export type { DecisionEvent, DecisionTransition } from './decision.ts'
export {
  Alternative,
  Comparison,
  Decision,
  DecisionChange,
  DecisionKind,
  DecisionReplay,
  DecisionState,
  DecisionTrial,
  decisionEvents,
  decisionTable,
  decisionTransition,
  Evidence,
  Guardrail,
  isDecided,
  isUnderWay,
  LoopName,
  Outcome,
  Outlook,
} from './decision.ts'
export {
  Difference,
  DifferenceKind,
  DriftedTopic,
  DriftPlan,
  DriftRequest,
  DriftStep,
  differenceName,
} from './drift.ts'
export { DurationMs, formatDurationMs, parseDurationMs } from './duration.ts'
export type { CatalogueEntry, MqErrorCode } from './errors.ts'
export { catalogue, isMqErrorCode } from './errors.ts'
export { CostConfiguration, CostOption, Explanation, MeasuredCost, MeterLine, WhatIf, WhatIfAnswer } from './explain.ts'
export {
  GroupAction,
  GroupChange,
  GroupChangeRequest,
  GroupChangeState,
  PositionMove,
  TimeRange,
} from './group-change.ts'
export { GroupHold } from './group-hold.ts'
export {
  DEFAULT_ATTEMPTS,
  DEFAULT_BACKOFF,
  GroupRule,
  groupRuleProblem,
  MAX_ATTEMPTS,
  mergedRule,
  RetryRule,
} from './group-rules.ts'
export { FailingView, GroupDetail, GroupMember, GroupPartition, GroupState, GroupSummary } from './groups.ts'
export type { IntentInput } from './intent.ts'
export {
  BATCH_OVERHEAD_BYTES,
  Declaration,
  Durability,
  Format,
  Intent,
  MAX_MESSAGE_BYTES,
  MIN_RETENTION_MS,
  Ordering,
  Owner,
  Peak,
  Priority,
  Retention,
} from './intent.ts'
export { describeIssues } from './issues.ts'
export { GroupLag, GroupLagDetail, LagPoint, LagTrend, PartitionLag } from './lag.ts'
export {
  DroppedGroup,
  EpochTally,
  ForeignProducer,
  GroupDrain,
  Migration,
  MigrationPlace,
  MigrationPlan,
  MigrationReport,
  MigrationRequest,
  MigrationState,
  MigrationStep,
  MigrationStepName,
  OnLostSource,
  SealProof,
  Spread,
  Straggler,
  StrandedRange,
  VerdictCheck,
} from './migration.ts'
export { MqError, type MqErrorOptions } from './mq-error.ts'
export { groupIdOf, groupOfId, MqId, mqIdProblem, Name, OwnMqId } from './mq-id.ts'
export { didYouMean, nearest } from './nearest.ts'
export { nodeProblem, OLDEST_NODE } from './node-version.ts'
export { OwnerRule, OwnerRules, ownerOf } from './owners.ts'
export { DEFAULT_HISTORY_PAGE, MAX_PAGE } from './paging.ts'
export { Permission, permissions, type RoutePermission } from './permissions.ts'
export {
  DEFAULT_POLICY,
  EffectivePolicy,
  effectivePolicy,
  Knob,
  PolicyMode,
  PolicyRule,
  PolicyScope,
  policyScopeProblem,
} from './policy.ts'
export {
  holdsFor,
  type ProvenSeal,
  proofWithin,
  provenSeal,
  type Succession,
  successionOf,
  withProvenSeal,
} from './proven-seal.ts'
export {
  AdvertisedBroker,
  Choice,
  ClusterStatus,
  ClusterView,
  JournalEntry,
  MqIdDetail,
  MqIdSummary,
  Plan,
  PlanEntry,
} from './registry.ts'
export { isIdempotent, type RouteShape } from './route-shape.ts'
export type { ListName, RouteBody, RouteName, RouteResponse } from './routes.ts'
export { HEARTBEAT_MS, Problem, routes, TELEMETRY_MS } from './routes.ts'
export { isSideId, MAX_SIDE_ID, SideOf, SideRole, sideIdOf } from './side-id.ts'
export { formatSizeBytes, parseSizeBytes, SizeBytes } from './size.ts'
export { parseStrict, type StrictProblem, type StrictResult } from './strict.ts'
export {
  ConsumerMigration,
  ConsumerTelemetry,
  EncodedHistogram,
  FailingMessage,
  HeldTelemetry,
  KeySketch,
  ProducerMigration,
  ProducerTelemetry,
  ShadowSample,
  TelemetryReport,
} from './telemetry.ts'
export { Twin, TwinRank, TwinRequest, TwinSettings, TwinState } from './twin.ts'
