/** Session persistence of HTTPRoute and GRPCRoute rules. Spec: l7.md section 1.5; GEP-1619. */
import { createHash } from 'node:crypto';
import { route } from '@ambit/api';
import type { SessionPersistenceSpec } from '@ambit/kube';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { duration } from './proto-text.ts';
import type { ProblemList } from './route-problem.ts';

type SessionInit = MessageInitShape<typeof route.SessionPersistenceSchema>;

/** `rule`: name of the rule, so that sessions of different rules do not mix. Undefined when there is none, or none to be had. */
export function sessionPersistence(
  spec: SessionPersistenceSpec | undefined,
  rule: string,
  match: route.HttpMatch | MessageInitShape<typeof route.HttpMatchSchema>,
  problems: ProblemList,
): route.SessionPersistence | undefined {
  if (spec === undefined) return undefined;
  const name = spec.name ?? `ambit-session-${createHash('sha256').update(rule).digest('hex').slice(0, 8)}`;
  const carrier = carrierOf(spec, name, spec.path ?? pathOf(match));
  if (carrier === undefined) {
    const message = `session persistence of type ${spec.type} is not known; use Cookie or Header`;
    if (!problems.some((problem) => problem.message === message)) {
      problems.push({ condition: 'Accepted', reason: 'UnsupportedValue', message });
    }
    return undefined;
  }
  const { absoluteTimeoutMs = 0, idleTimeoutMs = 0 } = spec;
  return create(route.SessionPersistenceSchema, {
    carrier,
    ...(absoluteTimeoutMs === 0 ? {} : { absoluteTimeout: duration(absoluteTimeoutMs) }),
    ...(idleTimeoutMs === 0 ? {} : { idleTimeout: duration(idleTimeoutMs) }),
  });
}

function carrierOf(spec: SessionPersistenceSpec, name: string, path: string): SessionInit['carrier'] {
  switch (spec.type) {
    case 'Cookie':
      return { case: 'cookie', value: { name, path, permanent: spec.isPermanent } };
    case 'Header':
      return { case: 'header', value: name.toLowerCase() };
    default:
      return undefined;
  }
}

/** A cookie is sent where its route is, if that is one place. */
function pathOf({ path }: route.HttpMatch | MessageInitShape<typeof route.HttpMatchSchema>): string {
  const kind = path?.kind;
  return kind?.case === 'exact' || kind?.case === 'segments' || kind?.case === 'prefix' ? String(kind.value) : '/';
}
