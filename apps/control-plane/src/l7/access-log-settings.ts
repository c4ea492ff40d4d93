/** What Telemetry resources say of access logs, laid over each other as Istio does. Pure. Spec: contract l7 7.1. */
import { proxy } from '@ambit/api';
import type { AccessLoggingSpec } from '@ambit/kube';
import { create } from '@bufbuild/protobuf';
import { compareText } from '@ambit/collections';
import type { LogFormatSettings } from '../mesh-settings.ts';
import { expressionProblem } from './telemetry-problems.ts';

/** A provider with its collector found, if it has one. */
export interface LogProvider extends LogFormatSettings {
  readonly omitsEmpty: boolean;
  readonly collector: proxy.Telemetry_Collector | undefined;
}

interface Choice {
  readonly isDisabled: boolean;
  readonly filter: string | undefined;
}

export interface LogRules {
  /** Names of providers where nobody names any. */
  readonly defaultProviders: readonly string[];
  /** Logs where no provider is chosen; undefined: nothing does. */
  readonly fallback: LogProvider | undefined;
  isMeant(mode: string): boolean;
  /** Undefined for a provider that there is not. */
  providerOf(name: string): LogProvider | undefined;
}

/** `levels`: of each resource that says anything of access logs, most general first. In order of names; empty: nothing is logged. */
export function accessLogs(
  levels: readonly (readonly AccessLoggingSpec[])[],
  rules: LogRules,
): readonly proxy.Telemetry_AccessLog[] {
  const chosen = [...choices(levels, rules)]
    .toSorted(([a], [b]) => compareText(a, b))
    .flatMap(([name, choice]) => {
      const provider = rules.providerOf(name);
      return provider === undefined ? [] : [{ ...choice, provider }];
    });
  const { fallback } = rules;
  if (chosen.length === 0) return fallback === undefined ? [] : [logOf(fallback, undefined)];
  return chosen.flatMap(({ isDisabled, provider, filter }) => (isDisabled ? [] : [logOf(provider, filter)]));
}

/**
 * The last resource that names providers decides which they are; of each the last entry that is for it. An entry that names none is
 * for those of the entry before.
 */
function choices(levels: readonly (readonly AccessLoggingSpec[])[], rules: LogRules): ReadonlyMap<string, Choice> {
  const { defaultProviders, isMeant } = rules;
  const found = new Map<string, Choice>();
  if (levels.length === 0)
    for (const name of defaultProviders) found.set(name, { isDisabled: false, filter: undefined });
  const named = levels.map((entries) =>
    entries.filter(({ mode }) => isMeant(mode)).flatMap(({ providers }) => providers),
  );
  const inScope = new Set(named.findLast((names) => names.length > 0) ?? defaultProviders);
  let providers = defaultProviders;
  for (const entry of levels.flat()) {
    if (entry.providers.length > 0) ({ providers } = entry);
    if (!isMeant(entry.mode)) continue;
    for (const name of providers.filter((one) => inScope.has(one))) {
      const filter = entry.filter ?? (entry.providers.length > 0 ? undefined : found.get(name)?.filter);
      found.set(name, { isDisabled: entry.isDisabled, filter });
    }
  }
  return found;
}

/** A filter that proxies do not understand lets everything through, and is told of. */
function logOf(provider: LogProvider, filter = ''): proxy.Telemetry_AccessLog {
  const [, least] = /^\s*response\.code\s*>=\s*(\d{3})\s*$/.exec(filter) ?? [];
  const isUsable = least === undefined && filter !== '' && expressionProblem(filter) === undefined;
  return create(proxy.Telemetry_AccessLogSchema, {
    enabled: true,
    textFormat: provider.text,
    jsonTemplate: provider.template ?? '',
    omitsEmpty: provider.omitsEmpty,
    minStatus: least === undefined ? 0 : Number(least),
    filter: isUsable ? filter : '',
    ...(provider.collector === undefined ? {} : { collector: provider.collector }),
  });
}
