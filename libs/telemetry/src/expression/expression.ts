/** Expressions of users over one request: a part of CEL, as Istio takes them for labels and access logs. Spec: contract l7 7.1. */
import type { AttributeName, HeaderPlace } from './attributes.ts';
import { DurationValue } from './duration-value.ts';

export type ExpressionValue = string | number | boolean | DurationValue;

/** A request as expressions see it. Undefined where there is no such thing: then so is what is computed of it. */
export interface ExpressionSource {
  attribute(name: AttributeName): ExpressionValue | undefined;
  header(of: HeaderPlace, lowerName: string): string | undefined;
}

export type BinarySign = '==' | '!=' | '<' | '<=' | '>' | '>=' | '+' | '-' | '*' | '/' | '%' | '&&' | '||';
export type TextTestName = 'contains' | 'startsWith' | 'endsWith';
export type ConversionName = 'string' | 'int' | 'size';

/** A parsed expression. */
export type Expression =
  | { readonly kind: 'literal'; readonly value: ExpressionValue }
  | { readonly kind: 'attribute'; readonly name: AttributeName }
  | { readonly kind: 'header'; readonly of: HeaderPlace; readonly lowerName: string }
  | { readonly kind: 'has'; readonly of: Expression }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'binary'; readonly sign: BinarySign; readonly left: Expression; readonly right: Expression }
  | { readonly kind: 'membership'; readonly of: Expression; readonly items: readonly Expression[] }
  | { readonly kind: 'choice'; readonly test: Expression; readonly yes: Expression; readonly no: Expression }
  | { readonly kind: 'text-test'; readonly test: TextTestName; readonly of: Expression; readonly part: Expression }
  | { readonly kind: 'matches'; readonly of: Expression; readonly pattern: string; readonly test: PatternTest }
  | { readonly kind: 'conversion'; readonly to: ConversionName; readonly of: Expression };

/** A compiled RE2 expression that may match anywhere in a text. */
export type PatternTest = (text: string) => boolean;

/** Undefined where CEL has an error: what is missing, or types that do not go together. */
export function evaluate(expression: Expression, source: ExpressionSource): ExpressionValue | undefined {
  switch (expression.kind) {
    case 'literal':
      return expression.value;
    case 'attribute':
      return source.attribute(expression.name);
    case 'header':
      return source.header(expression.of, expression.lowerName);
    case 'has':
      return evaluate(expression.of, source) !== undefined;
    case 'not': {
      const value = evaluate(expression.of, source);
      return typeof value === 'boolean' ? !value : undefined;
    }
    case 'membership': {
      const value = evaluate(expression.of, source);
      return value === undefined ? undefined : expression.items.some((item) => isEqual(value, evaluate(item, source)));
    }
    case 'choice': {
      const test = evaluate(expression.test, source);
      return typeof test === 'boolean' ? evaluate(test ? expression.yes : expression.no, source) : undefined;
    }
    case 'text-test': {
      const text = evaluate(expression.of, source);
      const part = evaluate(expression.part, source);
      if (typeof text !== 'string' || typeof part !== 'string') return undefined;
      if (expression.test === 'contains') return text.includes(part);
      return expression.test === 'startsWith' ? text.startsWith(part) : text.endsWith(part);
    }
    case 'matches': {
      const text = evaluate(expression.of, source);
      return typeof text === 'string' ? expression.test(text) : undefined;
    }
    case 'conversion':
      return converted(evaluate(expression.of, source), expression.to);
    case 'binary':
      return binary(expression.sign, expression.left, expression.right, source);
  }
}

function binary(
  sign: BinarySign,
  leftOf: Expression,
  rightOf: Expression,
  source: ExpressionSource,
): ExpressionValue | undefined {
  const left = evaluate(leftOf, source);
  if (sign === '&&' || sign === '||') {
    // As CEL has it, in either order: one side may decide although the other cannot be told.
    const decides = sign === '||';
    if (left === decides) return decides;
    const right = evaluate(rightOf, source);
    if (right === decides) return decides;
    return typeof left === 'boolean' && typeof right === 'boolean' ? !decides : undefined;
  }
  const right = evaluate(rightOf, source);
  if (left === undefined || right === undefined || typeof left !== typeof right) return undefined;
  if (left instanceof DurationValue || right instanceof DurationValue) {
    return left instanceof DurationValue && right instanceof DurationValue ? ofDurations(sign, left, right) : undefined;
  }
  if (sign === '+' && typeof left === 'string' && typeof right === 'string') return left + right;
  const found = compared(sign, left, right);
  if (found !== undefined) return found;
  return typeof left === 'number' && typeof right === 'number' ? calculated(sign, left, right) : undefined;
}

/** Undefined for signs that do not compare. */
function compared<T extends string | number | boolean>(sign: BinarySign, left: T, right: T): boolean | undefined {
  switch (sign) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    default:
      return undefined;
  }
}

function isEqual(left: ExpressionValue, right: ExpressionValue | undefined): boolean {
  if (left instanceof DurationValue) return right instanceof DurationValue && left.ms === right.ms;
  return left === right;
}

/** Whole numbers are divided as CEL does: what is over falls away. */
function calculated(sign: BinarySign, left: number, right: number): number | undefined {
  switch (sign) {
    case '+':
      return left + right;
    case '-':
      return left - right;
    case '*':
      return left * right;
    case '/': {
      const isWhole = Number.isInteger(left) && Number.isInteger(right);
      if (isWhole && right === 0) return undefined;
      return isWhole ? Math.trunc(left / right) : left / right;
    }
    case '%':
      return Number.isInteger(left) && Number.isInteger(right) && right !== 0 ? left % right : undefined;
    default:
      return undefined;
  }
}

function ofDurations(
  sign: BinarySign,
  { ms: left }: DurationValue,
  { ms: right }: DurationValue,
): ExpressionValue | undefined {
  if (sign === '+' || sign === '-') return new DurationValue(sign === '+' ? left + right : left - right);
  return compared(sign, left, right);
}

function converted(value: ExpressionValue | undefined, to: ConversionName): ExpressionValue | undefined {
  if (value === undefined) return undefined;
  switch (to) {
    case 'string':
      return String(value);
    case 'int':
      if (typeof value === 'number') return Math.trunc(value);
      return typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : undefined;
    case 'size':
      // CEL counts characters, not their halves.
      return typeof value === 'string' ? value.replaceAll(/[\uD800-\uDBFF][\uDC00-\uDFFF]/g, '.').length : undefined;
  }
}
