import { proxy } from '@ambit/api';
import { compareText } from '@ambit/collections';
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import type { L7Collections } from './l7-collections.ts';

/** What L7 proxies are told, in the JSON form of its messages; sorted by name. For people and golden files. */
export interface L7Description {
  readonly proxies: readonly JsonValue[];
  readonly destinations: Readonly<Record<string, JsonValue>>;
  /** Only where there are any, and without keys. */
  readonly servers?: Readonly<Record<string, JsonValue>>;
}

export function describeL7({
  proxies,
  destinations,
  servers,
}: Pick<L7Collections, 'proxies' | 'destinations' | 'servers'>): L7Description {
  return {
    proxies: sorted(proxies.entries()).map(([, { message }]) => withoutKeys(toJson(proxy.ProxySchema, message))),
    destinations: Object.fromEntries(
      sorted(destinations.entries()).map(([name, { message }]) => [
        name,
        withoutKeys(toJson(proxy.DestinationSchema, message)),
      ]),
    ),
    ...(servers.size === 0
      ? {}
      : {
          servers: Object.fromEntries(
            sorted(servers.entries()).map(([name, { message }]) => [
              name,
              withoutKeys(toJson(proxy.ServerSchema, message)),
            ]),
          ),
        }),
  };
}

function withoutKeys(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(withoutKeys);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => {
      if (key === 'privateKeyPem' || key === 'clientPrivateKeyPem') return [key, ''];
      return [key, key === 'collector' ? withoutHeaderValues(inner) : withoutKeys(inner)];
    }),
  );
}

/** Collectors are given their tokens in headers. */
function withoutHeaderValues(collector: JsonValue): JsonValue {
  if (collector === null || typeof collector !== 'object' || Array.isArray(collector)) return collector;
  const { headers = {}, ...others } = collector;
  const names = typeof headers === 'object' && headers !== null ? Object.keys(headers) : [];
  return names.length === 0 ? collector : { ...others, headers: Object.fromEntries(names.map((name) => [name, ''])) };
}

function sorted<T>(entries: Iterable<readonly [string, T]>): readonly (readonly [string, T])[] {
  return [...entries].toSorted(([a], [b]) => compareText(a, b));
}
