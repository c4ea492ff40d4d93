/** What the status of a route should say of its parents. Pure. Spec: l7.md sections 1.0, 1.2 and 1.9. */
import type {
  BackendTLSPolicy,
  GRPCRoute,
  HTTPRoute,
  ParentRef,
  RouteParentStatus,
  TCPRoute,
  TLSRoute,
  UDPRoute,
} from '@ambit/kube';
import { isDeepStrictEqual } from 'node:util';
import { type DesiredCondition, isSameCondition, type ParentWrite, type StatusWrite } from '../derive/status-write.ts';
import type { RouteProblem } from './route-problem.ts';

export type AnyRoute = HTTPRoute | GRPCRoute | TLSRoute | TCPRoute | UDPRoute;

/** Whether a parent takes the route, and why not. */
export type ParentVerdict =
  | { readonly kind: 'accepted'; readonly extra: readonly DesiredCondition[] }
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string };

/** Conditions of one parent. What cannot be found is told also when the parent does not take the route. */
export function parentConditions(
  generation: number | undefined,
  verdict: ParentVerdict,
  problems: readonly RouteProblem[],
): readonly DesiredCondition[] {
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const conditions = [
    acceptance(verdict, problems),
    resolution(problems),
    ...(verdict.kind === 'accepted' ? verdict.extra : []),
  ];
  return conditions.map((condition) => ({ ...condition, ...observed }));
}

function acceptance(verdict: ParentVerdict, problems: readonly RouteProblem[]): DesiredCondition {
  const type = 'Accepted';
  if (verdict.kind === 'refused') return { type, status: 'False', reason: verdict.reason, message: verdict.message };
  const own = problems.filter(({ condition }) => condition === 'Accepted');
  const [first] = own;
  if (first !== undefined) return { type, status: 'False', reason: first.reason, message: messageOf(own) };
  return { type, status: 'True', reason: 'Accepted', message: 'attached to its parent' };
}

function resolution(problems: readonly RouteProblem[]): DesiredCondition {
  const type = 'ResolvedRefs';
  const own = problems.filter(({ condition }) => condition === 'ResolvedRefs');
  const [first] = own;
  if (first !== undefined) return { type, status: 'False', reason: first.reason, message: messageOf(own) };
  return { type, status: 'True', reason: 'ResolvedRefs', message: 'all references can be used' };
}

function messageOf(problems: readonly RouteProblem[]): string {
  return [...new Set(problems.map(({ message }) => message))].join('; ').slice(0, 1_024);
}

/** What we say of one parent. */
export interface DesiredParent {
  readonly parentRef: ParentRef;
  readonly controllerName: string;
  readonly conditions: readonly DesiredCondition[];
}

/** What has to be written; nothing when the status reads as wanted. Entries of other controllers count for nothing. */
export function parentWrites(
  route: AnyRoute | BackendTLSPolicy,
  desired: readonly DesiredParent[],
  ownControllers: readonly string[],
): readonly StatusWrite[] {
  const own = route.status.parents.filter(({ controllerName }) => ownControllers.includes(controllerName));
  const presentOf = (wanted: DesiredParent): RouteParentStatus | undefined =>
    own.find((is) => is.controllerName === wanted.controllerName && isDeepStrictEqual(is.parentRef, wanted.parentRef));
  const isAsWanted =
    own.length === desired.length &&
    desired.every((wanted) => {
      const present = presentOf(wanted)?.conditions ?? [];
      return (
        present.length === wanted.conditions.length &&
        wanted.conditions.every((condition) => present.some((is) => isSameCondition(is, condition)))
      );
    });
  if (isAsWanted) return [];
  const parents = desired.map((wanted): ParentWrite => {
    const present = presentOf(wanted)?.conditions ?? [];
    const conditions = wanted.conditions.map((condition) => {
      const since = present.find((is) => is.type === condition.type && is.status === condition.status);
      const time = since?.lastTransitionTime;
      return time === undefined ? condition : { ...condition, lastTransitionTime: time };
    });
    return { parentRef: written(wanted.parentRef), controllerName: wanted.controllerName, conditions };
  });
  const { namespace, name, generation } = route.metadata;
  return [{ kind: route.kind, namespace, name, generation, fieldManager: 'ambit-status', parents, ownControllers }];
}

/** Exactly the fields that the spec has. */
function written(ref: ParentRef): Readonly<Record<string, string | number>> {
  const entries = Object.entries(ref).filter((entry): entry is [string, string | number] => entry[1] !== undefined);
  return Object.fromEntries(entries);
}
