/**
 * Everything that the use cases work with; each names what it needs of it.
 */
import type { ApplyContext } from './apply.ts'
import type { BindingContext } from './bindings.ts'
import type { ReportContext } from './client-reports.ts'
import type { ClusterContext } from './clusters.ts'
import type { CostContext } from './costs.ts'
import type { DeadLetterContext } from './dead-letters.ts'
import type { DecisionContext } from './decisions.ts'
import type { DriftContext } from './drift.ts'
import type { ExplainContext } from './explanations.ts'
import type { GroupContext } from './groups.ts'
import type { MigrationContext } from './migrations.ts'
import type { IdContext } from './mq-ids.ts'
import type { StatusContext } from './status.ts'
import type { TwinContext } from './twins.ts'

export interface AppContext
  extends ApplyContext,
    BindingContext,
    ClusterContext,
    CostContext,
    DeadLetterContext,
    DecisionContext,
    DriftContext,
    ExplainContext,
    GroupContext,
    IdContext,
    MigrationContext,
    ReportContext,
    StatusContext,
    TwinContext {}
