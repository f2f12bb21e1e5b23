/** ApiVersions (18): the requests that a broker speaks. Its answer always has the header without tagged fields. */
import { Api } from '../api.ts'
import { array, bool, int16, int32, int64, nullableText, since, struct, tagged, text } from '../schema.ts'

export const apiVersionsApi = new Api({
  key: 18,
  name: 'ApiVersions',
  versions: [0, 5],
  flexibleSince: 3,
  request: {
    softwareName: since(3, text),
    softwareVersion: since(3, text),
    /** Whom the client looks for (KIP-1242). */
    clusterId: since(5, nullableText),
    nodeId: since(5, int32, -1),
  },
  response: {
    errorCode: int16,
    apis: array(struct({ key: int16, min: int16, max: int16 })),
    throttleMs: since(1, int32),
    supportedFeatures: tagged(0, 3, array(struct({ name: text, min: int16, max: int16 }))),
    finalizedFeaturesEpoch: tagged(1, 3, int64),
    finalizedFeatures: tagged(2, 3, array(struct({ name: text, max: int16, min: int16 }))),
    zkMigrationReady: tagged(3, 3, bool),
  },
})
