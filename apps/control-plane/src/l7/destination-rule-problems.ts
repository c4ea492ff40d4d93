import type { DestinationRule, PolicyParts, TrafficPolicySpec } from '@ambit/kube';

const algorithms: ReadonlySet<string> = new Set([
  'UNSPECIFIED',
  'RANDOM',
  'PASSTHROUGH',
  'ROUND_ROBIN',
  'LEAST_REQUEST',
  'LEAST_CONN',
]);

/** What of a DestinationRule is not in force, and why, beside fields that have no effect anywhere. */
export function destinationRuleProblems({ spec }: DestinationRule): readonly string[] {
  const places = [
    ['trafficPolicy', spec.policy] as const,
    ...spec.subsets.map(({ policy }, i) => [`subsets[${i}].trafficPolicy`, policy] as const),
  ];
  return places.flatMap(([at, policy]) =>
    policy === undefined
      ? []
      : [
          ...partProblems(policy, at),
          ...tunnelProblems(policy, at),
          ...policy.ports.flatMap((parts, i) => partProblems(parts, `${at}.portLevelSettings[${i}]`)),
        ],
  );
}

function tunnelProblems({ tunnel }: TrafficPolicySpec, at: string): readonly string[] {
  return tunnel === undefined || ['', 'CONNECT', 'POST'].includes(tunnel.protocol)
    ? []
    : [`${at}.tunnel.protocol: ${tunnel.protocol} is not known; proxies are asked by CONNECT`];
}

function partProblems({ balancer, tls }: PolicyParts, at: string): readonly string[] {
  const found: string[] = [];
  const simple = balancer?.simple;
  if (simple !== undefined && !algorithms.has(simple))
    found.push(`${at}.loadBalancer.simple: ${simple} is not known; requests go to the least busy endpoint`);
  if (balancer?.hash !== undefined && balancer.locality !== undefined)
    found.push(`${at}.loadBalancer: place does not count beside consistentHash`);
  if (tls?.namesFiles === true)
    found.push(
      `${at}.tls: files of a proxy's pod cannot be had, so that connections fail; name a Secret by credentialName`,
    );
  return found;
}
