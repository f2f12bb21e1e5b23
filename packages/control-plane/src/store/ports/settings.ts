/**
 * Single values that the whole installation has: written down with the store, so that a restart finds them.
 */
export type SettingName = 'autopilot' | 'default_policy_mode' | 'owner_rules' | 'twin_tag' | 'costs_since_ms'

export interface SettingsReader {
  get(name: SettingName): Promise<string | undefined>
}

export interface SettingsRepository extends SettingsReader {
  set(name: SettingName, value: string): Promise<void>
  /** Sets it only where it has no value yet. */
  setFirst(name: SettingName, value: string): Promise<void>
}
