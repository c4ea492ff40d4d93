/** Who needs a waypoint: policies that nobody but a waypoint carries out. */
import type { Index } from '@ambit/collections';
import type { AuthorizationPolicy, PolicyTarget, RequestAuthentication } from '@ambit/kube';
import type { MeshSettings } from '../mesh-settings.ts';
import { isDryRun } from './authorization-policy.ts';
import type { MeshReads } from './mesh-reads.ts';
import type { MeshObjects } from './mesh-objects.ts';

/** A Service or ServiceEntry by name. */
export interface GovernedService {
  readonly kind: 'Service' | 'ServiceEntry';
  readonly namespace: string;
  readonly name: string;
}

/** All classes of waypoints: a policy for one of them holds at each. */
const anyClass = 'GatewayClass';

/** Finds what would not be enforced if a service were called without its waypoint. */
export class GoverningPolicies {
  readonly #policies: Index<AuthorizationPolicy>;
  readonly #tokens: Index<RequestAuthentication>;

  constructor(objects: MeshObjects, { rootNamespace }: MeshSettings) {
    const places = (targets: readonly PolicyTarget[], namespace: string): readonly string[] => [
      ...new Set(
        targets
          .filter((target) => target.namespace === undefined || target.namespace === namespace)
          .flatMap(({ kind, name }) => {
            if (kind === 'GatewayClass') return namespace === rootNamespace ? [anyClass] : [];
            return [`${kind}/${namespace}/${name}`];
          }),
      ),
    ];
    this.#policies = objects.AuthorizationPolicy.index('by-governed', (policy) =>
      policy.spec.action === 'AUDIT' || isDryRun(policy) ? [] : places(policy.spec.targets, policy.metadata.namespace),
    );
    this.#tokens = objects.RequestAuthentication.index('by-governed', ({ spec, metadata }) =>
      places(spec.targets, metadata.namespace),
    );
  }

  /**
   * Kind and name of one of them; undefined when there is none. `service`: undefined for a workload, which no policy of a waypoint names.
   * `waypoint`: `namespace/name` of the one that is asked for.
   */
  of(reads: MeshReads, service: GovernedService | undefined, waypoint: string): string | undefined {
    const own = service === undefined ? [] : [`${service.kind}/${service.namespace}/${service.name}`];
    for (const place of [...own, `Gateway/${waypoint}`, anyClass]) {
      const [found] = [...reads.lookup(this.#policies, place), ...reads.lookup(this.#tokens, place)];
      if (found !== undefined) return `${found.kind} ${found.metadata.namespace}/${found.metadata.name}`;
    }
    return undefined;
  }
}
