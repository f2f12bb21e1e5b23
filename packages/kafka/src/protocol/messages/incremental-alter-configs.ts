/** IncrementalAlterConfigs (44): changes of single settings; the others stay. */
import { Api } from '../api.ts'
import { array, bool, int8, int16, int32, nullableText, orElse, struct, text } from '../schema.ts'

export const incrementalAlterConfigsApi = new Api({
  key: 44,
  name: 'IncrementalAlterConfigs',
  versions: [0, 1],
  flexibleSince: 1,
  request: {
    resources: array(
      struct({ type: int8, name: text, configs: array(struct({ name: text, operation: int8, value: nullableText })) }),
    ),
    validateOnly: bool,
  },
  response: {
    throttleMs: orElse(int32),
    responses: array(struct({ errorCode: int16, errorMessage: orElse(nullableText), type: int8, name: text })),
  },
})
