/** The access log of the ztunnels, one line per connection at its end. */

/** Fields by their keys: `src.identity`, `dst.workload`, `direction`, `error` ... */
export type AccessLine = ReadonlyMap<string, unknown>;

/** Lines that are not JSON, and those that are not of the access log, are left out. */
export function readAccessLog(text: string): readonly AccessLine[] {
  return text.split('\n').flatMap((line) => {
    if (!line.startsWith('{') || !line.includes('"scope":"access"')) return [];
    const parsed: unknown = JSON.parse(line);
    return typeof parsed === 'object' && parsed !== null ? [new Map(Object.entries(parsed))] : [];
  });
}
