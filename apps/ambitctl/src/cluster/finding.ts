/** What a check has found, and how it is told. Pure. */

/** One line of a check. An `error` makes the check fail; each but `good` says what to do. */
export type Finding =
  | { readonly kind: 'good'; readonly text: string }
  | { readonly kind: 'warning' | 'error'; readonly text: string; readonly advice: string };

const MARKS = { good: '✔', warning: '!', error: '✘' } as const;

export function good(text: string): Finding {
  return { kind: 'good', text };
}

export function warning(text: string, advice: string): Finding {
  return { kind: 'warning', text, advice };
}

export function failure(text: string, advice: string): Finding {
  return { kind: 'error', text, advice };
}

export function hasErrors(findings: readonly Finding[]): boolean {
  return findings.some(({ kind }) => kind === 'error');
}

/** The finding as text, its advice on a line of its own. */
export function formatFinding(finding: Finding): string {
  const line = `${MARKS[finding.kind]} ${finding.text}\n`;
  return finding.kind === 'good' ? line : `${line}    ${finding.advice}\n`;
}
