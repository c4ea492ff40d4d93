/** What the suite of the Gateway API is told. Pure. */

/** A group of the suite's profiles that one kind of cluster can answer. */
export interface SuitePlan {
  readonly name: 'mesh';
  readonly profiles: readonly string[];
  /** Names of features, as the suite spells them, beyond the core of the profiles. */
  readonly features: readonly string[];
  /** Labels that the suite puts on its namespaces. */
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** Namespaces with workloads that need a waypoint before the suite begins. */
  readonly waypoints: readonly string[];
}

/** Every feature of the mesh profiles but consumer routes, which are not claimed by a service waypoint. */
export const meshPlan: SuitePlan = {
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
  namespaceLabels: { 'istio.io/dataplane-mode': 'ambient', 'istio.io/use-waypoint': 'waypoint' },
  waypoints: ['gateway-conformance-mesh'],
};

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
    `-supported-features=${plan.features.join()}`,
    `-namespace-labels=${labels.join()}`,
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
  const prefix = plan.name === 'mesh' ? 'Mesh' : '';
  return [...output.matchAll(/^\s*--- (PASS|FAIL|SKIP): TestConformance\/([A-Za-z0-9]+) /gm)].flatMap(
    ([, verdict, name = '']): readonly SuiteTest[] =>
      name.startsWith(prefix) && (verdict === 'PASS' || verdict === 'FAIL' || verdict === 'SKIP')
        ? [{ name, verdict }]
        : [],
  );
}
