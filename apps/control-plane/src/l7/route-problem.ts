/** Why a route is not, or not entirely, what is written. Reasons as the Gateway API and Istio name them. */
export interface RouteProblem {
  readonly condition: 'Accepted' | 'ResolvedRefs';
  readonly reason:
    | 'BackendNotFound'
    | 'RefNotPermitted'
    | 'InvalidKind'
    | 'InvalidDestination'
    | 'InvalidFilter'
    | 'UnsupportedValue'
    | 'IncompatibleFilters';
  readonly message: string;
}

/** Where a route's problems are put together. */
export type ProblemList = RouteProblem[];
