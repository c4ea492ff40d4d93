import type { traffic as messages } from '@ambit/api';

/** A condition on an endpoint: being where the proxy is, by a number of istio.workload.LoadBalancing.Scope, or being named. */
export type LocalityPreference =
  | { readonly kind: 'scope'; readonly scope: number }
  | { readonly kind: 'members'; readonly uids: ReadonlySet<string> };

/** `region/zone/subzone`; undefined matches all. */
export interface LocalityPattern {
  readonly region: string | undefined;
  readonly zone: string | undefined;
  readonly subzone: string | undefined;
}

/** What share of the requests goes where, from one place. */
export interface LocalityShares {
  readonly from: LocalityPattern;
  readonly to: readonly { readonly place: LocalityPattern; readonly weight: number }[];
}

/** How place counts. Istio: localityLbSetting. */
export interface LocalityRules {
  /** An endpoint is the nearer the more of the first ones it meets. Empty: as the service says. */
  readonly preferences: readonly LocalityPreference[];
  /** Region that comes after the own, by own region. */
  readonly failover: ReadonlyMap<string, string>;
  readonly distribute: readonly LocalityShares[];
  /** Within the own region place counts only with so many endpoints there; 0: always. */
  readonly minRegionEndpoints: number;
}

/** Place does not count, unless the service says so. */
export const noLocality: LocalityRules = {
  preferences: [],
  failover: new Map(),
  distribute: [],
  minRegionEndpoints: 0,
};

export function compileLocality(message: messages.Balancing_Locality | undefined): LocalityRules {
  if (message?.enabled !== true) return noLocality;
  const { routingPreference, preferences, failover, distribute, minRegionEndpoints } = message;
  return {
    preferences:
      preferences.length === 0
        ? routingPreference.map((scope) => ({ kind: 'scope', scope }))
        : preferences.flatMap(preference),
    failover: new Map(Object.entries(failover)),
    minRegionEndpoints: Number(minRegionEndpoints),
    distribute: distribute.map(({ from, to }) => ({
      from: localityPattern(from),
      // Maps have no order: of two places that match an endpoint it is the narrower one's.
      to: Object.entries(to)
        .toSorted(([a], [b]) => b.split('/').length - a.split('/').length || (a < b ? -1 : 1))
        .map(([place, weight]) => ({ place: localityPattern(place), weight })),
    })),
  };
}

function preference({ kind }: messages.Balancing_Preference): readonly LocalityPreference[] {
  switch (kind.case) {
    case 'scope':
      return [{ kind: 'scope', scope: kind.value }];
    case 'members':
      return [{ kind: 'members', uids: new Set(kind.value.workloadUids) }];
    case undefined:
      return [];
  }
}

function localityPattern(text: string): LocalityPattern {
  const [region, zone, subzone] = text.split('/').map((part) => (part === '*' || part === '' ? undefined : part));
  return { region, zone, subzone };
}

export function matchesLocality(
  pattern: LocalityPattern,
  place: { readonly region: string; readonly zone: string; readonly subzone: string },
): boolean {
  return (
    (pattern.region === undefined || pattern.region === place.region) &&
    (pattern.zone === undefined || pattern.zone === place.zone) &&
    (pattern.subzone === undefined || pattern.subzone === place.subzone)
  );
}
