/*
 * Finds values in JSON text without building anything: a span is a piece of the text. Strict enough that nothing outside
 * the text is read; bounded depth. Strings with escapes are found but not decoded: callers refuse them.
 */
#ifndef AMBIT_JSON_SPAN_H
#define AMBIT_JSON_SPAN_H
#include <stdbool.h>
#include <stddef.h>

struct span {
  const char *at; /* NULL: there is no such value */
  size_t length;
};

/* The whole text as one value; without a value when the text is not JSON or nested deeper than 32. */
struct span json_parse(const char *text, size_t length);
/* The value of a member; the last one counts, as in Go. Without a value when `object` is no object or has no such member. */
struct span json_member(struct span object, const char *key);
/* Elements of an array one by one: start with an empty `previous`. */
struct span json_next(struct span array, struct span previous);
/* Copies a string without its quotes. False when it is no string, holds escapes or a NUL, or does not fit with its end. */
bool json_text(struct span value, char *out, size_t size);
bool json_equals(struct span value, const char *text);

#endif
