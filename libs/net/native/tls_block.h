/* The block in which a session collects records: borrowed from a short list of free ones while there is anything in it. */
#ifndef AMBIT_TLS_BLOCK_H
#define AMBIT_TLS_BLOCK_H
#include "addon.h"
#include <stdlib.h>
#include <string.h>

enum {
  RECORD_ROOM = 16384 + 256 + 5,
  BLOCK_SIZE = 256 * 1024 + RECORD_ROOM,
};

struct block {
  uint8_t *at; /* NULL when empty */
  size_t start, end;
};

static bool block_open(struct addon_state *state, struct block *b) {
  if (b->at) return true;
  b->start = b->end = 0;
  b->at = state->blocks.count > 0 ? state->blocks.free[--state->blocks.count] : malloc(BLOCK_SIZE);
  return b->at != NULL;
}

static void block_release(struct addon_state *state, struct block *b) {
  const int most = (int)(sizeof state->blocks.free / sizeof *state->blocks.free);
  if (!b->at) return;
  if (state->blocks.count < most) state->blocks.free[state->blocks.count++] = b->at;
  else free(b->at);
  b->at = NULL;
  b->start = b->end = 0;
}

static void block_consume(struct addon_state *state, struct block *b, size_t size) {
  b->start += size;
  if (b->start == b->end) block_release(state, b);
}

static size_t block_room(struct block *b) {
  if (b->start > 0 && BLOCK_SIZE - b->end < RECORD_ROOM) {
    memmove(b->at, b->at + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
  }
  return BLOCK_SIZE - b->end;
}

static size_t block_append(struct addon_state *state, struct block *b, const void *data, size_t size) {
  if (!block_open(state, b)) return 0;
  size_t room = block_room(b);
  if (size > room) size = room;
  memcpy(b->at + b->end, data, size);
  b->end += size;
  return size;
}
#endif
