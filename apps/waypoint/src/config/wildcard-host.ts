/** True for `*.example.com` and what it covers, in lower case: labels before it, at least one. */
export function coversHost(pattern: string, lowerHost: string): boolean {
  if (!pattern.startsWith('*.')) return false;
  const suffix = pattern.slice(1).toLowerCase();
  return lowerHost.length > suffix.length && lowerHost.endsWith(suffix) && isHostName(lowerHost);
}

/** Label by label: one pattern for the whole name tries all ways to cut it, and the name is whoever's to choose. */
function isHostName(text: string): boolean {
  if (text.length > 253) return false;
  const labels = (text.endsWith('.') ? text.slice(0, -1) : text).split('.');
  return labels.every((label) => /^[a-z0-9_][a-z0-9_-]{0,62}$/.test(label));
}
