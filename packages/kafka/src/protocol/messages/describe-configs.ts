/** DescribeConfigs (32): the settings of topics, brokers and groups, with where each comes from. */
import { Api } from '../api.ts'
import { array, bool, int8, int16, int32, nullableArray, nullableText, orElse, since, struct, text } from '../schema.ts'

export const describeConfigsApi = new Api({
  key: 32,
  name: 'DescribeConfigs',
  versions: [1, 4],
  flexibleSince: 4,
  request: {
    /** `keys` is null for all settings. */
    resources: array(struct({ type: int8, name: text, keys: nullableArray(text) })),
    includeSynonyms: orElse(bool),
    includeDocumentation: since(3, bool),
  },
  response: {
    throttleMs: orElse(int32),
    results: array(
      struct({
        errorCode: int16,
        errorMessage: orElse(nullableText),
        type: int8,
        name: text,
        configs: array(
          struct({
            name: text,
            value: nullableText,
            isReadOnly: bool,
            source: int8,
            isSensitive: bool,
            synonyms: orElse(array(struct({ name: text, value: nullableText, source: int8 }))),
            type: since(3, int8),
            documentation: since(3, nullableText),
          }),
        ),
      }),
    ),
  },
})
