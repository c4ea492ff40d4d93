/** True for `*.example.com` and what it covers, in lower case: labels before it, at least one. */
export function coversHost(pattern: string, lowerHost: string): boolean {
  if (!pattern.startsWith('*.')) return false;
  const suffix = pattern.slice(1).toLowerCase();
  return lowerHost.length > suffix.length && lowerHost.endsWith(suffix) && isHostName(lowerHost);
}

function isHostName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9_]([a-z0-9_-]{0,62}\.?)+$/.test(text) && !text.includes('..');
}
