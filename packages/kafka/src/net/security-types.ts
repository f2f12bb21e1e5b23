/**
 * How a connection proves who it is, as mQ says it.
 */
import type { ConnectionOptions as TlsOptions } from 'node:tls'
import type { SaslMechanism } from '@mq/contract'

export type { TlsOptions }

export type Secret = string | (() => string | Promise<string>)

/** By value, or by reference (S2). */
export type TlsSource = TlsOptions | (() => TlsOptions | Promise<TlsOptions>)

export type Sasl =
  | {
      readonly mechanism: Exclude<SaslMechanism, 'OAUTHBEARER'>
      readonly username: string
      readonly password: Secret
    }
  | {
      readonly mechanism: 'OAUTHBEARER'
      readonly token: Secret
      readonly extensions?: Readonly<Record<string, string>>
    }

export type Security =
  | { readonly protocol: 'plaintext' }
  | { readonly protocol: 'tls'; readonly tls?: TlsSource }
  | { readonly protocol: 'sasl-plaintext' | 'sasl-tls'; readonly tls?: TlsSource; readonly sasl: Sasl }
