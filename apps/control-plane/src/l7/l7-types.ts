import {
  type ContentVersion,
  DESTINATION_TYPE,
  PROXY_TYPE,
  type ResourceTypeSpec,
  SERVER_TYPE,
  ztunnelTypes,
} from '@ambit/xds';

const ownTypes: readonly string[] = [DESTINATION_TYPE, SERVER_TYPE, PROXY_TYPE];

/** All types that are served. Those of L7 proxies hold keys and policies, so each gateway reads only its own; what is referred to goes out before what refers to it, and leaves after it. */
export function meshTypes(contentVersion: ContentVersion): readonly ResourceTypeSpec[] {
  const own = ownTypes.map(
    (typeUrl) => ({ typeUrl, version: contentVersion, removals: 'last', isPrivate: true }) as const,
  );
  return [...ztunnelTypes(contentVersion), ...own];
}
