import type { ObjectReader } from '../object-reader.ts';
import { readDuration } from './duration.ts';

/** Requests of one session go to one endpoint. Spec: Gateway API, GEP-1619. */
export interface SessionPersistenceSpec {
  /** `Cookie`, `Header` or something not known here. */
  readonly type: string;
  /** Of the cookie or header; undefined: left to us. */
  readonly name: string | undefined;
  readonly absoluteTimeoutMs: number | undefined;
  readonly idleTimeoutMs: number | undefined;
  readonly isPermanent: boolean;
  /** Of the cookie; undefined: that of the route. */
  readonly path: string | undefined;
}

/** Reads `sessionPersistence` of a rule. */
export function readSessionPersistence(reader: ObjectReader): SessionPersistenceSpec | undefined {
  return reader.object('sessionPersistence', (session) => {
    const type = session.string('type') ?? 'Cookie';
    const absoluteTimeoutMs = readDuration(session, 'absoluteTimeout');
    const cookie = session.object('cookieConfig', readCookie) ?? session.object('cookie', readCookie);
    const header = session.object('header', (body) => body.string('name'));
    const isPermanent = cookie?.isPermanent ?? false;
    if (isPermanent && absoluteTimeoutMs === undefined) {
      session.error('absoluteTimeout', 'is required with lifetimeType Permanent');
    }
    return {
      type,
      name: session.string('sessionName') ?? (type === 'Header' ? header : cookie?.name),
      absoluteTimeoutMs,
      idleTimeoutMs: readDuration(session, 'idleTimeout'),
      isPermanent,
      path: cookie?.path,
    };
  });
}

function readCookie(reader: ObjectReader): {
  readonly name: string | undefined;
  readonly path: string | undefined;
  readonly isPermanent: boolean;
} {
  return {
    name: reader.string('name'),
    path: reader.string('path'),
    isPermanent: reader.string('lifetimeType') === 'Permanent',
  };
}
