import { workload } from '@ambit/api';
import { create } from '@bufbuild/protobuf';

const { NETWORK, REGION, ZONE, SUBZONE, NODE } = workload.LoadBalancing_Scope;
const { STRICT, FAILOVER, PASSTHROUGH, UNSPECIFIED_MODE } = workload.LoadBalancing_Mode;
const { ALLOW_ALL, ONLY_HEALTHY } = workload.LoadBalancing_HealthPolicy;

/** Annotation for sources whose API has no field `trafficDistribution`. */
export const trafficDistributionAnnotation = 'networking.istio.io/traffic-distribution';

export interface LoadBalancingFacts {
  /** `internalTrafficPolicy: Local`. */
  readonly isNodeLocal: boolean;
  /** The field or annotation that counts. Unknown values mean "any endpoint". */
  readonly trafficDistribution: string | undefined;
  /** Endpoints that are not ready get traffic too. */
  readonly allowsUnhealthy: boolean;
  /** ServiceEntry with resolution NONE: connections go where the client wanted to go. */
  readonly isPassthrough: boolean;
}

/** The message for one service, made anew each time; undefined means all endpoints alike. Spec: control-plane.md 3.4, 3.5. */
export function loadBalancing(facts: LoadBalancingFacts): workload.LoadBalancing | undefined {
  const { mode, scopes } = routing(facts);
  const healthPolicy = facts.allowsUnhealthy || facts.isPassthrough ? ALLOW_ALL : ONLY_HEALTHY;
  if (mode === UNSPECIFIED_MODE && healthPolicy === ONLY_HEALTHY) return undefined;
  return create(workload.LoadBalancingSchema, { mode, routingPreference: [...scopes], healthPolicy });
}

function routing(facts: LoadBalancingFacts): {
  readonly mode: workload.LoadBalancing_Mode;
  readonly scopes: readonly workload.LoadBalancing_Scope[];
} {
  if (facts.isPassthrough) return { mode: PASSTHROUGH, scopes: [] };
  if (facts.isNodeLocal) return { mode: STRICT, scopes: [NODE] };
  switch (facts.trafficDistribution?.toLowerCase()) {
    case 'preferclose':
    case 'prefersamezone':
      return { mode: FAILOVER, scopes: [NETWORK, REGION, ZONE] };
    case 'prefersamenode':
      return { mode: FAILOVER, scopes: [NETWORK, REGION, ZONE, SUBZONE, NODE] };
    default:
      return { mode: UNSPECIFIED_MODE, scopes: [] };
  }
}
