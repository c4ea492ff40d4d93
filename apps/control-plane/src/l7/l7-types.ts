import {
  type ContentVersion,
  DESTINATION_TYPE,
  PROXY_TYPE,
  type ResourceTypeSpec,
  SERVER_TYPE,
  ztunnelTypes,
} from '@ambit/xds';

const ownTypes: readonly string[] = [DESTINATION_TYPE, SERVER_TYPE, PROXY_TYPE];

/** True for types of which a caller may read only what is its own: they hold keys and policies of others. */
export function isPrivateType(typeUrl: string): boolean {
  return ownTypes.includes(typeUrl);
}

/** All types that are served; what is referred to goes out before what refers to it, and leaves after it. */
export function meshTypes(contentVersion: ContentVersion): readonly ResourceTypeSpec[] {
  const own = ownTypes.map((typeUrl) => ({ typeUrl, version: contentVersion, removals: 'last' }) as const);
  return [...ztunnelTypes(contentVersion), ...own];
}
