import type { TokenFacts } from './request-facts.ts';
import { TextValues } from './text-values.ts';

interface PrincipalForm {
  readonly issuer: TextValues;
  readonly subject: TextValues;
}

/**
 * Values of `requestPrincipals`: issuer and subject, taken apart at the last slash of the value, since issuers are URLs and
 * subjects are compared on their own: `iss` `a` with subject `b/c` is not `a/b` with `c`. Istio: authz model, request principal.
 */
export class TokenPrincipals {
  readonly #forms: readonly PrincipalForm[];

  constructor(values: readonly string[]) {
    this.#forms = values.map(parseForm);
  }

  matches(token: TokenFacts | undefined): boolean {
    if (token === undefined || token.issuer === '' || token.subject === '') return false;
    for (const form of this.#forms) {
      if (form.issuer.matches(token.issuer) && form.subject.matches(token.subject)) return true;
    }
    return false;
  }
}

function parseForm(value: string): PrincipalForm {
  const slash = value.lastIndexOf('/');
  if (slash < 0) {
    if (value.startsWith('*')) return form('*', value);
    // Without a slash only a prefix can match: an exact value has no subject.
    return value.endsWith('*') ? form(value, '*') : { issuer: new TextValues([]), subject: new TextValues([]) };
  }
  const issuer = value.slice(0, slash);
  const subject = value.slice(slash + 1);
  // Only the end at which the value has its star is a pattern; a star elsewhere is a character.
  if (value.startsWith('*')) return { issuer: new TextValues([issuer]), subject: exactly(subject) };
  if (value.endsWith('*')) return { issuer: exactly(issuer), subject: new TextValues([subject]) };
  return { issuer: exactly(issuer), subject: exactly(subject) };
}

function form(issuer: string, subject: string): PrincipalForm {
  return { issuer: new TextValues([issuer]), subject: new TextValues([subject]) };
}

/** A literal, also where it holds a star. */
function exactly(value: string): TextValues {
  return value.startsWith('*') || value.endsWith('*') ? new TextValues([]) : new TextValues([value]);
}
