import { attributeName, headerPlace } from './attributes.ts';
import { parseDurationValue } from './duration-value.ts';
import type { BinarySign, Expression, PatternTest } from './expression.ts';
import { ExpressionError, expressionTokens, type Token } from './expression-tokens.ts';

export type ParsedExpression =
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'problem'; readonly problem: string };

/** Makes the test of `matches`; throws for a text that is no RE2 expression. */
export type CompilePattern = (pattern: string) => PatternTest;

/** A problem says what is not understood, for the person who wrote it. */
export function parseExpression(text: string, compilePattern: CompilePattern): ParsedExpression {
  try {
    return { kind: 'expression', expression: new ExpressionParser(text, compilePattern).parse() };
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: 'problem', problem: error.message };
    throw error;
  }
}

/** Deeper ones are refused: evaluation goes as deep. */
const maxDepth = 32;
const maxItems = 64;
/** From the weakest. */
const levels: readonly (readonly BinarySign[])[] = [
  ['||'],
  ['&&'],
  ['==', '!=', '<', '<=', '>', '>='],
  ['+', '-'],
  ['*', '/', '%'],
];

const methods: ReadonlySet<string> = new Set(['contains', 'startsWith', 'endsWith', 'matches', 'size']);

class ExpressionParser {
  readonly #tokens: readonly Token[];
  readonly #compilePattern: CompilePattern;
  #next = 0;
  #depth = 0;

  constructor(text: string, compilePattern: CompilePattern) {
    this.#tokens = expressionTokens(text);
    this.#compilePattern = compilePattern;
  }

  parse(): Expression {
    const expression = this.#choice();
    if (this.#token.kind !== 'end') throw this.#unexpected('nothing more');
    return expression;
  }

  get #token(): Token {
    const token = this.#tokens[Math.min(this.#next, this.#tokens.length - 1)];
    if (token === undefined) throw new ExpressionError('it is empty');
    return token;
  }

  #unexpected(wanted: string): ExpressionError {
    const { text, at } = this.#token;
    return new ExpressionError(`${wanted} is expected at ${at}, not ${text}`);
  }

  #isSign(sign: string): boolean {
    const { kind, text } = this.#token;
    return kind === 'sign' && text === sign;
  }

  #accept(sign: string): boolean {
    if (!this.#isSign(sign)) return false;
    this.#next += 1;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#accept(sign)) throw this.#unexpected(sign);
  }

  #nested<T>(read: () => T): T {
    this.#depth += 1;
    if (this.#depth > maxDepth) throw new ExpressionError(`it is nested more than ${maxDepth} deep`);
    const result = read();
    this.#depth -= 1;
    return result;
  }

  #choice(): Expression {
    return this.#nested(() => {
      const test = this.#binary(0);
      if (!this.#accept('?')) return test;
      const yes = this.#choice();
      this.#expect(':');
      return { kind: 'choice', test, yes, no: this.#choice() };
    });
  }

  #binary(level: number): Expression {
    const signs = levels[level];
    if (signs === undefined) return this.#unary();
    let left = this.#binary(level + 1);
    for (let terms = 1; ; terms++) {
      const sign = signs.find((one) => this.#isSign(one));
      if (sign === undefined) return this.#membership(level, left);
      if (terms > maxDepth) throw new ExpressionError(`it has more than ${maxDepth} terms of ${sign}`);
      this.#next += 1;
      left = { kind: 'binary', sign, left, right: this.#binary(level + 1) };
    }
  }

  /** `'x-name' in request.headers`, `response.code in [200, 204]` */
  #membership(level: number, left: Expression): Expression {
    const { kind, text } = this.#token;
    if (level !== 2 || kind !== 'name' || text !== 'in') return left;
    this.#next += 1;
    if (this.#accept('[')) return { kind: 'membership', of: left, items: this.#items() };
    const place = this.#token.kind === 'name' ? headerPlace(this.#path()) : undefined;
    if (place === undefined || left.kind !== 'literal' || typeof left.value !== 'string')
      throw new ExpressionError(
        "in is known before a list, and as 'name' in request.headers, response.headers or response.trailers",
      );
    return { kind: 'has', of: { kind: 'header', of: place, lowerName: left.value.toLowerCase() } };
  }

  /** Of a list, after its bracket. */
  #items(): readonly Expression[] {
    const items: Expression[] = [];
    while (!this.#accept(']')) {
      if (items.length > 0) this.#expect(',');
      if (items.length >= maxItems) throw new ExpressionError(`it has a list of more than ${maxItems}`);
      items.push(this.#choice());
    }
    return items;
  }

  #unary(): Expression {
    if (this.#accept('!')) return this.#nested(() => ({ kind: 'not', of: this.#unary() }));
    if (this.#accept('-')) {
      const { kind, text } = this.#token;
      if (kind !== 'number') throw this.#unexpected('a number');
      this.#next += 1;
      return { kind: 'literal', value: -Number(text) };
    }
    return this.#methods(this.#primary());
  }

  #primary(): Expression {
    const token = this.#token;
    switch (token.kind) {
      case 'string':
        this.#next += 1;
        return { kind: 'literal', value: token.text };
      case 'number':
        this.#next += 1;
        return { kind: 'literal', value: Number(token.text) };
      case 'sign': {
        this.#expect('(');
        const inner = this.#choice();
        this.#expect(')');
        return inner;
      }
      case 'name':
        return this.#named();
      case 'end':
        throw this.#unexpected('a value');
    }
  }

  #named(): Expression {
    const path = this.#path();
    if (path === 'true' || path === 'false') return { kind: 'literal', value: path === 'true' };
    if (this.#isSign('(')) return this.#call(path);
    const place = headerPlace(path);
    if (place !== undefined) {
      this.#expect('[');
      const { kind, text } = this.#token;
      if (kind !== 'string') throw this.#unexpected('the name of a header in quotes');
      this.#next += 1;
      this.#expect(']');
      return { kind: 'header', of: place, lowerName: text.toLowerCase() };
    }
    const name = attributeName(path);
    if (name === undefined) throw new ExpressionError(`${path} is not known here`);
    return { kind: 'attribute', name };
  }

  /** Names with dots between, up to a method's name. */
  #path(): string {
    const first = this.#token;
    if (first.kind !== 'name') throw this.#unexpected('a name');
    this.#next += 1;
    const parts = [first.text];
    while (this.#isSign('.')) {
      const [name, after] = [this.#tokens[this.#next + 1], this.#tokens[this.#next + 2]];
      if (name?.kind !== 'name' || (after?.kind === 'sign' && after.text === '(')) break;
      parts.push(name.text);
      this.#next += 2;
    }
    return parts.join('.');
  }

  #call(name: string): Expression {
    this.#expect('(');
    const of = this.#choice();
    this.#expect(')');
    switch (name) {
      case 'duration':
        return duration(of);
      case 'has':
        return { kind: 'has', of };
      case 'string':
      case 'int':
      case 'size':
        return { kind: 'conversion', to: name, of };
      default:
        throw new ExpressionError(`the function ${name} is not known here`);
    }
  }

  #methods(of: Expression): Expression {
    let value = of;
    while (this.#accept('.')) {
      const { kind, text } = this.#token;
      if (kind !== 'name') throw this.#unexpected('a method');
      if (!methods.has(text)) throw new ExpressionError(`the method ${text} is not known here`);
      this.#next += 1;
      this.#expect('(');
      if (text === 'size' && this.#accept(')')) {
        value = { kind: 'conversion', to: 'size', of: value };
        continue;
      }
      const part = this.#choice();
      this.#expect(')');
      value = this.#method(text, value, part);
    }
    return value;
  }

  #method(name: string, of: Expression, part: Expression): Expression {
    switch (name) {
      case 'contains':
      case 'startsWith':
      case 'endsWith':
        return { kind: 'text-test', test: name, of, part };
      case 'matches': {
        if (part.kind !== 'literal' || typeof part.value !== 'string')
          throw new ExpressionError('matches needs its pattern in quotes');
        const pattern = part.value;
        try {
          return { kind: 'matches', of, pattern, test: this.#compilePattern(pattern) };
        } catch {
          throw new ExpressionError(`"${pattern.slice(0, 100)}" is not a regular expression that RE2 knows`);
        }
      }
      default:
        throw new ExpressionError(`${name} takes nothing in its parentheses`);
    }
  }
}

function duration(of: Expression): Expression {
  const text = of.kind === 'literal' && typeof of.value === 'string' ? of.value : '';
  const value = parseDurationValue(text);
  if (value === undefined) throw new ExpressionError("duration needs a text such as '500ms' or '1h30m'");
  return { kind: 'literal', value };
}
