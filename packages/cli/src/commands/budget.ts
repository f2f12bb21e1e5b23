/** `mq budget`: what a team, an mQ ID or everything may cost in a month. */
import { type Budget, MqError, PolicyScope } from '@mq/contract'
import type { Command } from 'commander'
import type { TargetFlags } from '../contexts.ts'
import { type Colors, commandName, type Io } from '../io.ts'
import { apiFor, type OutputFlags, withExamples, withOutput, withTarget } from '../options.ts'
import { print, table } from '../output.ts'
import { formatUsd } from '../units.ts'

interface BudgetFlags extends OutputFlags, TargetFlags {}

export function budgetCommand(program: Command, io: Io): void {
  const budget = program
    .command('budget')
    .summary('what a team, an mQ ID or everything may cost in a month')
    .description('Budgets of a calendar month (UTC), in US dollars. They warn; they change nothing.')
  withExamples(
    withTarget(
      withOutput(
        budget.command('list').alias('ls').description('Budgets, what is spent and where the month will end.'),
      ),
    ),
    [['mq budget list', 'a table']],
  ).action(async (flags: BudgetFlags) => {
    const answer = await apiFor(io, flags).all('listBudgets', {}, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors, width) =>
      answer.budgets.length === 0
        ? `No budgets yet. Set one with: ${commandName(io.env)} budget set team=NAME 400usd/month`
        : budgetsText(answer.budgets, colors, width),
    )
  })
  withExamples(
    withTarget(
      withOutput(
        budget
          .command('set')
          .description('Sets or changes a budget.')
          .argument('<scope>', 'team=NAME, id=MQ-ID or global')
          .argument('<amount>', 'US dollars a month, such as 400usd/month'),
      ),
    ),
    [
      ['mq budget set team=checkout 400usd/month', 'for a team'],
      ['mq budget set id=orders.placed 50', 'for one mQ ID'],
    ],
  ).action(async (scope: string, amount: string, flags: BudgetFlags) => {
    const params = { scope: checkScope(scope) }
    const body = { usdPerMonth: monthlyUsd(amount) }
    const answer = await apiFor(io, flags).call('putBudget', { params, body }, { signal: io.interrupt })
    await print(io, flags.output, answer, (colors, width) => budgetsText([answer], colors, width))
  })
  withExamples(
    withTarget(
      withOutput(
        budget.command('remove').alias('rm').description('Removes a budget.').argument('<scope>', 'as it was set'),
      ),
    ),
    [['mq budget remove team=checkout', 'no warnings any more']],
  ).action(async (scope: string, flags: BudgetFlags) => {
    await apiFor(io, flags).call('deleteBudget', { params: { scope: checkScope(scope) } }, { signal: io.interrupt })
    await print(io, flags.output, { scope, deleted: true }, () => `Removed the budget of ${scope}.`)
  })
}

function checkScope(text: string): string {
  const scope = PolicyScope.safeParse(text)
  if (scope.success) return scope.data
  throw new MqError('MQ_OPTION_INVALID', `'${text}' is no scope of a budget: write team=NAME, id=MQ-ID or global`)
}

/** `400`, `400usd`, `$400/month`: one currency, one period. */
export function monthlyUsd(text: string): number {
  const match = /^\s*\$?\s*(-?\d+(?:\.\d+)?)\s*([a-z€£¥₹]*)\s*(?:\/\s*([a-z]+))?\s*$/i.exec(text)
  const refuse = (why: string): never => {
    throw new MqError('MQ_OPTION_INVALID', `'${text}' is no budget: ${why}; write 400usd/month`)
  }
  if (match === null) return refuse('it is not an amount')
  const [, digits = '', currency = '', period = 'month'] = match
  if (currency !== '' && currency.toLowerCase() !== 'usd') return refuse(`prices are in US dollars, not in ${currency}`)
  if (period !== 'month') return refuse(`budgets are for a month, not for a ${period}`)
  const amount = Number(digits)
  if (!(amount > 0) || amount > 1e12) return refuse('it has to be more than 0')
  return amount
}

export function budgetsText(budgets: readonly Budget[], colors: Colors, width = Number.POSITIVE_INFINITY): string {
  const paint = { ok: colors.green, 'forecast-over': colors.yellow, over: colors.red, 'no-data': colors.dim } as const
  const words = { ok: 'ok', 'forecast-over': 'will be over', over: 'over', 'no-data': 'too early' } as const
  return table(
    [
      { head: 'BUDGET' },
      { head: '$/MONTH', align: 'right' },
      { head: 'SPENT', align: 'right' },
      { head: 'MONTH END', align: 'right' },
      { head: 'STATE' },
      { head: 'NOTE' },
    ],
    budgets.map((budget) => [
      budget.setBy === 'intent' ? `${budget.scope} (intent)` : budget.scope,
      formatUsd(budget.usdPerMonth),
      formatUsd(budget.spentUsd),
      budget.forecastUsd === null
        ? '-'
        : `${formatUsd(budget.forecastUsd)} (${formatUsd(budget.forecastFromUsd ?? 0)} to ${formatUsd(budget.forecastToUsd ?? 0)})`,
      paint[budget.state](words[budget.state]),
      budget.warning ?? '',
    ]),
    colors,
    width,
  )
}
