import { readObject } from '@ambit/kube';
import type { MeshReview } from '../derive/mesh-review.ts';
import { ruleErrors } from './object-rules.ts';

/** What the webhook has to say about an object. */
export interface Verdict {
  /** Empty: it may be stored. One sentence each, with the place of the mistake and what to do. */
  readonly errors: readonly string[];
  /** What is allowed but hardly meant. */
  readonly warnings: readonly string[];
}

/** The API server passes on 4,096 characters of warnings in all, and at most 256 of each look well. */
const MAX_WARNINGS = 12;
const MAX_WARNING = 256;
const MAX_ERRORS = 20;

/** Judges an object as it is to be stored. Kinds that mean nothing here are fine. Pure; linear in the object's size. */
export function judgeObject(object: unknown, mesh: Pick<MeshReview, 'review'>): Verdict {
  const reading = readObject(object, 'object');
  switch (reading.kind) {
    case 'foreign':
      return { errors: [], warnings: [] };
    case 'invalid':
      return { errors: atMost(reading.errors, MAX_ERRORS), warnings: warningsOf(reading.warnings) };
    case 'read': {
      const errors = ruleErrors(reading.resource);
      if (errors.length > 0) return { errors: atMost(errors, MAX_ERRORS), warnings: warningsOf(reading.warnings) };
      const findings = mesh.review(reading.resource).map(({ message }) => message);
      return { errors: [], warnings: warningsOf([...reading.warnings, ...findings]) };
    }
  }
}

function warningsOf(texts: readonly string[]): readonly string[] {
  const short = [...new Set(texts)].map((text) =>
    text.length <= MAX_WARNING ? text : `${text.slice(0, MAX_WARNING - 1)}…`,
  );
  return atMost(short, MAX_WARNINGS);
}

function atMost(texts: readonly string[], count: number): readonly string[] {
  return texts.length <= count ? texts : [...texts.slice(0, count), `and ${texts.length - count} more`];
}
