/** Tags that Telemetry resources put on spans. Spec: contract l7 7.4. */
import type { proxy as messages } from '@ambit/api';
import { type LogConstants, type LogOperator, operatorText, parseLogFormat } from '@ambit/telemetry';

import type { RequestRecord } from '../request-record.ts';

type TagSource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'header'; readonly lowerName: string; readonly fallback: string }
  | { readonly kind: 'format'; readonly operators: readonly LogOperator[] };

/** What a configuration says of spans. */
export interface SpanPlan {
  readonly maxUrlChars: number;
  readonly showsIstioTags: boolean;
  readonly tags: readonly (readonly [name: string, source: TagSource])[];
}

/** Longest URL that a span holds. Istio: maxTagLength. */
const defaultUrlChars = 256;
/** Longest value of a tag: the rest is cut. */
const maxValueChars = 1024;

/** A format that is too long is left out: the control plane has told of it. */
export function spanPlan(tracing: messages.Telemetry_Tracing, constants: LogConstants): SpanPlan {
  return {
    maxUrlChars: tracing.maxUrlChars === 0 ? defaultUrlChars : tracing.maxUrlChars,
    showsIstioTags: !tracing.omitsIstioTags,
    tags: tracing.tags.flatMap(({ name, source }) => {
      const compiled = compile(source, constants);
      return compiled === undefined ? [] : [[name, compiled] as const];
    }),
  };
}

function compile(source: messages.Telemetry_Tag['source'], constants: LogConstants): TagSource | undefined {
  switch (source.case) {
    case 'literal':
      return { kind: 'text', text: source.value };
    case 'header':
      return { kind: 'header', lowerName: source.value.name.toLowerCase(), fallback: source.value.fallback };
    case 'environment': {
      const { name, fallback } = source.value;
      const value = constants.environment(name) ?? '';
      return { kind: 'text', text: value === '' ? fallback : value };
    }
    case 'format':
      try {
        return { kind: 'format', operators: parseLogFormat(source.value, constants).operators };
      } catch {
        return undefined;
      }
    case undefined:
      return undefined;
  }
}

/** Empty for no tag. */
export function tagText(source: TagSource, record: RequestRecord): string {
  switch (source.kind) {
    case 'text':
      return source.text;
    case 'header':
      return (record.head.fields.joined(source.lowerName) ?? source.fallback).slice(0, maxValueChars);
    case 'format': {
      let text = '';
      for (const operator of source.operators) text += operatorText(operator, record);
      return text.slice(0, maxValueChars);
    }
  }
}
