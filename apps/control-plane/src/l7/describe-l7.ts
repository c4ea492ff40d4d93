import { proxy } from '@ambit/api';
import { compareText } from '@ambit/collections';
import { type JsonValue, toJson } from '@bufbuild/protobuf';
import type { L7Collections } from './l7-collections.ts';

/** What L7 proxies are told, in the JSON form of its messages; sorted by name. For people and golden files. */
export interface L7Description {
  readonly proxies: readonly JsonValue[];
  readonly destinations: Readonly<Record<string, JsonValue>>;
}

export function describeL7({ proxies, destinations }: Pick<L7Collections, 'proxies' | 'destinations'>): L7Description {
  return {
    proxies: sorted(proxies.entries()).map(([, { message }]) => toJson(proxy.ProxySchema, message)),
    destinations: Object.fromEntries(
      sorted(destinations.entries()).map(([name, { message }]) => [name, toJson(proxy.DestinationSchema, message)]),
    ),
  };
}

function sorted<T>(entries: Iterable<readonly [string, T]>): readonly (readonly [string, T])[] {
  return [...entries].toSorted(([a], [b]) => compareText(a, b));
}
