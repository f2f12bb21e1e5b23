/**
 * What a control plane is started with.
 */
import type { LoopTimes } from '@mq/autopilot'
import type { ClusterAddress as Address, PolicyMode } from '@mq/contract'
import type { Cluster, ClusterCredentials, Deps } from '@mq/kafka'
import type { AutopilotParts } from './autopilot/assemble.ts'
import type { ReadLetters } from './dead-letters/kept-letters.ts'
import type { ChangeTimes } from './groups/changes.ts'
import type { TokenSource, Tokens } from './http/guard.ts'
import type { TlsPair } from './http/server.ts'
import type { readPositions } from './lag/positions.ts'
import type { Logger } from './logger.ts'
import type { MigrationTimes } from './migration/work.ts'
import type { OpenAdmin } from './provision/cluster-admin.ts'
import type { StartingSettings } from './provision/starting-settings.ts'

export interface ControlPlaneOptions {
  /** Where the API listens; beyond loopback only with a token. Default 127.0.0.1. */
  readonly host?: string
  /** 0 takes a free one. */
  readonly port: number
  /** Folder of the store; made when missing, owned by one process. */
  readonly dataDir: string
  /** What clients must show as a bearer token; at least 16 characters. A function is asked with every request. */
  readonly token?: Tokens
  /** Opens probes and metrics and nothing else, beside `token`. */
  readonly monitoringToken?: Tokens
  /** Further tokens, each with a principal and permissions of its own. */
  readonly identities?: readonly TokenSource[]
  /** Where probes and metrics stand besides the API, without TLS; nowhere else when left out. */
  readonly monitoring?: { readonly host: string; readonly port: number }
  /** The API speaks TLS with this certificate. */
  readonly tls?: TlsPair
  /** Whether an unknown mQ ID is declared with default requirements when a client first uses it. Default false. */
  readonly createOnFirstUse?: boolean
  /** It was; `hint` says which other one may be meant. */
  readonly onFirstUse?: ((id: string, actor: string, hint: string) => void) | undefined
  /** Registered at the start; the registry keeps others it knows. */
  readonly clusters?: readonly Address[]
  /** Secrets for clusters that ask for them, by cluster name; never stored, logged or answered. */
  readonly credentials?: Readonly<Record<string, ClusterCredentials>>
  readonly logger?: Logger
  readonly deps?: Deps
  /** How often clients are to report; every 10 seconds when left out. */
  readonly telemetryMs?: number
  /** How clusters are spoken to; tests bring their own. */
  readonly openAdmin?: OpenAdmin
  /** How often topics are compared with what mQ made, and how long after a change of its own a difference counts. */
  readonly driftEveryMs?: number
  readonly driftSettleMs?: number
  /** How shadow topics are written and read; tests bring their own. */
  readonly openCluster?: (address: Address) => Cluster
  readonly checkEveryMs?: number
  /** How often clusters are looked at for what they cost. Default 60,000, in dev timing 10,000. */
  readonly observeEveryMs?: number
  /** How often brokers are asked where groups stand. Default 15,000, in dev timing 2,000. */
  readonly lagEveryMs?: number
  /** How long the records of a deleted mQ ID are kept for an undelete. Default a day. */
  readonly deleteGraceMs?: number
  /** How brokers are asked where groups stand; tests bring their own. */
  readonly readPositions?: typeof readPositions
  /** How records about dead letters are read; tests bring their own. */
  readonly readLetters?: ReadLetters
  /** `dev`: changes are tried and judged within minutes, on little traffic. Default `usual`. */
  readonly timing?: 'usual' | 'dev'
  /** How far mQ goes by itself where nobody sets a policy, written down when the store is made. Default `approve`. */
  readonly newInstallationMode?: PolicyMode
  /** Waits of the loops that differ from those of the timing. */
  readonly loopTimes?: Partial<LoopTimes>
  /** The loops that propose changes, and the kinds of changes they may propose. Default: those of mQ. */
  readonly autopilot?: AutopilotParts
  /** Waits of migrations that differ from the usual ones. */
  readonly migrationTimes?: Partial<MigrationTimes>
  /** Waits of changes of positions that differ from the usual ones. */
  readonly changeTimes?: Partial<ChangeTimes>
  /**
   * What the clients of an mQ ID had before mQ, by mQ ID: it begins with these settings when it is declared, and the tuning loop
   * goes on from there. Without it the rules choose from the intent.
   */
  readonly startWith?: Readonly<Record<string, StartingSettings>>
}
