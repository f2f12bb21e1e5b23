/**
 * Which tokens open what: the token of the control plane everything, that of monitoring metrics and probes, and others what they say.
 */
import { localIdentity, monitoringIdentity } from '../app/caller.ts'
import { createGuard, type Guard, type TokenSource, type Tokens } from './guard.ts'

export interface AccessOptions {
  readonly token?: Tokens | undefined
  readonly monitoringToken?: Tokens | undefined
  /** Further tokens, each with an identity of its own. */
  readonly identities?: readonly TokenSource[] | undefined
}

export interface Access {
  readonly api: Guard
  readonly monitoring: Guard
}

export function accessOf({ token, monitoringToken, identities = [] }: AccessOptions): Access {
  const ofApi = [...(token === undefined ? [] : [{ tokens: token, identity: localIdentity }]), ...identities]
  const ofMonitoring = monitoringToken === undefined ? [] : [{ tokens: monitoringToken, identity: monitoringIdentity }]
  const sources = [...ofApi, ...ofMonitoring]
  return {
    api: createGuard({ sources, isOpenHere: ofApi.length === 0 }),
    monitoring: createGuard({ sources, isOpenHere: sources.length === 0 }),
  }
}
