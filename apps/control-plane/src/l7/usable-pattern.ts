import { RE2JS } from 're2js';

/** Longest pattern that proxies take. */
const MAX_CHARS = 4_096;

/**
 * Why proxies would not take a user's expression; undefined when they would. Found here, it costs the condition that holds
 * it; found at the proxy, it would keep every later change of the service from coming into force.
 */
export function patternProblem(pattern: string): string | undefined {
  if (pattern.length > MAX_CHARS) return `an expression has more than ${MAX_CHARS} characters`;
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch {
    return `"${pattern.slice(0, 100)}" is not a regular expression that RE2 knows`;
  }
}
