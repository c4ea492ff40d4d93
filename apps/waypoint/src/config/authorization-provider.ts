import type { access as messages } from '@ambit/api';

import { type ServiceTarget, serviceTarget } from './backend-target.ts';
import { limitMs } from './duration.ts';
import type { Problems } from './problems.ts';

/** How a name is compared: `name`, `name*` or `*name`, in lower case. */
export interface HeaderPattern {
  readonly kind: 'exact' | 'prefix' | 'suffix';
  readonly text: string;
}

export interface HttpAuthorization {
  readonly kind: 'http';
  readonly pathPrefix: string;
  readonly includedHeaders: readonly HeaderPattern[];
  readonly addedHeaders: readonly (readonly [name: string, value: string])[];
  readonly headersToUpstream: readonly HeaderPattern[];
  readonly headersToDownstreamOnAllow: readonly HeaderPattern[];
  /** Empty: all but Host. */
  readonly headersToDownstreamOnDeny: readonly HeaderPattern[];
}

/** A service that is asked whether a request may pass. Istio: meshConfig.extensionProviders. */
export interface AuthorizationProvider {
  readonly name: string;
  readonly target: ServiceTarget;
  readonly timeoutMs: number;
  readonly failsOpen: boolean;
  readonly statusOnError: number;
  /** 0: the body is not sent. */
  readonly maxBodyBytes: number;
  readonly allowsPartialBody: boolean;
  readonly protocol: HttpAuthorization | { readonly kind: 'grpc' };
}

/** Istio's default. */
const defaultTimeoutMs = 600_000;
const maxBodyBytes = 4 * 1024 * 1024;

export function compileProvider(
  message: messages.AuthorizationProvider,
  problems: Problems,
): AuthorizationProvider | undefined {
  const place = `provider ${message.name}`;
  const { protocol } = message;
  if (protocol.case === undefined) {
    problems.warn(place, 'neither HTTP nor gRPC: policies that name it refuse what they match');
    return undefined;
  }
  return {
    name: message.name,
    target: serviceTarget(message.namespace, message.hostname, message.port),
    timeoutMs: limitMs(message.timeout) ?? defaultTimeoutMs,
    failsOpen: message.failOpen,
    statusOnError: message.statusOnError === 0 ? 403 : message.statusOnError,
    maxBodyBytes: Math.min(message.maxBodyBytes, maxBodyBytes),
    allowsPartialBody: message.allowPartialBody,
    protocol: protocol.case === 'grpc' ? { kind: 'grpc' } : compileHttp(protocol.value),
  };
}

function compileHttp(message: messages.AuthorizationProvider_HttpProvider): HttpAuthorization {
  return {
    kind: 'http',
    pathPrefix: message.pathPrefix,
    includedHeaders: message.includedHeaders.map(headerPattern),
    addedHeaders: Object.entries(message.addedHeaders).map(([name, value]) => [name.toLowerCase(), value]),
    headersToUpstream: message.headersToUpstream.map(headerPattern),
    headersToDownstreamOnAllow: message.headersToDownstreamOnAllow.map(headerPattern),
    headersToDownstreamOnDeny: message.headersToDownstreamOnDeny.map(headerPattern),
  };
}

function headerPattern(written: string): HeaderPattern {
  const text = written.toLowerCase();
  if (text.endsWith('*')) return { kind: 'prefix', text: text.slice(0, -1) };
  return text.startsWith('*') ? { kind: 'suffix', text: text.slice(1) } : { kind: 'exact', text };
}

export function matchesAny(patterns: readonly HeaderPattern[], lowerName: string): boolean {
  for (const { kind, text } of patterns) {
    if (
      kind === 'exact' ? lowerName === text : kind === 'prefix' ? lowerName.startsWith(text) : lowerName.endsWith(text)
    )
      return true;
  }
  return false;
}
