/** SaslAuthenticate (36): what client and broker say to each other within the mechanism. */
import { Api } from '../api.ts'
import { bytes, int16, int64, nullableText, since } from '../schema.ts'

export const saslAuthenticateApi = new Api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 2],
  flexibleSince: 2,
  request: { bytes },
  response: { errorCode: int16, errorMessage: nullableText, bytes, sessionLifetimeMs: since(1, int64) },
})
