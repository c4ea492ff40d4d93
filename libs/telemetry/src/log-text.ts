/** The text form of a log line: time, level, scope, message, then `key=value`, separated by tabs. */

/** Turns one JSON line of pino into text; a line that is not JSON passes unchanged. Not for hot paths. */
export function formatTextLine(line: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof parsed !== 'object' || parsed === null) return line;
  const fields = new Map<string, unknown>(Object.entries(parsed));
  const head = ['time', 'level', 'scope', 'message'].map((key) => {
    const value = fields.get(key);
    fields.delete(key);
    return typeof value === 'string' ? value : '';
  });
  const rest = [...fields].map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(' ');
  return `${head.join('\t')}\t${rest}\n`;
}
