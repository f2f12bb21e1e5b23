/**
 * A few settings of many topics at once.
 */
import type { AdminCalls } from '../admin/calls.ts'
import * as requests from '../protocol/requests.ts'
import { answerInPart, isRefusal, partsOf, SurveyAnswers, type Surveyed } from './answers.ts'

const TOPIC = 2 as const
const BROKER = 4 as const
const TOPICS_A_REQUEST = 200

/** Settings in force by Kafka's names, by topic; a setting that a broker does not know is left out. */
export async function surveyConfigs(
  calls: AdminCalls,
  topics: readonly string[],
  keys: readonly string[],
): Promise<Surveyed<ReadonlyMap<string, string>>> {
  const what = 'describe settings of topics'
  const answers = new SurveyAnswers<ReadonlyMap<string, string>>()
  for (const part of partsOf(topics, TOPICS_A_REQUEST)) {
    const resources = part.map((name) => ({ resourceType: TOPIC, resourceName: name, configurationKeys: [...keys] }))
    try {
      const answer = await calls.retrying(
        what,
        () => answerInPart(calls.askAny(what, (connection) => requests.describeConfigs.send(connection, resources))),
        { attempts: 3 },
      )
      for (const { errorCode, resourceName, configs } of answer.results) {
        if (errorCode !== 0)
          answers.fail([resourceName], errorCode, calls.context(`describe settings of ${resourceName}`))
        else {
          const values = configs.flatMap(({ name, value }) =>
            value === null || value === undefined ? [] : [[name, value] as const],
          )
          answers.found.set(resourceName, new Map(values))
        }
      }
    } catch (error) {
      answers.fail(part, error, calls.context(what))
      // What was refused for good is refused for every part.
      if (isRefusal(error))
        answers.fail(
          topics.filter((name) => !answers.found.has(name)),
          error,
          calls.context(what),
        )
      if (isRefusal(error)) break
    }
  }
  return answers
}

/** Settings in force on one broker, by Kafka's names; undefined where they may not be read. */
export async function surveyBrokerConfigs(
  calls: AdminCalls,
  nodeId: number,
  keys: readonly string[],
): Promise<ReadonlyMap<string, string> | undefined> {
  const what = `describe settings of broker ${nodeId}`
  const resources = [{ resourceType: BROKER, resourceName: String(nodeId), configurationKeys: [...keys] }]
  try {
    const answer = await answerInPart(
      calls.askBroker(nodeId, what, (connection) => requests.describeConfigs.send(connection, resources)),
    )
    const [own] = answer.results
    if (own === undefined || own.errorCode !== 0) return undefined
    return new Map(own.configs.flatMap(({ name, value }) => (value == null ? [] : [[name, value] as const])))
  } catch {
    // What may not be read says nothing: the caller goes on with what it assumes.
    return undefined
  }
}
