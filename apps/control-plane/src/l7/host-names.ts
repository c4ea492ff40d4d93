import type { MeshSettings } from '../mesh-settings.ts';

/** A host as Istio's resources mean it: a name without dots is a service of the namespace it is written in. */
export function fullHost(host: string, namespace: string, settings: Pick<MeshSettings, 'clusterDomain'>): string {
  return host === '' || host === '*' || host.includes('.')
    ? host.toLowerCase()
    : `${host.toLowerCase()}.${namespace}.svc.${settings.clusterDomain}`;
}

/** The host itself, then every wildcard that covers it, the closest first. */
export function hostPatterns(host: string): readonly string[] {
  const patterns = [host];
  const labels = host.replace(/^\*\./, '').split('.');
  for (let at = host.startsWith('*.') ? 0 : 1; at < labels.length; at++) {
    const pattern = `*.${labels.slice(at).join('.')}`;
    if (pattern !== host) patterns.push(pattern);
  }
  if (host !== '*') patterns.push('*');
  return patterns;
}

/** True when a host pattern covers a host or a narrower pattern. */
export function coversHost(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1;
}

/** What both of two patterns cover; undefined when that is nothing. An empty one covers all. */
export function commonHost(a: string, b: string): string | undefined {
  if (a === '' || a === '*') return b;
  if (b === '' || b === '*') return a;
  if (coversHost(a, b)) return b;
  return coversHost(b, a) ? a : undefined;
}

/** Whether an object exported by `exportTo` of `owner` can be seen from a namespace. Empty: from everywhere. */
export function isExportedTo(exportTo: readonly string[], owner: string, namespace: string): boolean {
  if (exportTo.length === 0) return true;
  return exportTo.some((to) => to === '*' || to === namespace || (to === '.' && owner === namespace));
}
