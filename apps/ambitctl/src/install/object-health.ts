/** Judges users' objects by what the mesh has written on their status: what is not in force, in whole or in part. Pure. */
import type { PlainObject } from '@ambit/kube';
import { warning, type Finding } from '../cluster/finding.ts';
import { objectsAt, placeOf, textAt } from '../cluster/read-fields.ts';

/** Objects of one kind, as the API server lists them. */
export interface ListedKind {
  readonly kind: string;
  /** Name that kubectl takes, as `httproutes`. */
  readonly plural: string;
  readonly objects: readonly PlainObject[];
}

const MOST_SHOWN = 20;

/** Written by the mesh alone, on objects of any kind: type, and the status that is bad news. */
const OWN_CONDITIONS: ReadonlyMap<string, 'True' | 'False'> = new Map([
  ['istio.io/WaypointBound', 'False'],
  ['istio.io/WaypointMissing', 'True'],
  ['ZtunnelAccepted', 'False'],
  ['WaypointAccepted', 'False'],
  ['ambit.dev/WaypointConfigured', 'False'],
  ['ambit.dev/FieldsInForce', 'False'],
  ['ambit.dev/KeysFetched', 'False'],
  ['ambit.dev/SelectsWorkloads', 'False'],
]);
/** `True` with one of them: in force, but not all of it. */
const PARTIAL_REASONS: readonly string[] = ['UnsupportedValue', 'PartiallyInvalid'];
/** Written by whichever controller an object is for. */
const GATEWAY_CONDITIONS: ReadonlyMap<string, 'True' | 'False'> = new Map([
  ['Accepted', 'False'],
  ['ResolvedRefs', 'False'],
  ['Programmed', 'False'],
  ['Conflicted', 'True'],
  ['ambit.dev/FieldsInForce', 'False'],
]);

/** One warning for each object that says it is not in force; the first twenty of them. */
export function judgeObjects(kinds: readonly ListedKind[]): readonly Finding[] {
  const ownClasses = new Set(
    kinds
      .filter(({ kind }) => kind === 'GatewayClass')
      .flatMap(({ objects }) => objects)
      .filter((one) => isOwnController(textAt(one, 'spec', 'controllerName')))
      .map((one) => textAt(one, 'metadata', 'name')),
  );
  const findings = kinds.flatMap(({ kind, plural, objects }) =>
    objects.flatMap((object): readonly Finding[] => {
      const problems = [...new Set(telling(kind, object, ownClasses).map(describe))];
      if (problems.length === 0) return [];
      const [namespace = '', name = ''] = placeOf(object).split('/');
      const look = `kubectl -n ${namespace} get ${plural} ${name} -o yaml`;
      return [warning(`${kind} ${placeOf(object)}: ${problems.join('; ')}`, `Correct it; its whole status: ${look}`)];
    }),
  );
  if (findings.length <= MOST_SHOWN) return findings;
  const more = warning(`and ${findings.length - MOST_SHOWN} more objects`, 'Correct these first, then check again.');
  return [...findings.slice(0, MOST_SHOWN), more];
}

function telling(kind: string, object: PlainObject, ownClasses: ReadonlySet<string | undefined>): PlainObject[] {
  const own = objectsAt(object, 'status', 'conditions').filter((one) => isBad(one, OWN_CONDITIONS));
  const parents = [...objectsAt(object, 'status', 'parents'), ...objectsAt(object, 'status', 'ancestors')]
    .filter((parent) => isOwnController(textAt(parent, 'controllerName')))
    .flatMap((parent) => objectsAt(parent, 'conditions'));
  const isOwnGateway = kind === 'Gateway' && ownClasses.has(textAt(object, 'spec', 'gatewayClassName'));
  const gateway = isOwnGateway
    ? [
        ...objectsAt(object, 'status', 'conditions'),
        ...objectsAt(object, 'status', 'listeners').flatMap((listener) => objectsAt(listener, 'conditions')),
      ]
    : [];
  return [...own, ...[...parents, ...gateway].filter((one) => isBad(one, GATEWAY_CONDITIONS))];
}

/** Of Ambit, or of Istio where Ambit has taken over. */
function isOwnController(name: string | undefined): boolean {
  return name !== undefined && /^(ambit\.dev|istio\.io)\//.test(name);
}

function isBad(condition: PlainObject, types: ReadonlyMap<string, 'True' | 'False'>): boolean {
  const bad = types.get(textAt(condition, 'type') ?? '');
  if (bad === undefined) return false;
  return textAt(condition, 'status') === bad || PARTIAL_REASONS.includes(textAt(condition, 'reason') ?? '');
}

function describe(condition: PlainObject): string {
  const [type, status, reason] = ['type', 'status', 'reason'].map((field) => textAt(condition, field) ?? '?');
  return `${type}=${status} (${reason}): ${textAt(condition, 'message') ?? 'no reason given'}`;
}
