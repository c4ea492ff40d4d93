/** What the suite of the Gateway API is told. Pure. */

export type PlanName = 'mesh' | 'gateway';

/** A group of the suite's profiles that are run together. */
export interface SuitePlan {
  readonly name: PlanName;
  readonly profiles: readonly string[];
  /** Names of features, as the suite spells them, beyond the core of the profiles; undefined: those that the GatewayClass tells. */
  readonly features: readonly string[] | undefined;
  /** Undefined: no Gateway of ours is asked for. */
  readonly gatewayClass: string | undefined;
  /** Labels that the suite puts on its namespaces. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** Namespaces with workloads that need a waypoint before the suite begins. */
  readonly waypoints: readonly string[];
  /** For static addresses: one that the load balancer can give, and one that it cannot. */
  readonly addresses: { readonly usable: string; readonly unusable: string } | undefined;
  /** Beginnings of names of tests that are of other profiles. */
  readonly foreign: RegExp;
}

/** Every feature of the mesh profiles but consumer routes, which are not claimed by a service waypoint. */
const meshPlan: SuitePlan = {
  name: 'mesh',
  profiles: ['MESH-HTTP', 'MESH-GRPC'],
  features: [
    'Mesh',
    'HTTPRoute',
    'GRPCRoute',
    'HTTPRoute303RedirectStatusCode',
    'HTTPRoute307RedirectStatusCode',
    'HTTPRoute308RedirectStatusCode',
    'HTTPRouteParentRefPort',
    'HTTPRouteResponseHeaderModification',
    'MeshClusterIPMatching',
    'MeshHTTPRouteBackendRequestHeaderModification',
    'MeshHTTPRouteNamedRouteRule',
    'MeshHTTPRouteQueryParamMatching',
    'MeshHTTPRouteRedirectPath',
    'MeshHTTPRouteRedirectPort',
    'MeshHTTPRouteRewritePath',
    'MeshHTTPRouteSchemeRedirect',
  ],
  gatewayClass: undefined,
  namespaceLabels: { 'istio.io/dataplane-mode': 'ambient', 'istio.io/use-waypoint': 'waypoint' },
  waypoints: ['gateway-conformance-mesh'],
  addresses: undefined,
  foreign: /^(?!Mesh)/,
};

/** Gateways of class `ambit`, with the features that the class itself tells. */
const gatewayPlan: SuitePlan = {
  name: 'gateway',
  profiles: ['GATEWAY-HTTP', 'GATEWAY-GRPC', 'GATEWAY-TLS', 'GATEWAY-TCP'],
  features: undefined,
  gatewayClass: 'ambit',
  namespaceLabels: {},
  waypoints: [],
  addresses: { usable: '10.97.0.200', unusable: '192.0.2.1' },
  foreign: /^(Mesh|UDPRoute)/,
};

/** In the order in which they are run. */
export const suitePlans: readonly SuitePlan[] = [meshPlan, gatewayPlan];

export interface SuiteOptions {
  readonly version: string;
  readonly reportFile: string;
  /** Only this test. */
  readonly only: string | undefined;
}

/** Arguments of the suite's program. */
export function suiteArguments(plan: SuitePlan, { version, reportFile, only }: SuiteOptions): readonly string[] {
  const labels = Object.entries(plan.namespaceLabels).map(([key, value]) => `${key}=${value}`);
  return [
    '-test.run=TestConformance',
    '-test.v',
    '-test.timeout=40m',
    `-conformance-profiles=${plan.profiles.join()}`,
    ...(plan.features === undefined ? [] : [`-supported-features=${plan.features.join()}`]),
    ...(plan.gatewayClass === undefined ? [] : [`-gateway-class=${plan.gatewayClass}`]),
    ...(labels.length === 0 ? [] : [`-namespace-labels=${labels.join()}`]),
    ...(plan.addresses === undefined
      ? []
      : [`-usable-address=${plan.addresses.usable}`, `-unusable-address=${plan.addresses.unusable}`]),
    `-report-output=${reportFile}`,
    '-organization=ambit',
    '-project=ambit',
    '-url=https://ambit.dev',
    `-version=${version}`,
    '-contact=https://ambit.dev/security',
    ...(only === undefined ? [] : [`-run-test=${only}`]),
  ];
}

/** Verdict on one test of the suite. */
export interface SuiteTest {
  readonly name: string;
  readonly verdict: 'PASS' | 'FAIL' | 'SKIP';
}

/** Tests of the suite, without their parts. Those of other profiles are skipped by the suite and left out. */
export function readTests(output: string, plan: SuitePlan): readonly SuiteTest[] {
  return [...output.matchAll(/^\s*--- (PASS|FAIL|SKIP): TestConformance\/([A-Za-z0-9]+) /gm)].flatMap(
    ([, verdict, name = '']): readonly SuiteTest[] =>
      !plan.foreign.test(name) && (verdict === 'PASS' || verdict === 'FAIL' || verdict === 'SKIP')
        ? [{ name, verdict }]
        : [],
  );
}
