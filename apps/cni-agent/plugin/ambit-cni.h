/* What the plugin makes of its input; apart from main so that tests can feed it anything. */
#ifndef AMBIT_CNI_H
#define AMBIT_CNI_H
#include "json-span.h"

#define MAX_CONFIG_BYTES (1024 * 1024)
#define MAX_BODY_BYTES (32 * 1024)

struct environment {
  const char *args, *netns, *container;
};

enum verdict { PASS, ASK_AGENT, REFUSE };

struct request {
  enum verdict verdict;
  const char *reason;          /* REFUSE: what is wrong */
  struct span previous_result; /* a piece of the configuration */
  char version[16];
  char socket_path[100];
  char body[MAX_BODY_BYTES]; /* ASK_AGENT: JSON, NUL-terminated */
};

/* Decides about ADD. `config` must live as long as `out`. */
void plan_add(const char *config, size_t length, const struct environment *environment, struct request *out);

#endif
