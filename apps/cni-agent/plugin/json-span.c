#include "json-span.h"
#include <string.h>

#define MAX_DEPTH 32
static const struct span nothing = {NULL, 0};

static const char *skip_space(const char *p, const char *end) {
  while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r')) p++;
  return p;
}

/* `p` is at the opening quote; returns what follows the closing one. */
static const char *skip_string(const char *p, const char *end) {
  for (p++; p < end; p++) {
    if (*p == '"') return p + 1;
    if ((unsigned char)*p < 0x20) return NULL;
    if (*p == '\\' && ++p == end) return NULL;
  }
  return NULL;
}

static const char *skip_word(const char *p, const char *end) {
  const char *start = p;
  while (p < end && ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || *p == '-' || *p == '+' || *p == '.' || *p == 'E')) p++;
  if (p == start) return NULL;
  if (*start == '-' || (*start >= '0' && *start <= '9')) return p;
  size_t length = (size_t)(p - start);
  bool known = (length == 4 && (memcmp(start, "true", 4) == 0 || memcmp(start, "null", 4) == 0)) || (length == 5 && memcmp(start, "false", 5) == 0);
  return known ? p : NULL;
}

static const char *skip_value(const char *p, const char *end, int depth) {
  if (p == end || depth > MAX_DEPTH) return NULL;
  if (*p == '"') return skip_string(p, end);
  if (*p != '{' && *p != '[') return skip_word(p, end);
  char close = *p == '{' ? '}' : ']';
  p = skip_space(p + 1, end);
  if (p < end && *p == close) return p + 1;
  for (;;) {
    if (close == '}') {
      if (p == end || *p != '"' || !(p = skip_string(p, end))) return NULL;
      p = skip_space(p, end);
      if (p == end || *p != ':') return NULL;
      p = skip_space(p + 1, end);
    }
    if (!(p = skip_value(p, end, depth + 1))) return NULL;
    p = skip_space(p, end);
    if (p == end) return NULL;
    if (*p == close) return p + 1;
    if (*p != ',') return NULL;
    p = skip_space(p + 1, end);
  }
}

struct span json_parse(const char *text, size_t length) {
  const char *end = text + length, *start = skip_space(text, end);
  const char *after = skip_value(start, end, 0);
  if (!after || skip_space(after, end) != end) return nothing;
  return (struct span){start, (size_t)(after - start)};
}

/* Spans come from json_parse, so the text inside is known to be well formed. */
struct span json_member(struct span object, const char *key) {
  struct span found = nothing;
  if (!object.at || *object.at != '{') return nothing;
  const char *end = object.at + object.length, *p = skip_space(object.at + 1, end);
  while (p && p < end && *p == '"') {
    const char *name = p, *after = skip_string(p, end);
    if (!after) return nothing;
    const char *value = skip_space(skip_space(after, end) + 1, end);
    const char *next = skip_value(value, end, 0);
    if (!next) return nothing;
    if ((size_t)(after - name) == strlen(key) + 2 && memcmp(name + 1, key, strlen(key)) == 0) found = (struct span){value, (size_t)(next - value)};
    p = skip_space(next, end);
    if (p < end && *p == ',') p = skip_space(p + 1, end);
  }
  return found;
}

struct span json_next(struct span array, struct span previous) {
  if (!array.at || *array.at != '[') return nothing;
  const char *end = array.at + array.length;
  const char *p = skip_space(previous.at ? previous.at + previous.length : array.at + 1, end);
  if (previous.at && p < end && *p == ',') p = skip_space(p + 1, end);
  if (p >= end || *p == ']') return nothing;
  const char *after = skip_value(p, end, 0);
  return after ? (struct span){p, (size_t)(after - p)} : nothing;
}

bool json_text(struct span value, char *out, size_t size) {
  if (!value.at || value.length < 2 || *value.at != '"') return false;
  size_t length = value.length - 2;
  if (length >= size || memchr(value.at + 1, '\\', length) || memchr(value.at + 1, 0, length)) return false;
  memcpy(out, value.at + 1, length);
  out[length] = 0;
  return true;
}

bool json_equals(struct span value, const char *text) {
  return value.at && value.length == strlen(text) + 2 && *value.at == '"' && memcmp(value.at + 1, text, strlen(text)) == 0;
}
