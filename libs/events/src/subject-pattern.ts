import { EventError } from './event-error.ts';

const SUBJECT = /^[\w-]+(?:\.[\w-]+)*$/;
const PATTERN = /^(?:[\w-]+|\*)(?:\.(?:[\w-]+|\*))*(?:\.>)?$/;
const MAX_SUBJECT_LENGTH = 512;

export function isSubject(subject: string): boolean {
  return subject.length <= MAX_SUBJECT_LENGTH && SUBJECT.test(subject);
}

/** Throws EventError `BAD_PATTERN`. `*` stands for one part, `>` at the end for one or more, as in NATS. */
export function checkPattern(pattern: string): void {
  if (pattern.length > MAX_SUBJECT_LENGTH || !PATTERN.test(pattern)) {
    throw new EventError('BAD_PATTERN', `not a subject pattern: ${pattern.slice(0, 80)}`);
  }
}

export function matchesSubject(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const parts = subject.split('.');
  for (const [i, want] of wanted.entries()) {
    if (want === '>') return parts.length > i;
    if (parts[i] === undefined || (want !== '*' && want !== parts[i])) return false;
  }
  return parts.length === wanted.length;
}
