/** SaslHandshake (17): which mechanism a client proves itself by. */
import { Api } from '../api.ts'
import { array, int16, text } from '../schema.ts'

export const saslHandshakeApi = new Api({
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  request: { mechanism: text },
  response: { errorCode: int16, mechanisms: array(text) },
})
